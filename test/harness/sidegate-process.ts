/**
 * The real program as a child process: configured from a temporary folder, listening on ports of
 * its own choosing, watched through what it prints, and ended with the test.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { eventually } from './eventually.ts'

/** A JSON line of the program's log. */
export type LogLine = Readonly<Record<string, unknown>>

/** One of the program's listeners, as its log names it. */
export type Side = 'inbound' | 'egress' | 'admin' | 'probes'

export interface SidegateOptions {
  /** YAML text, or an object, which is written as JSON (that is YAML too). */
  readonly config: string | object
  readonly env?: Readonly<Record<string, string>>
  /** Other files of the folder, by relative name, written before the start. */
  readonly files?: Readonly<Record<string, string>>
  /** Further arguments, given the folder. */
  readonly args?: (folder: string) => readonly string[]
  /** Puts more into the folder than plain files, before the start. */
  readonly prepare?: (folder: string) => Promise<void>
}

/** Status, headers and text of an answer of the admin listener. */
export interface AdminAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Where the compiled program is, seen from compiled tests (`build/…/test/harness`). */
export function findProgram(): string {
  return fileURLToPath(new URL('../../src/main.js', import.meta.url))
}

const SEVERE = new Set(['error', 'fatal'])

/** A running `sidegate serve`. */
export class SidegateProcess {
  readonly child: ChildProcess
  readonly folder: string
  /** Everything that was printed, both streams, in order of arrival. */
  output = ''
  readonly lines: LogLine[] = []
  #partial = ''

  constructor(child: ChildProcess, folder: string) {
    this.child = child
    this.folder = folder
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#take(text)
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
    })
  }

  /** Starts the program without waiting for anything. */
  static async spawn(t: Test, options: SidegateOptions): Promise<SidegateProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'sidegate-e2e-'))
    const { config } = options
    const text = typeof config === 'string' ? config : JSON.stringify(config, null, 2)
    for (const [name, content] of Object.entries(options.files ?? {})) {
      await writeFile(join(folder, name), content, { mode: 0o600 })
    }
    await writeFile(join(folder, 'sidegate.yaml'), text)
    await options.prepare?.(folder)
    const args = [findProgram(), 'serve', '--config', join(folder, 'sidegate.yaml')]
    const child = spawn(process.execPath, [...args, ...(options.args?.(folder) ?? [])], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const sidegate = new SidegateProcess(child, folder)
    t.after(async () => {
      await sidegate.kill()
      await rm(folder, { recursive: true, force: true })
    })
    return sidegate
  }

  /** Starts the program and waits until it is ready. */
  static async start(t: Test, options: SidegateOptions): Promise<SidegateProcess> {
    const sidegate = await SidegateProcess.spawn(t, options)
    await sidegate.ready()
    return sidegate
  }

  /** Waits for `/readyz` of the admin listener. */
  async ready(): Promise<void> {
    await this.listener('admin')
    await eventually('readiness', async () => (await this.admin('/readyz')).status === 200, 15_000)
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The port of a listener that has announced itself. */
  port(side: Side): number {
    const line = this.#listening(side)
    if (line === undefined) throw new Error(`no ${side} listener:\n${this.output}`)
    return Number(/:(\d+)$/.exec(String(line['address']))?.[1])
  }

  async listener(side: Side): Promise<number> {
    const found = () => !this.isAlive || this.#listening(side) !== undefined
    await eventually(`the ${side} listener`, found, 15_000)
    return this.port(side)
  }

  /** Waits for a log line; looks at all lines from `from` on. */
  line(what: string, matches: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    return eventually(what, () => this.lines.slice(from).find(matches))
  }

  /** Lines of level error and above. */
  get severeLines(): LogLine[] {
    return this.lines.filter((line) => SEVERE.has(String(line['level'])))
  }

  async admin(path: string, init: RequestInit = {}): Promise<AdminAnswer> {
    const url = `http://127.0.0.1:${this.port('admin')}${path}`
    // A connection of its own each time, so that none keeps the listener from closing.
    const headers = { connection: 'close', ...(init.headers as Record<string, string> | undefined) }
    const response = await fetch(url, { ...init, headers })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  async status(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.admin('/status')).text) as Record<string, unknown>
  }

  /** The value of one sample of `/metrics`, by its exact name with labels. */
  async metric(sample: string): Promise<number | undefined> {
    const { text } = await this.admin('/metrics')
    const line = text.split('\n').find((l) => l.startsWith(`${sample} `))
    return line === undefined ? undefined : Number(line.slice(sample.length + 1))
  }

  /** Resident memory, in KiB. */
  async residentKib(): Promise<number> {
    const text = await readFile(`/proc/${this.child.pid ?? 0}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1])
  }

  write(name: string, content: string): Promise<void> {
    return writeFile(join(this.folder, name), content)
  }

  /** Waits for the end of the program and of its output; the exit code, or the signal's name. */
  async exited(): Promise<number | NodeJS.Signals> {
    if (this.isAlive) await once(this.child, 'close')
    return this.child.exitCode ?? this.child.signalCode ?? -1
  }

  /** Asks it to end. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.child.kill('SIGTERM')
    return this.exited()
  }

  /** Ends it, whatever it does. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited()
  }

  #listening(side: Side): LogLine | undefined {
    return this.lines.find((line) => line['event'] === 'listening' && line['side'] === side)
  }

  #take(text: string): void {
    this.output += text
    const parts = (this.#partial + text).split('\n')
    this.#partial = parts.pop() ?? ''
    for (const part of parts) {
      if (part.startsWith('{')) this.lines.push(JSON.parse(part) as LogLine)
    }
  }
}
