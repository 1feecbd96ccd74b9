/**
 * At most so many fetches in any second; what is more waits its turn. How many may wait is the
 * caller's business.
 */

const WINDOW_MS = 1000

export class FetchLimit {
  readonly #perSecond: number
  readonly #monotonicMs: () => number
  /** When the latest fetches were started, oldest first. */
  readonly #startedAtMs: number[] = []
  readonly #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(perSecond: number, monotonicMs: () => number) {
    this.#perSecond = perSecond
    this.#monotonicMs = monotonicMs
  }

  /** Starts it now or in its turn; `isUrgent` goes before those that wait. */
  submit(start: () => void, isUrgent: boolean): void {
    if (isUrgent) this.#waiting.unshift(start)
    else this.#waiting.push(start)
    this.#startDue()
  }

  /** Forgets what waits. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#waiting.length = 0
  }

  #startDue(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#waiting.length > 0) {
      const now = this.#monotonicMs()
      const delayMs = this.#delayMs(now)
      if (delayMs > 0) {
        this.#timer = setTimeout(() => {
          this.#startDue()
        }, Math.ceil(delayMs))
        this.#timer.unref()
        return
      }
      this.#startedAtMs.push(now)
      if (this.#startedAtMs.length > this.#perSecond) this.#startedAtMs.shift()
      this.#waiting.shift()?.()
    }
  }

  #delayMs(now: number): number {
    if (this.#startedAtMs.length < this.#perSecond) return 0
    return (this.#startedAtMs[0] ?? 0) + WINDOW_MS - now
  }
}
