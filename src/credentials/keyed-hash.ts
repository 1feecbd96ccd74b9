/**
 * HMAC-SHA256 under a key of this process, so that nothing kept in memory is a plain digest of a secret
 * and nobody outside can aim at a place in a table. What is hashed is framed: a purpose, then each part
 * behind its length, so that no two lists of parts give the same bytes.
 */
import { createHmac, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** What a digest is for: those of different purposes never meet. */
export type Purpose = 'key' | 'password' | 'decoy' | 'cache' | 'flight'

const PURPOSES = { key: 1, password: 2, decoy: 3, cache: 4, flight: 5 } satisfies Record<
  Purpose,
  number
>
const LENGTH_BYTES = 4
const MIN_KEY_BYTES = 32
const INITIAL_BYTES = 1024

export class KeyedHash {
  readonly #key: KeyObject
  /** One for all calls: they are synchronous. */
  #frame = Buffer.alloc(INITIAL_BYTES)

  constructor(secret: Buffer) {
    if (secret.length < MIN_KEY_BYTES) throw new RangeError('create a keyed hash: the key is short')
    this.#key = createSecretKey(secret)
  }

  /** Gives 32 bytes. */
  digest(purpose: Purpose, ...parts: readonly (string | Buffer)[]): Buffer {
    return this.#begin(purpose, parts).digest()
  }

  /** Gives 32 chars, one for each byte: for the keys of a Map. */
  digestText(purpose: Purpose, ...parts: readonly (string | Buffer)[]): string {
    return this.#begin(purpose, parts).digest('binary')
  }

  #begin(purpose: Purpose, parts: readonly (string | Buffer)[]): ReturnType<typeof createHmac> {
    let bytes = 1
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    for (const part of parts) bytes += LENGTH_BYTES + part.length * 3
    if (bytes > this.#frame.length) this.#frame = Buffer.alloc(bytes)
    const frame = this.#frame
    let end = frame.writeUInt8(PURPOSES[purpose], 0)
    for (const part of parts) {
      const start = end + LENGTH_BYTES
      const length = typeof part === 'string' ? frame.write(part, start) : part.copy(frame, start)
      frame.writeUInt32LE(length, end)
      end = start + length
    }
    const mac = createHmac('sha256', this.#key).update(frame.subarray(0, end))
    // The password must not stay behind.
    frame.fill(0, 0, end)
    return mac
  }
}
