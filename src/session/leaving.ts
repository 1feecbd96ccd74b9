/**
 * Logins that nobody gets any more. They are logged out a little later, since requests that carry
 * them are under way.
 */
import type { Login } from './session.ts'

/** Where more than these wait, the first goes at once. */
const MAX_LEAVING = 64

export type LogOut = (login: Login, isGone: boolean) => Promise<void>

interface Waiting {
  readonly timer: NodeJS.Timeout
  readonly isGone: boolean
}

export class Leaving {
  readonly #logOut: LogOut
  readonly #graceMs: number
  readonly #waiting = new Map<Login, Waiting>()
  readonly #underWay = new Set<Promise<void>>()

  /** `logOut` never rejects. */
  constructor(logOut: LogOut, graceMs: number) {
    this.#logOut = logOut
    this.#graceMs = graceMs
  }

  /** Those that are not logged out yet. */
  get size(): number {
    return this.#waiting.size + this.#underWay.size
  }

  /** `isGone`: the API has said that it is no session any more, and the log-out may well fail. */
  add(login: Login, isGone: boolean): void {
    if (this.#waiting.has(login)) return
    const timer = setTimeout(() => {
      this.#begin(login)
    }, this.#graceMs)
    timer.unref()
    this.#waiting.set(login, { timer, isGone })
    const [first] = this.#waiting.keys()
    if (this.#waiting.size > MAX_LEAVING && first !== undefined) this.#begin(first)
  }

  /** Logs all of them out now; resolves when the last one is. */
  async flush(): Promise<void> {
    for (const login of [...this.#waiting.keys()]) this.#begin(login)
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  #begin(login: Login): void {
    const waiting = this.#waiting.get(login)
    if (waiting === undefined) return
    clearTimeout(waiting.timer)
    this.#waiting.delete(login)
    const ended = this.#logOut(login, waiting.isGone).finally(() => {
      this.#underWay.delete(ended)
    })
    this.#underWay.add(ended)
  }
}
