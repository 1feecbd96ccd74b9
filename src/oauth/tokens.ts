/**
 * The tokens of all `bearer_token` definitions (OAuth 2.0 client credentials, RFC 6749 4.4): fetched
 * when first needed, cached for half of their validity, one fetch at a time for each set of scopes.
 * Lives as long as the process; generations come and go, tokens of unchanged definitions stay.
 */
import { definitionKey } from './token-key.ts'
import type { TokenDefinition } from './token-definition.ts'
import { TokenSource, type TokenSourceOptions } from './token-source.ts'
import type { Token } from './token.ts'
import type { Variant } from './variant.ts'

/** What tokens are made of. */
export type TokensOptions<D extends TokenDefinition> = TokenSourceOptions<D>

/** A token in the cache, or a set of scopes for which there is none; times are RFC 3339. */
export interface TokenStatus {
  readonly definition: string
  readonly scopes: readonly string[]
  /** `null`, like the times: there is no token, and `last_error` says why. */
  readonly age_s: number | null
  readonly fresh_until: string | null
  readonly expires_at: string | null
  readonly last_error: string | null
}

export class Tokens<D extends TokenDefinition> {
  readonly #options: TokensOptions<D>
  #sources = new Map<string, TokenSource<D>>()
  /** Those of earlier generations too, as long as a request is under way on them. */
  readonly #byDefinition = new WeakMap<D, TokenSource<D>>()
  #isClosed = false

  constructor(options: TokensOptions<D>) {
    this.#options = options
  }

  /**
   * A new generation: definitions that changed or are gone lose their tokens, the others keep them;
   * what is to be prefetched is fetched in the background.
   */
  configure(definitions: Iterable<D>): void {
    const next = new Map<string, TokenSource<D>>()
    for (const definition of definitions) {
      const key = definitionKey(definition)
      const source = this.#sources.get(key) ?? new TokenSource(definition, this.#options)
      source.definition = definition
      next.set(key, source)
      this.#byDefinition.set(definition, source)
    }
    for (const [key, source] of this.#sources) if (!next.has(key)) source.retire()
    this.#sources = next
    if (this.#isClosed) return
    for (const source of next.values()) {
      if (source.definition.prefetch && source.definition.isActive) source.prefetch()
    }
  }

  /**
   * The token for a call; at once where a fresh one is there. `scopes`: of `X-Sidegate-Scopes`;
   * `undefined` or none: the definition's own. Throws, or rejects with, a `SidegateError`:
   * `token_unavailable` (with `retryAfterS`), `token_timeout`, `scope_refused`, `overloaded` where
   * too many wait, `draining` after `close`.
   */
  get(definition: D, scopes?: readonly string[]): Token | Promise<Token> {
    return (this.#byDefinition.get(definition) ?? this.#adopt(definition)).get(scopes)
  }

  /**
   * The API answered 401 to this token. Gives another one to replay the call with, once, or
   * `undefined` where the caller gets the 401: the token is at most 5 s old, a 401 led to a fetch in
   * the last 5 s, none can be had, or it is the same again. Never rejects.
   */
  async rejected(token: Token): Promise<Token | undefined> {
    return await token.origin.rejected(token)
  }

  /** For `/status`: every token, and every set of scopes whose last fetch failed. */
  *list(): Generator<TokenStatus> {
    for (const source of [...this.#sources.values()]) {
      for (const variant of source.variants()) {
        const status = this.#statusOf(source.definition.name, variant)
        if (status !== undefined) yield status
      }
    }
  }

  /** Ends every fetch; those who wait are told `draining`. */
  close(): void {
    this.#isClosed = true
    for (const source of this.#sources.values()) source.close()
  }

  /**
   * A definition that no configured generation has: one of an earlier one, to which a request under
   * way still belongs. It gets what it needs, and nothing of it is kept.
   */
  #adopt(definition: D): TokenSource<D> {
    const source = new TokenSource(definition, this.#options)
    source.retire()
    if (this.#isClosed) source.close()
    this.#byDefinition.set(definition, source)
    return source
  }

  #statusOf(definition: string, variant: Variant): TokenStatus | undefined {
    const now = this.#options.monotonicMs()
    const { scopes, token, lastError } = variant
    const isAlive = token !== undefined && now < token.expiresAtMs
    if (!isAlive && lastError === undefined) return undefined
    const instant = (atMs: number): string =>
      new Date(this.#options.nowMs() + atMs - now).toISOString()
    return {
      definition,
      scopes,
      age_s: isAlive ? Math.floor((now - token.receivedAtMs) / 1000) : null,
      fresh_until: isAlive ? instant(token.freshUntilMs) : null,
      expires_at: isAlive ? instant(token.expiresAtMs) : null,
      last_error: lastError ?? null,
    }
  }
}
