/**
 * The secrets of a definition, each with its life: several at once make a rotation.
 */
import type { Secret } from '../secret.ts'
import type { PasswordHash } from './hash.ts'

interface Entry {
  /** The operator's word for it, `""` where none was given; unique within the definition. */
  readonly label: string
  /** `env:NAME`, `file:PATH`, `literal` or `hash`. */
  readonly source: string
  /** Milliseconds since 1970; valid from this instant on. */
  readonly notBeforeMs: number | undefined
  /** Milliseconds since 1970; not valid from this instant on. */
  readonly notAfterMs: number | undefined
}

/** A password: exactly one of `password` and `hash`. */
export interface PasswordEntry extends Entry {
  readonly password: Secret | undefined
  readonly hash: PasswordHash | undefined
}

/** An API key: `digest` is the SHA-256 of the key (32 bytes), always there; `key` where the key itself is known. */
export interface KeyEntry extends Entry {
  readonly key: Secret | undefined
  readonly digest: Buffer
}

/** Whether an entry may be used at `nowMs`. */
export function isLive(entry: Entry, nowMs: number): boolean {
  return (
    (entry.notBeforeMs === undefined || entry.notBeforeMs <= nowMs) &&
    (entry.notAfterMs === undefined || nowMs < entry.notAfterMs)
  )
}
