/**
 * One key of a definition, which is one set of scopes: its token, the fetch that is under way, and
 * how long to leave the token server alone after failures.
 */
import type { FetchFailure } from './fetch-token.ts'
import type { Flight } from './flight.ts'
import type { Token } from './token.ts'

const FIRST_BACK_OFF_MS = 1000
const MAX_BACK_OFF_MS = 30_000
/** How long what will not be better soon is remembered, so that a wrong secret locks no client. */
export const REFUSAL_MS = 10_000
/** Codes that say so about one set of scopes; `invalid_client` says it about all of a definition. */
const LASTING = new Set(['unauthorized_client', 'invalid_scope'])

export class Variant {
  readonly key: string
  /** In the order in which they go on the wire. */
  readonly scopes: readonly string[]
  token: Token | undefined
  flight: Flight | undefined
  /** Of the last fetch, in our words; `undefined` when it succeeded. */
  lastError: string | undefined
  /** When a 401 of the API last led to a fetch. */
  rejectionFetchAtMs = -Infinity
  heldUntilMs = -Infinity
  #failures = 0

  constructor(key: string, scopes: readonly string[]) {
    this.key = key
    this.scopes = scopes
  }

  /** The token, unless its life is as good as over. */
  usableAt(now: number): Token | undefined {
    const { token } = this
    return token !== undefined && now < token.usableUntilMs ? token : undefined
  }

  /** `token` is `undefined` where it serves only those who waited. */
  succeeded(token: Token | undefined): void {
    if (token !== undefined) this.token = token
    this.#failures = 0
    this.heldUntilMs = -Infinity
    this.lastError = undefined
  }

  failed({ error, detail }: FetchFailure, now: number): void {
    const backOffMs = Math.min(FIRST_BACK_OFF_MS * 2 ** this.#failures, MAX_BACK_OFF_MS)
    const isLasting = error !== undefined && LASTING.has(error)
    this.heldUntilMs = now + (isLasting ? Math.max(backOffMs, REFUSAL_MS) : backOffMs)
    this.lastError = detail
    this.#failures += 1
  }
}
