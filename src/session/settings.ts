/**
 * The words of a session: how to log in, what to take from the answers, what each request gets and
 * how to log out (`settings` of a definition of type session).
 */
import type { Secret } from '../secret.ts'

export type Pairs = readonly (readonly [name: string, value: string])[]

/** A request of a login. Templates are as written. */
export interface SessionCall {
  readonly method: string
  readonly url: string
  readonly headers: Pairs
  readonly body: string | undefined
  readonly success: readonly number[]
}

/** Name → where it is taken from: `cookie:NAME`, `header:NAME` or a JSON Pointer. */
export type Extraction = Pairs

/** Which answers mean that the session is gone. */
export interface ExpiredWhen {
  readonly status: readonly number[]
  /** Beginning of the `Location` of a redirect. */
  readonly location: string | undefined
}

export interface SessionSettings {
  readonly username: string
  readonly password: Secret
  readonly login: SessionCall
  readonly extract: Extraction
  readonly steps: readonly (SessionCall & { readonly extract: Extraction })[]
  readonly apply: { readonly headers: Pairs; readonly cookies: Pairs }
  readonly ttlMs: number
  readonly expiredWhen: ExpiredWhen
  readonly logout: { readonly method: string; readonly url: string } | undefined
  /** Of one request, from the connection to the last byte. */
  readonly timeoutMs: number
  readonly allowPlaintext: boolean
}

/** What is read of a `session` definition; the configuration's own type is equal in shape. */
export interface SessionDefinition {
  readonly name: string
  readonly isActive: boolean
  /** Changes when anything of the definition changes, its secrets included. */
  readonly fingerprint: string
  readonly settings: SessionSettings
}
