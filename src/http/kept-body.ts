/**
 * Copies of request bodies, kept until it is known that they are not needed a second time: each
 * bounded, all together bounded, and given up rather than waited for.
 */

/** A longer body is not sent a second time. */
const MAX_KEPT_BYTES = 64 * 1024
const MIN_KEPT_BYTES = 1024
const EMPTY = Buffer.alloc(0)

/** Where no configuration says how many bytes all copies may take. */
export const DEFAULT_BUFFERED_BYTES = 64 * 1024 * 1024

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

/** The copy of one body: in one buffer, because a chunk costs far more than its bytes. */
export class KeptBody {
  readonly #budget: BodyBudget
  readonly #maxBytes: number
  #buffer: Buffer | undefined = EMPTY
  #length = 0

  constructor(budget: BodyBudget, maxBytes = MAX_KEPT_BYTES) {
    this.#budget = budget
    this.#maxBytes = maxBytes
  }

  add(chunk: Buffer): void {
    if (this.#buffer === undefined) return
    const length = this.#length + chunk.length
    if (length > this.#buffer.length && !this.#grow(length)) {
      this.release()
      return
    }
    chunk.copy(this.#buffer, this.#length)
    this.#length = length
  }

  /** Room for `length` bytes and some more; `false` where that would be too much. */
  #grow(length: number): boolean {
    if (length > this.#maxBytes) return false
    const old = this.#buffer ?? EMPTY
    const size = Math.min(this.#maxBytes, Math.max(length, 2 * old.length, MIN_KEPT_BYTES))
    if (!this.#budget.take(size - old.length)) return false
    this.#buffer = Buffer.allocUnsafeSlow(size)
    old.copy(this.#buffer, 0, 0, this.#length)
    return true
  }

  /** All of it so far; `undefined` where it has been given up. */
  get bytes(): Buffer | undefined {
    return this.#buffer?.subarray(0, this.#length)
  }

  get isWhole(): boolean {
    return this.#buffer !== undefined
  }

  /** Gives the memory back; nothing is kept from now on. */
  release(): void {
    this.#budget.giveBack(this.#buffer?.length ?? 0)
    this.#buffer = undefined
  }
}
