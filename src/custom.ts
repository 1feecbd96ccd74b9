/**
 * The types of a module for a definition of type `custom`, published as `sidegate/custom`. A module
 * exports functions by name: `authenticate` for channels, `prepare` and perhaps `rejected` for outgoing
 * connections. Each may be asynchronous. Whatever else than these answers comes of a call, a throw and
 * a call over its time limit too, and the request is refused (500 `scheme_failed`).
 */

/** Headers by name in lower case; a list where there are several of one name. No prototype. */
export type SchemeHeaders = Readonly<Record<string, string | readonly string[]>>

/** What the definition declares, the same for every call; frozen. */
export interface SchemeDeclared {
  /** `options` of the definition, as they are. */
  readonly options: Readonly<Record<string, unknown>>
  /** `secrets` of the definition by name. */
  readonly secrets: Readonly<Record<string, string>>
}

/** A request that wants to be let in. */
export interface AuthenticateRequest extends SchemeDeclared {
  readonly method: string
  /** As the caller sent it, without the query. */
  readonly path: string
  /** What follows the first `?`, without it; empty where there is nothing. */
  readonly query: string
  readonly headers: SchemeHeaders
  /** With `body: true` only: all of it, perhaps empty. */
  readonly body?: Uint8Array
}

/** The caller, 1 to 256 printable ASCII characters without blanks at the ends; `null`: not let in. */
export type AuthenticateAnswer = { readonly user: string } | null

/** Says who is calling; for channels. */
export type Authenticate = (
  request: AuthenticateRequest,
) => AuthenticateAnswer | Promise<AuthenticateAnswer>

/** A request that is about to go out. Nothing of it can be changed but by the headers of the answer. */
export interface PrepareRequest extends SchemeDeclared {
  readonly method: string
  /** As it is sent, without the query. */
  readonly path: string
  /** What follows the first `?`, without it; empty where there is nothing. */
  readonly query: string
  /** The `Host` that is sent. */
  readonly host: string
  /** Host and port that it goes to. */
  readonly authority: string
  readonly headers: SchemeHeaders
  /** With `body: true` only: all of it, perhaps empty. */
  readonly body?: Uint8Array
}

/** The headers that carry the credential. */
export interface PrepareAnswer {
  /** At least one, each of a name that `headers` of the definition declares; Latin-1, 64 KiB in all. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** Seconds for which the same headers are good for other requests; absent or 0: for this one only. */
  readonly ttl?: number
}

/** Makes the credential of a request; for outgoing connections. */
export type Prepare = (request: PrepareRequest) => PrepareAnswer | Promise<PrepareAnswer>

/** What the other side answered. */
export interface RejectedRequest extends SchemeDeclared {
  readonly status: number
  readonly headers: SchemeHeaders
}

/** Whether the answer means that the credential is spent. */
export type Rejected = (answer: RejectedRequest) => boolean | Promise<boolean>
