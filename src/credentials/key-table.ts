/**
 * Finds the owner of an API key by its keyed digest: an open-addressing table over typed arrays, 32
 * bytes and a few words for each key, so that 100,000 keys cost a few MiB and a look-up allocates nothing.
 * The digests are keyed (`keyed-hash.ts`), so nobody can aim at a place or learn from how long it takes.
 */

const WORDS = 8
const DIGEST_BYTES = 32
/** Slots for each key, rounded up to a power of two: chains stay short. */
const SPACE = 2

export class KeyTable<Owner> {
  readonly #words: Uint32Array
  /** Number of the key plus one; 0 is free. */
  readonly #slots: Uint32Array
  readonly #mask: number
  readonly #owners: Owner[] = []

  /** `capacity` is the number of keys it will hold at most. */
  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(capacity, 1) * SPACE))
    this.#words = new Uint32Array(capacity * WORDS)
    this.#slots = new Uint32Array(slots)
    this.#mask = slots - 1
  }

  get size(): number {
    return this.#owners.length
  }

  /** Adds a key and gives `undefined`, or changes nothing and gives the owner that has it already. */
  add(digest: Buffer, owner: Owner): Owner | undefined {
    if (digest.length !== DIGEST_BYTES) throw new RangeError('add a key: wanted 32 bytes')
    const slot = this.#locate(digest)
    const holder = this.#ownerAt(slot)
    if (holder !== undefined) return holder
    const number = this.#owners.length
    if ((number + 1) * WORDS > this.#words.length)
      throw new RangeError('add a key: the table is full')
    for (let word = 0; word < WORDS; word++) {
      this.#words[number * WORDS + word] = digest.readUInt32LE(word * 4)
    }
    this.#owners.push(owner)
    this.#slots[slot] = number + 1
    return undefined
  }

  /** Finds the owner of the key with this digest (32 bytes). */
  find(digest: Buffer): Owner | undefined {
    return this.#ownerAt(this.#locate(digest))
  }

  #ownerAt(slot: number): Owner | undefined {
    const number = this.#slots[slot]
    return number === undefined || number === 0 ? undefined : this.#owners[number - 1]
  }

  /** The slot that holds the digest, or the free one where its search ends. */
  #locate(digest: Buffer): number {
    let slot = digest.readUInt32LE(0) & this.#mask
    for (;;) {
      const number = this.#slots[slot]
      if (number === undefined || number === 0 || this.#isEqual(number - 1, digest)) return slot
      slot = (slot + 1) & this.#mask
    }
  }

  #isEqual(number: number, digest: Buffer): boolean {
    let difference = 0
    for (let word = 0; word < WORDS; word++) {
      difference |= (this.#words[number * WORDS + word] ?? 0) ^ digest.readUInt32LE(word * 4)
    }
    return difference === 0
  }
}
