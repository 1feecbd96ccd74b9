/**
 * Copies of request bodies, kept until it is known that they are not needed a second time: each
 * bounded, all together bounded, and given up rather than waited for.
 */

/** A longer body is not sent a second time. */
const MAX_KEPT_BYTES = 64 * 1024

/** What all copies may take together. */
export class BodyBudget {
  /** Bytes that may still be kept. */
  #leftBytes: number

  constructor(bytes: number) {
    this.#leftBytes = bytes
  }

  take(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false
    this.#leftBytes -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#leftBytes += bytes
  }
}

/** The copy of one body. */
export class KeptBody {
  readonly #budget: BodyBudget
  #chunks: Buffer[] | undefined = []
  #bytes = 0

  constructor(budget: BodyBudget) {
    this.#budget = budget
  }

  add(chunk: Buffer): void {
    if (this.#chunks === undefined) return
    if (this.#bytes + chunk.length > MAX_KEPT_BYTES || !this.#budget.take(chunk.length)) {
      this.release()
      return
    }
    this.#bytes += chunk.length
    this.#chunks.push(chunk)
  }

  /** All of it so far; `undefined` where it has been given up. */
  get bytes(): Buffer | undefined {
    return this.#chunks === undefined ? undefined : Buffer.concat(this.#chunks)
  }

  get isWhole(): boolean {
    return this.#chunks !== undefined
  }

  /** Gives the memory back; nothing is kept from now on. */
  release(): void {
    this.#chunks = undefined
    this.#budget.giveBack(this.#bytes)
    this.#bytes = 0
  }
}
