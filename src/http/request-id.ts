/**
 * Request ids of our own: 128 random bits in hex, cut from a pool, since asking the system for 16
 * bytes costs as much as asking for 4096.
 */
import { randomFillSync } from 'node:crypto'
import { isRequestId } from './problem.ts'

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

/** The id of a request: the client's `X-Request-Id` if it is one and well-formed, else a new one. */
export function requestIdOf(
  names: readonly string[],
  headers: readonly string[],
  createId: () => string = createRequestId,
): string {
  const at = names.indexOf('x-request-id')
  if (at === -1 || names.includes('x-request-id', at + 1)) return createId()
  const value = headers[2 * at + 1] ?? ''
  return isRequestId(value) ? value : createId()
}
