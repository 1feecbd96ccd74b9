/**
 * What is known of the account of a definition: whether a refusal holds it, and whose turn it is to
 * show its password. Directories lock accounts after a few wrong passwords, so that only one answer
 * to a challenge is under way at a time, and none at all while the account is held.
 */
import { SidegateError } from '../../errors.ts'

/** After the first refusal, and after the second in a row; the third holds until it is released. */
const HOLDS_MS = [60_000, 15 * 60_000] as const
/** What a caller is told where no time ends the hold. */
const RETRY_WITHOUT_END_S = 900
/** A server that has not refused by then has accepted, and works on its answer. */
const TURN_MS = 5_000

/** Why an account may not be used. */
export interface Hold {
  /** In milliseconds of the account's clock; `Infinity` until it is released. */
  readonly untilMs: number
  /** Refusals in a row. */
  readonly refusals: number
}

/** Somebody's turn; over when the server has shown what it thinks of the password. */
export interface Turn {
  /** The password has been shown: from now on the turn ends by itself. */
  shown(): void
  accepted(): void
  refused(): void
  /** Nothing was shown, or nothing was said of it. */
  given(): void
}

type Wish = (turn: Turn) => void

export class NtlmAccount {
  readonly definition: string
  /** Of the definition as it was: another secret is another account. */
  readonly fingerprint: string
  readonly #nowMs: () => number
  readonly #onHeld: () => void
  readonly #wishes = new Set<Wish>()
  #hold: Hold | undefined
  #refusals = 0
  #isTaken = false

  /** `nowMs` is monotonic. `onHeld` is told when a refusal holds the account. */
  constructor(
    { name, fingerprint }: { readonly name: string; readonly fingerprint: string },
    nowMs: () => number,
    onHeld: () => void,
  ) {
    this.definition = name
    this.fingerprint = fingerprint
    this.#nowMs = nowMs
    this.#onHeld = onHeld
  }

  /** The hold that is in force. */
  get hold(): Hold | undefined {
    if (this.#hold !== undefined && this.#hold.untilMs <= this.#nowMs()) this.#hold = undefined
    return this.#hold
  }

  /** The error of a request that comes while the account is held. */
  get heldError(): SidegateError | undefined {
    const { hold } = this
    if (hold === undefined) return undefined
    const leftS = Math.ceil((hold.untilMs - this.#nowMs()) / 1000)
    const isEndless = leftS === Infinity
    const until = isEndless
      ? 'until it is changed or released'
      : `for another ${leftS} s, lest the account is locked`
    return new SidegateError('credential_held', {
      detail: `The server refused the password of "${this.definition}": it is not shown again ${until}`,
      retryAfterS: isEndless ? RETRY_WITHOUT_END_S : leftS,
    })
  }

  /** Forgets all refusals. */
  release(): void {
    this.#hold = undefined
    this.#refusals = 0
    this.#next()
  }

  /** Asks for a turn; the wish is called once, at once where nobody else has it. */
  wish(wish: Wish): void {
    this.#wishes.add(wish)
    this.#next()
  }

  /** Takes a wish back that was not called yet. */
  unwish(wish: Wish): void {
    this.#wishes.delete(wish)
  }

  #next(): void {
    while (!this.#isTaken && this.#wishes.size > 0) {
      const [wish] = this.#wishes
      if (wish === undefined) return
      this.#wishes.delete(wish)
      this.#isTaken = true
      wish(this.#createTurn())
    }
  }

  #createTurn(): Turn {
    let isOver = false
    let timer: NodeJS.Timeout | undefined
    const end = (): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      this.#isTaken = false
      this.#next()
    }
    return {
      shown: () => {
        timer = setTimeout(end, TURN_MS)
        timer.unref()
      },
      accepted: () => {
        this.#refusals = 0
        end()
      },
      refused: () => {
        this.#refused()
        end()
      },
      given: end,
    }
  }

  #refused(): void {
    const holdMs = HOLDS_MS[this.#refusals] ?? Infinity
    this.#refusals += 1
    this.#hold = { untilMs: this.#nowMs() + holdMs, refusals: this.#refusals }
    this.#onHeld()
  }
}
