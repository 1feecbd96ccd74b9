/**
 * One coarse timer for everything under way, in place of timers per request: whoever is watched is
 * asked now and then whether it has waited too long. Resolution is the interval.
 */

export interface Watched {
  /** Looks at the clock (`performance.now()`, ms) and acts if a deadline has passed. */
  tick(now: number): void
}

export class Watchdog {
  readonly #watched = new Set<Watched>()
  readonly #timer: NodeJS.Timeout

  /** `intervalMs` bounds how late a deadline is noticed. */
  constructor(intervalMs = 250) {
    this.#timer = setInterval(() => {
      this.#tick()
    }, intervalMs)
    this.#timer.unref()
  }

  watch(watched: Watched): void {
    this.#watched.add(watched)
  }

  forget(watched: Watched): void {
    this.#watched.delete(watched)
  }

  /** Stops the timer; what is still watched is never asked again. */
  close(): void {
    clearInterval(this.#timer)
    this.#watched.clear()
  }

  #tick(): void {
    const now = performance.now()
    for (const watched of this.#watched) watched.tick(now)
  }
}
