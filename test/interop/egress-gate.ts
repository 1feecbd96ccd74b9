/**
 * A gate for the applications of others: made as an operator makes it (`ca init`, `serve`), called by
 * whatever `sidegate run` starts. Its upstreams have a name that the gate alone can resolve, so that an
 * application that does not ask the gate gets nowhere.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { SidegateProcess, findProgram } from '../harness/sidegate-process.ts'
import { type Finished, createFolder, findFreePort } from './programs.ts'

/** The name of upstreams; RFC 6761 keeps `.test` from ever being anybody's. */
export const HOST = 'api.sidegate.test'

/** What the gate is made of besides `egress.listen` and `egress.ca`. */
export interface AppGateOptions {
  readonly security: readonly object[]
  readonly outgoing: readonly object[]
  readonly egress?: Readonly<Record<string, unknown>>
  /** The secrets; `sidegate run` is started with them too, and must not pass them on. */
  readonly env: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  /** Names that the gate, and nobody else, resolves to 127.0.0.1. */
  readonly names?: readonly string[]
}

/** How `sidegate run` is called. */
export interface RunOptions {
  /** Arguments before `--`. */
  readonly options?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A running gate. */
export interface AppGate {
  readonly sidegate: SidegateProcess
  readonly folder: string
  readonly port: number
  /** Runs an application behind the gate to its end. */
  run(command: readonly string[], options?: RunOptions): Promise<Finished>
}

const NAMESPACES = [['--mount'], ['--user', '--map-root-user', '--mount']]
const OWN_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'

/** The `unshare` that may give a process a file /etc/hosts of its own. */
const namespace = NAMESPACES.find(
  (flags) =>
    spawnSync('unshare', [...flags, 'sh', '-c', OWN_HOSTS, '/etc/hosts', 'true']).status === 0,
)

/** `false`, or why names cannot be given to the gate alone. */
export const skipNames: string | false =
  namespace === undefined &&
  'no mount namespace may be made here, so that no name can be given to the gate alone'

/** Starts the gate; it ends with the test. */
export async function startAppGate(t: Test, options: AppGateOptions): Promise<AppGate> {
  const folder = await createFolder(t)
  const config = join(folder, 'sidegate.yaml')
  const port = await findFreePort()
  for (const [name, content] of Object.entries(options.files ?? {})) {
    await writeFile(join(folder, name), content, { mode: 0o600 })
  }
  await writeFile(config, render(port, options))
  const env = { PATH: process.env['PATH'], HOME: tmpdir(), LC_ALL: 'C', ...options.env }
  const made = await sidegateCommand(['ca', 'init', '--config', config, '--out', folder], env)
  if (made.exitCode !== 0) throw new Error(`ca init: ${made.stderr}`)

  const serve = [process.execPath, findProgram(), 'serve', '--config', config]
  const [command = '', ...args] = await withNames(folder, options.names ?? [], serve)
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const sidegate = new SidegateProcess(child, folder)
  t.after(() => sidegate.kill())
  await sidegate.ready()
  return {
    sidegate,
    folder,
    port,
    run: (words, { options: flags = [], env: more } = {}) =>
      sidegateCommand(['run', '--config', config, ...flags, '--', ...words], { ...env, ...more }),
  }
}

function render(port: number, { security, outgoing, egress }: AppGateOptions): string {
  const config = {
    egress: {
      listen: `127.0.0.1:${port}`,
      ca: { cert: 'ca.pem', key: 'ca-key.pem' },
      ...egress,
    },
    admin: { listen: '127.0.0.1:0' },
    log: { level: 'trace', format: 'json' },
    shutdown: { drain_delay: '0s', drain_timeout: '2s' },
    security,
    outgoing,
  }
  return JSON.stringify(config, null, 2)
}

/** A mount namespace ends with its process: nothing of the machine is changed or has to be restored. */
async function withNames(
  folder: string,
  names: readonly string[],
  command: readonly string[],
): Promise<readonly string[]> {
  if (names.length === 0) return command
  if (namespace === undefined) throw new Error('no mount namespace, see skipNames')
  const hosts = join(folder, 'hosts')
  await writeFile(hosts, `${readFileSync('/etc/hosts', 'utf8')}\n127.0.0.1 ${names.join(' ')}\n`, {
    mode: 0o644,
  })
  return ['unshare', ...namespace, 'sh', '-c', OWN_HOSTS, hosts, ...command]
}

const COMMAND_TIMEOUT_MS = 60_000

async function sidegateCommand(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Finished> {
  const child = spawn(process.execPath, [findProgram(), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // It passes the signal on to the application.
  const timer = setTimeout(() => child.kill('SIGTERM'), COMMAND_TIMEOUT_MS)
  await once(child, 'close')
  clearTimeout(timer)
  return { exitCode: child.exitCode ?? -1, stdout, stderr }
}
