/**
 * Something that is sought, and those who wait for it. It belongs to none of them: whoever goes away
 * cancels nothing.
 */

export class Flight<T> {
  /** Rejected with one error for all. */
  readonly landed: Promise<T>
  /** Calls that wait. */
  waiting = 0
  #settle: ((found: T) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor() {
    this.landed = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#reject = reject
    })
    // What is sought in the background may fail with nobody waiting.
    this.landed.catch(ignore)
  }

  land(found: T): void {
    this.#settle?.(found)
  }

  fail(error: Error): void {
    this.#reject?.(error)
  }
}

function ignore(): void {
  // Told to those who wait.
}
