/**
 * The manual of `serve`; the command itself is loaded only when it runs, because `--help` needs
 * none of it.
 */
import {
  type Command,
  configOption,
  defineManual,
  expectPositionals,
  parseOptions,
} from './command.ts'

const manual = defineManual({
  name: 'serve',
  usage: '[--config PATH]...',
  about:
    'Runs the gate until SIGTERM or Ctrl-C: listens where inbound.listen and egress.listen say, follows every file of the configuration ' +
    'while it runs, and finishes what it has begun before it ends. A configuration with a problem is not started; ' +
    'one that gets a problem later is not taken over, the last good one stays.',
  options: {
    config: configOption,
  },
  examples: [
    ['sidegate serve', 'serves ./sidegate.yaml'],
    ['sidegate serve --config /etc/sidegate', 'serves every *.yaml and *.yml of a directory'],
    ['kill -HUP PID', 'reloads at once; a change of the files is seen without it'],
  ],
})

/** `sidegate serve`. */
export const serveCommand: Command = { manual, run: runServe }

async function runServe(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  expectPositionals(manual, positionals, [])
  const { serve } = await import('./serve.ts')
  return serve(values.config)
}
