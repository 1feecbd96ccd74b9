/**
 * The resolved settings of the types session and custom (those of hmac: `hmac/settings.ts`) (`settings` of an `OtherDefinition`).
 */
import type { Secret } from '../secret.ts'

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
