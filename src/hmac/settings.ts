/**
 * The words of a scheme that signs requests: what is signed, with which keys, and where the signature
 * stands (`settings` of a definition of type hmac).
 */
import type { Secret } from '../secret.ts'

/** One of the keys of a definition. */
export interface HmacKey {
  readonly label: string
  readonly source: string
  readonly notBeforeMs: number | undefined
  readonly notAfterMs: number | undefined
  /** As written; `keyEncoding` says how. */
  readonly key: Secret
}

/** A part of what is signed. */
export type HmacPart =
  | {
      readonly kind:
        | 'method'
        | 'path'
        | 'query'
        | 'target'
        | 'host'
        | 'timestamp'
        | 'nonce'
        | 'body'
        | 'body_sha256'
    }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'literal'; readonly text: string }

export interface HmacSettings {
  readonly keys: readonly HmacKey[]
  readonly keyEncoding: 'utf8' | 'hex' | 'base64'
  readonly keyId: string | undefined
  readonly keyHeader: string | undefined
  readonly algorithm: 'sha256' | 'sha512' | 'sha1'
  readonly stringToSign: readonly HmacPart[]
  readonly separator: string
  readonly encoding: 'hex' | 'base64'
  /** Header names and templates. */
  readonly headers: readonly (readonly [string, string])[]
  readonly timestampFormat: TimestampFormat
  /** `undefined` for `none`. */
  readonly toleranceMs: number | undefined
  readonly bodyLimitBytes: number
}

export type TimestampFormat = 'unix' | 'unix_ms' | 'iso8601'
