/**
 * The resolved settings of the types hmac, session and custom (`settings` of an `OtherDefinition`).
 */
import type { Secret } from '../secret.ts'

/** One of the keys of an hmac definition. */
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
  readonly timestampFormat: 'unix' | 'unix_ms' | 'iso8601'
  /** `undefined` for `none`. */
  readonly toleranceMs: number | undefined
  readonly bodyLimitBytes: number
}

/** A request of a login. Templates are as written. */
export interface SessionCall {
  readonly method: string
  readonly url: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string | undefined
  readonly success: readonly number[]
}

/** Name → where it is taken from: `cookie:NAME`, `header:NAME` or a JSON Pointer. */
export type Extraction = readonly (readonly [string, string])[]

export interface SessionSettings {
  readonly username: string
  readonly password: Secret
  readonly login: SessionCall
  readonly extract: Extraction
  readonly steps: readonly (SessionCall & { readonly extract: Extraction })[]
  readonly apply: {
    readonly headers: readonly (readonly [string, string])[]
    readonly cookies: readonly (readonly [string, string])[]
  }
  readonly ttlMs: number
  readonly expiredWhen: {
    readonly status: readonly number[]
    readonly location: string | undefined
  }
  readonly logout: { readonly method: string; readonly url: string } | undefined
  readonly timeoutMs: number
  readonly allowPlaintext: boolean
}

export interface CustomSettings {
  /** Absolute path of the module. */
  readonly module: string
  readonly options: Readonly<Record<string, unknown>>
  readonly secrets: readonly (readonly [string, Secret])[]
  readonly timeoutMs: number
  readonly memoryBytes: number
  readonly body: boolean
  readonly bodyLimitBytes: number
  /** Header names that the module may set. */
  readonly headers: readonly string[]
}
