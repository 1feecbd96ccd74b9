/**
 * The fingerprint of a definition: changes with anything of it, secrets included, and tells nothing
 * about them, for it is an HMAC under a key of the process.
 */
import { createHmac } from 'node:crypto'
import { Secret } from '../secret.ts'

/** The fingerprint of `value`, `Secret`s and buffers in it revealed. */
export function computeFingerprint(key: Buffer, value: unknown): string {
  return createHmac('sha256', key).update(JSON.stringify(value, reveal)).digest('base64url')
}

/** `toJSON` has run on the value that is given: the original is in its holder. */
function reveal(this: unknown, key: string, given: unknown): unknown {
  const original = (this as Record<string, unknown>)[key]
  if (original instanceof Secret) return { secret: original.reveal() }
  if (Buffer.isBuffer(original)) return original.toString('base64')
  // Dropped by JSON, yet `undefined` and absent mean the same.
  return given
}
