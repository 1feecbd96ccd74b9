/**
 * Collects lines of the log and writes them together: a line waits at most `maxDelayMs`, and a busy
 * process writes once for many. Access lines and all others pass here, so that their order is kept.
 */
import type { Destination } from './destination.ts'
import { formatLine } from './text.ts'
import { formatInstant } from './timestamp.ts'

const maxDelayMs = 50
const maxBatchLength = 16 * 1024

export type LineFormat = 'json' | 'text'

export class Lines {
  readonly #destination: Destination
  readonly #format: LineFormat
  readonly #nowMs: () => number
  #batch = ''
  #count = 0
  #lost = 0
  #timer: NodeJS.Timeout | undefined

  constructor(destination: Destination, format: LineFormat, nowMs: () => number) {
    this.#destination = destination
    this.#format = format
    this.#nowMs = nowMs
  }

  /** Takes one line of JSON, its line break included. */
  write(line: string): void {
    this.#batch += this.#format === 'json' ? line : formatLine(line)
    this.#count++
    if (this.#batch.length >= maxBatchLength) this.#pass()
    else this.#timer ??= this.#later()
  }

  /** Resolves when every line written so far is out, or cannot be. */
  async flush(): Promise<void> {
    this.#pass()
    await this.#destination.flush()
  }

  /** Writes every line at once; for the end of the process. */
  flushSync(): void {
    this.#pass()
    this.#destination.flushSync()
  }

  #later(): NodeJS.Timeout {
    // Not unref'd: a process that has nothing else to do still owes these lines.
    return setTimeout(() => {
      this.#pass()
    }, maxDelayMs)
  }

  #pass(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    // What was lost before stands before what comes after it.
    if (this.#lost > 0 && this.#destination.write(this.#reportLost())) this.#lost = 0
    if (this.#batch !== '' && !this.#destination.write(this.#batch)) this.#lost += this.#count
    this.#batch = ''
    this.#count = 0
  }

  #reportLost(): string {
    const time = formatInstant(this.#nowMs())
    const line = `{"level":"warn","time":"${time}","event":"log_lines_lost","count":${this.#lost}}\n`
    return this.#format === 'json' ? line : formatLine(line)
  }
}
