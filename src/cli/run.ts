/**
 * `sidegate run -- CMD`: a command whose calls go through the gate, whatever it is written in, and
 * that is handed none of the secrets that the gate holds for it.
 */
import { type Command, UsageError, defineManual, parseOptions } from './command.ts'

const manual = defineManual({
  name: 'run',
  usage: '[--config PATH]... [--proxy-user USER] -- CMD [ARGS...]',
  about:
    'Runs CMD with proxy variables that name egress.listen, NO_PROXY for loopback and, where egress.ca is set, CA variables ' +
    'that name a bundle of the roots of this machine and ours, for curl, Python, Node, Java, Go, git, pip, Deno, Cargo and ' +
    'the AWS tools. Environment variables that the configuration reads are taken away: CMD needs no secret. The gate itself ' +
    'must run already. Exit code: that of CMD, 128 + n after signal n, 127 where there is no such CMD.',
  options: {
    config: {
      kind: 'list',
      short: 'c',
      value: 'PATH',
      text: 'a configuration file or a directory of them; may be repeated',
    },
    'proxy-user': {
      kind: 'value',
      value: 'USER',
      text: 'where egress.clients asks who calls; the password is taken from SIDEGATE_PROXY_PASSWORD',
    },
  },
  examples: [
    ['sidegate run -- npm start', 'a service on this machine'],
    ['sidegate run -- curl https://api.example.com/v1/me', 'what does the API say with our token?'],
    ['sidegate run --proxy-user billing-app -- java -jar app.jar', 'as one of egress.clients'],
  ],
})

async function runRun(args: readonly string[]): Promise<number> {
  const end = args.indexOf('--')
  const { values, positionals } = parseOptions(manual, end === -1 ? args : args.slice(0, end))
  const [stray] = positionals
  if (stray !== undefined) {
    throw new UsageError(`unexpected argument "${stray}", wanted -- before the command`)
  }
  const [command, ...rest] = end === -1 ? [] : args.slice(end + 1)
  if (command === undefined) throw new UsageError('CMD is missing, wanted -- CMD')
  const { loadOutline } = await import('./run/outline.ts')
  const outline = loadOutline(values.config)
  const { findProxy } = await import('./run/proxy.ts')
  const password = process.env['SIDEGATE_PROXY_PASSWORD']
  const proxy = findProxy(outline, values['proxy-user'], password)
  const { createTrustFiles } = await import('./run/trust-files.ts')
  const trust = outline.egress?.caCert === undefined ? undefined : await createTrustFiles(outline)
  try {
    const { createEnvironment } = await import('./run/environment.ts')
    const env = createEnvironment(process.env, { proxy, trust, secrets: outline.variables })
    const { runChild } = await import('./run/child.ts')
    return await runChild(command, rest, env)
  } finally {
    await trust?.remove()
  }
}

/** `sidegate run`. */
export const runCommand: Command = { manual, run: runRun }
