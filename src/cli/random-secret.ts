/**
 * Fresh random secrets for `generate`, `init` and `demo`, made of letters that need no quoting in
 * shells, URLs, YAML and headers.
 */
import { randomBytes } from 'node:crypto'

/** A password of 192 random bits. */
export function createPassword(): string {
  return randomBytes(24).toString('base64url')
}

/** An API key of 256 random bits; the prefix lets secret scanners recognise it. */
export function createKey(): string {
  return `sg_${randomBytes(32).toString('base64url')}`
}
