/**
 * The nonces that were seen in signatures that were right: each is good for one request. Bounded; where
 * there is no room nobody is let in, rather than somebody twice.
 */

export const MAX_NONCES = 100_000
/** How often what has ended is looked for. */
const SWEEP_MS = 1000

export class NonceMemory {
  readonly #limit: number
  /** Nonce → until when its signature would be accepted. */
  readonly #seen = new Map<string, number>()
  #sweptAtMs = -Infinity

  constructor(limit = MAX_NONCES) {
    this.#limit = limit
  }

  /**
   * Remembers a nonce until `untilMs` (wall clock). `seen`: it was there, or may have been: a clock that
   * was set back must not bring back what has been forgotten. `full`: there is no room.
   */
  add(nonce: string, untilMs: number, nowMs: number): 'new' | 'seen' | 'full' {
    if (untilMs < this.#sweptAtMs || this.#seen.has(nonce)) return 'seen'
    if (this.#seen.size >= this.#limit && !this.#sweep(nowMs)) return 'full'
    this.#seen.set(nonce, untilMs)
    return 'new'
  }

  get size(): number {
    return this.#seen.size
  }

  /** Forgets what nobody accepts any more; whether there is room now. */
  #sweep(nowMs: number): boolean {
    if (nowMs - this.#sweptAtMs >= SWEEP_MS) {
      this.#sweptAtMs = nowMs
      for (const [nonce, untilMs] of this.#seen) if (untilMs < nowMs) this.#seen.delete(nonce)
    }
    return this.#seen.size < this.#limit
  }
}
