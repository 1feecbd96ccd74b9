/**
 * Request ids of our own: 128 random bits in hex, cut from a pool, since asking the system for 16
 * bytes costs as much as asking for 4096.
 */
import { randomFillSync } from 'node:crypto'

const ID_BYTES = 16
const pool = Buffer.alloc(256 * ID_BYTES)
let next = pool.length

/** A fresh id, 32 hex digits. */
export function createRequestId(): string {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  const start = next
  next += ID_BYTES
  return pool.toString('hex', start, next)
}
