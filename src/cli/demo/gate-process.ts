/**
 * The real gate of the demo: our own executable with `serve`, as a child process. It is ready
 * when its log has said where it listens.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { CommandError } from '../command.ts'

/** `127.0.0.1:PORT` of the listeners. */
export interface GateAddresses {
  readonly inbound: string
  readonly egress: string
  readonly admin: string
}

/** A running gate. */
export interface GateProcess extends GateAddresses {
  /** Resolves when the process has ended by itself. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 8000

/** Starts `sidegate serve` on a configuration and waits until it listens; its log goes to a file. */
export async function createGateProcess(config: string, log: string): Promise<GateProcess> {
  const program = process.argv[1]
  if (program === undefined) throw new Error('the path of the executable is not known')
  const env = { ...process.env }
  delete env.SIDEGATE_CONFIG
  const child = spawn(process.execPath, [program, 'serve', '--config', config], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A demo that crashes must not leave its gate behind.
  const killAtExit = (): void => {
    child.kill('SIGKILL')
  }
  process.on('exit', killAtExit)
  const ended = new Promise<void>((resolve) => {
    child.on('exit', () => {
      process.off('exit', killAtExit)
      resolve()
    })
  })
  const gate = { ended, close: () => stop(child, ended) }
  try {
    return { ...gate, ...(await readAddresses(child, log)) }
  } catch (error) {
    await gate.close()
    throw error
  }
}

function readAddresses(child: ChildProcess, log: string): Promise<GateAddresses> {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the gate has no output to read')
  const file = createWriteStream(log, { mode: 0o600 })
  stdout.pipe(file)
  let complaints = ''
  stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaints = (complaints + chunk).slice(-4096)
  })
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer)
      reject(new CommandError(`the gate of the demo ${reason}\n${complaints}`.trimEnd()))
    }
    const timer = setTimeout(() => {
      fail(`did not listen within ${START_TIMEOUT_MS / 1000} s`)
    }, START_TIMEOUT_MS)
    child.on('error', (error) => {
      fail(`could not be started: ${error.message}`)
    })
    child.on('close', (code) => {
      fail(`ended with exit code ${code ?? 'none'} before it listened`)
    })
    const found = new Map<string, string>()
    createInterface({ input: stdout }).on('line', (line) => {
      const listening = parseListening(line)
      if (listening !== undefined) found.set(...listening)
      const inbound = found.get('inbound')
      const egress = found.get('egress')
      const admin = found.get('admin')
      if (inbound === undefined || egress === undefined || admin === undefined) return
      clearTimeout(timer)
      resolve({ inbound, egress, admin })
    })
  })
}

/** `[side, address]` where the line of the log says that a listener is up. */
function parseListening(line: string): [string, string] | undefined {
  if (!line.includes('"listening"')) return undefined
  const entry = JSON.parse(line) as { event?: unknown; side?: unknown; address?: unknown }
  if (entry.event !== 'listening') return undefined
  const { side, address } = entry
  return typeof side === 'string' && typeof address === 'string' ? [side, address] : undefined
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  child.kill('SIGTERM')
  await ended
  clearTimeout(timer)
}
