/**
 * Programs of others: whether they are installed, how they are run to their end, and how a daemon is
 * started on a free port and ended with its test.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']

/** Whoever ends what was started: tap's `t`, or the benchmark. */
export interface Owner {
  after(end: () => unknown): unknown
}

/** The absolute path of an installed program. */
export function findProgram(name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** `false`, or why a test that needs these programs is skipped. */
export function missing(...names: readonly string[]): string | false {
  const absent = names.filter((name) => findProgram(name) === undefined)
  if (absent.length === 0) return false
  return `${absent.join(' and ')} not installed ("make interop" as root on Debian installs it)`
}

/** How a program ended and what it printed. */
export interface Finished {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; `input` is its standard input. */
export async function run(
  name: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  // No proxy settings of the machine may stand between a client and the gate.
  const env = { PATH: process.env['PATH'], HOME: tmpdir(), LC_ALL: 'C', ...options.env }
  const child = spawn(findProgram(name) ?? name, args, { env })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('latin1').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  await once(child, 'close')
  return { exitCode: child.exitCode ?? -1, stdout, stderr }
}

/** Starts a daemon that stays in the foreground; the test ends it. */
export function startDaemon(t: Owner, name: string, args: readonly string[]): ChildProcess {
  const child = spawn(findProgram(name) ?? name, args, { stdio: ['ignore', 'inherit', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.on('exit', (code) => {
    if (code !== 0 && code !== null) process.stderr.write(`${name} ended with ${code}: ${stderr}\n`)
  })
  t.after(() => stopDaemon(child))
  return child
}

async function stopDaemon(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  child.kill('SIGTERM')
  await once(child, 'exit')
  clearTimeout(timer)
}

/** A folder that lives as long as the test. */
export async function createFolder(t: Owner): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-interop-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A free loopback port below those that the system hands out to clients, so that none takes it. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
