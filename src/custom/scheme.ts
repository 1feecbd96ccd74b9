/**
 * A module as the gate calls it: a thread that is started anew when it has ended, after a pause that
 * grows. Whatever goes wrong is `scheme_failed`; nobody is let in and nothing goes out then.
 */
import { SidegateError } from '../errors.ts'
import type { FoundExports, ReducedAnswer, SchemeCall } from './messages.ts'
import { ModuleFault, SchemeThread, type ThreadSettings } from './thread.ts'

/** What a scheme is made of. */
export interface SchemeOptions {
  /** Name of the definition. */
  readonly name: string
  readonly settings: ThreadSettings
  /** Milliseconds that never go back. */
  readonly monotonicMs: () => number
  /** In our words, for the log. */
  readonly onFault: (detail: string) => void
}

/** Calls of one definition that are under way. */
const MAX_CALLS = 1024
const FIRST_PAUSE_MS = 1000
const MAX_PAUSE_MS = 30_000

export class CustomScheme {
  readonly #options: SchemeOptions
  #thread: SchemeThread | undefined
  #calls = 0
  /** Ends of threads since the last answer. */
  #ends = 0
  #pausedUntilMs = -Infinity
  #isClosed = false

  constructor(options: SchemeOptions) {
    this.#options = options
    this.#thread = this.#start()
  }

  /** One call of a function; rejects with a `SidegateError`: `scheme_failed` or `overloaded`. */
  async call(call: SchemeCall): Promise<ReducedAnswer> {
    if (this.#calls >= MAX_CALLS) {
      const detail = `${MAX_CALLS} calls of the module are under way`
      throw new SidegateError('overloaded', { detail, retryAfterS: 1 })
    }
    this.#calls += 1
    try {
      const answer = await this.#findThread().call(call)
      this.#ends = 0
      return answer
    } catch (error) {
      if (!(error instanceof ModuleFault)) throw error
      throw this.fail(error.message)
    } finally {
      this.#calls -= 1
    }
  }

  /** What the module exports; rejects as `call` does. */
  async exports(): Promise<FoundExports> {
    try {
      return await this.#findThread().loaded
    } catch (error) {
      if (!(error instanceof ModuleFault)) throw error
      throw this.fail(error.message)
    }
  }

  /** An answer that cannot be used is a fault of the module too. */
  fail(detail: string): SidegateError {
    this.#options.onFault(detail)
    return new SidegateError('scheme_failed', {
      detail: `${detail} (definition "${this.#options.name}")`,
    })
  }

  /** Calls under way end as they would have. */
  close(): void {
    this.#isClosed = true
    this.#thread?.close()
  }

  #findThread(): SchemeThread {
    if (this.#thread !== undefined) return this.#thread
    if (this.#isClosed) throw new ModuleFault('the definition is served no more')
    const leftMs = this.#pausedUntilMs - this.#options.monotonicMs()
    if (leftMs > 0) {
      throw new ModuleFault(`the module is started again in ${Math.ceil(leftMs / 1000)} s`)
    }
    return (this.#thread = this.#start())
  }

  #start(): SchemeThread {
    const thread: SchemeThread = new SchemeThread(this.#options.settings, {
      onEnd: (why) => {
        if (this.#thread !== thread) return
        this.#thread = undefined
        this.#options.onFault(why)
        // At once the first time: one bad request is no reason for a pause.
        const pauseMs = this.#ends === 0 ? 0 : FIRST_PAUSE_MS * 2 ** (this.#ends - 1)
        this.#ends += 1
        this.#pausedUntilMs = this.#options.monotonicMs() + Math.min(pauseMs, MAX_PAUSE_MS)
      },
      onFull: () => {
        if (this.#thread !== thread || this.#isClosed) return
        this.#options.onFault('the module holds more memory than it may; it is started anew')
        this.#thread = this.#start()
        thread.close()
      },
    })
    return thread
  }
}
