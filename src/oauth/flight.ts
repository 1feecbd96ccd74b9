/**
 * A fetch that is queued or under way, and those who wait for it. It belongs to none of them: whoever
 * goes away cancels nothing.
 */
import type { Token } from './token.ts'

export class Flight {
  /** Rejected with one error for all. */
  readonly landed: Promise<Token>
  /** Calls that wait, as far as they have not been told. */
  waiting = 0
  /** The patience of those who have an old token is at an end. */
  isSlow = false
  #settle: ((token: Token) => void) | undefined
  #reject: ((error: Error) => void) | undefined
  #soon: Promise<Token> | undefined

  constructor() {
    this.landed = new Promise((resolve, reject) => {
      this.#settle = resolve
      this.#reject = reject
    })
    // A fetch in the background may fail with nobody waiting.
    this.landed.catch(ignore)
  }

  land(token: Token): void {
    this.#settle?.(token)
  }

  fail(error: Error): void {
    this.#reject?.(error)
  }

  /**
   * The new token if it comes within `waitMs` of the first call, then and after a failure what
   * `findOld` gives, and where that is nothing any more, whatever comes of the flight.
   */
  landedSoon(waitMs: number, findOld: () => Token | undefined): Promise<Token> {
    this.#soon ??= new Promise((resolve) => {
      const giveUp = (): void => {
        clearTimeout(timer)
        this.isSlow = true
        resolve(findOld() ?? this.landed)
      }
      const timer = setTimeout(giveUp, waitMs)
      timer.unref()
      this.landed.then((token) => {
        clearTimeout(timer)
        resolve(token)
      }, giveUp)
    })
    // Nor need who asked still be there.
    this.#soon.catch(ignore)
    return this.#soon
  }
}

function ignore(): void {
  // Told to those who wait.
}
