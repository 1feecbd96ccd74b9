/**
 * How long a relay may wait for whom: the upstream for its first byte and for more of its answer, the
 * client for more of its body and to take the answer. Bodies that only trickle are late too. Owns no
 * timer: whoever has one asks.
 */
import type { Exchange } from './exchange.ts'

/** A body must bring this much in each window (design, section 3.6: 100 B/s over 60 s). */
const RATE_WINDOW_MS = 60_000
const MIN_BYTES_PER_WINDOW = 6000

/** Whose fault it is that time is up. */
export type Late = 'upstream_timeout' | 'request_timeout'

/** What one side of an exchange has done so far. */
export type Progress = Pick<Exchange, 'bytesIn' | 'bytesTaken' | 'isBodyComplete'>

export interface RelayTimeouts {
  readonly firstByteMs: number
  readonly bodyIdleMs: number
}

/** The deadlines of one relay; `now` is always `performance.now()`. */
export class RelayDeadlines {
  readonly #progress: Progress
  readonly #timeouts: RelayTimeouts
  #lastProgressAt = 0
  #seenBytes = 0
  #seenBytesIn = 0
  #windowStart = 0
  #windowBytes = 0

  constructor(progress: Progress, timeouts: RelayTimeouts) {
    this.#progress = progress
    this.#timeouts = timeouts
  }

  /** The upstream is connected: from now on somebody is waited for. */
  startUpload(now: number): void {
    this.#lastProgressAt = this.#windowStart = now
  }

  /** The client has something to take, after it had nothing. */
  startDownload(now: number): void {
    this.#lastProgressAt = this.#windowStart = now
    this.#seenBytes = this.#windowBytes = this.#progress.bytesTaken
  }

  /** The upstream has done something. */
  noteProgress(now: number): void {
    this.#lastProgressAt = now
  }

  /** Who is late while there is no answer; `isPaused`: the upstream takes no more of the body. */
  findLateBeforeAnswer(now: number, isPaused: boolean): Late | undefined {
    const { firstByteMs, bodyIdleMs } = this.#timeouts
    const { bytesIn, isBodyComplete } = this.#progress
    if (bytesIn !== this.#seenBytes) {
      this.#seenBytes = bytesIn
      this.#lastProgressAt = now
    }
    const idleMs = now - this.#lastProgressAt
    if (isBodyComplete || isPaused) {
      this.#windowStart = now
      this.#windowBytes = bytesIn
      return idleMs > firstByteMs ? 'upstream_timeout' : undefined
    }
    return idleMs > bodyIdleMs || this.#isTooSlow(now, bytesIn) ? 'request_timeout' : undefined
  }

  /** Who is late during the answer; `isPaused`: the client takes no more of it. */
  findLateDuringAnswer(now: number, isPaused: boolean): Late | undefined {
    const { bodyIdleMs } = this.#timeouts
    if (!isPaused) {
      // An upstream may answer while it still reads.
      if (this.#hasUploaded()) this.#lastProgressAt = now
      return now - this.#lastProgressAt > bodyIdleMs ? 'upstream_timeout' : undefined
    }
    const { bytesTaken } = this.#progress
    if (bytesTaken !== this.#seenBytes) {
      this.#seenBytes = bytesTaken
      this.#lastProgressAt = now
    }
    const isIdle = now - this.#lastProgressAt > bodyIdleMs
    return isIdle || this.#isTooSlow(now, bytesTaken) ? 'request_timeout' : undefined
  }

  #hasUploaded(): boolean {
    const { bytesIn } = this.#progress
    if (bytesIn === this.#seenBytesIn) return false
    this.#seenBytesIn = bytesIn
    return true
  }

  #isTooSlow(now: number, bytes: number): boolean {
    if (now - this.#windowStart < RATE_WINDOW_MS) return false
    const isTooSlow = bytes - this.#windowBytes < MIN_BYTES_PER_WINDOW
    this.#windowStart = now
    this.#windowBytes = bytes
    return isTooSlow
  }
}
