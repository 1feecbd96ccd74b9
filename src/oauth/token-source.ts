/**
 * The tokens of one definition in one generation: which are kept, when one is fetched, who waits for
 * it, and when the token server is left alone.
 */
import { SidegateError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { FetchLimit } from './fetch-limit.ts'
import { TokenFetch } from './fetch-token.ts'
import type { FetchEnvironment, FetchFailure, FetchOutcome, TokenResult } from './fetch-token.ts'
import { Flight } from './flight.ts'
import type { TokenDefinition } from './token-definition.ts'
import { Token, type TokenOrigin } from './token.ts'
import { REFUSAL_MS, type Variant } from './variant.ts'
import { Variants } from './variants.ts'

export interface TokenSourceOptions<D extends TokenDefinition> extends FetchEnvironment<D> {
  /** Every instant of a token's life is on this clock. */
  readonly monotonicMs: () => number
  readonly log: Log
  /** Counts a fetch that has ended. */
  readonly onResult: (definition: string, result: TokenResult) => void
  /** When the token of the definition's own scopes ends; wall clock. */
  readonly onExpiry: (definition: string, expiresAtMs: number) => void
  /** A token that logs must not show, before anybody gets it. */
  readonly onToken?: (value: string) => void
}

type Issued = Exclude<FetchOutcome, FetchFailure>

/** Fetches of one definition that are queued or under way; its own scopes find room beyond. */
const MAX_FLIGHTS = 64
const FETCHES_PER_SECOND = 5
/** Calls of one definition that wait. */
const MAX_WAITING = 10_000
const MAX_RETRY_AFTER_MS = 60_000
/** A 401 to a token younger than this is no matter of the token; nor is one after such a fetch. */
const REJECTION_MS = 5000

export class TokenSource<D extends TokenDefinition> implements TokenOrigin {
  /** Of the latest generation, in which nothing of it has changed. */
  definition: D
  readonly #options: TokenSourceOptions<D>
  readonly #limit: FetchLimit
  readonly #variants: Variants
  readonly #fetches = new Set<TokenFetch<D>>()
  readonly #allowed: ReadonlySet<string> | undefined
  #waiting = 0
  /** Of all scopes: the client was refused, or the server asked to be left alone. */
  #heldUntilMs = -Infinity
  #lastError = ''
  #isRetired = false
  #isClosed = false
  #hasWarnedOfType = false
  #hasWarnedOfScopes = false

  constructor(definition: D, options: TokenSourceOptions<D>) {
    this.definition = definition
    this.#options = options
    this.#limit = new FetchLimit(FETCHES_PER_SECOND, options.monotonicMs)
    this.#variants = new Variants(definition)
    const { allowedScopes } = definition
    this.#allowed = allowedScopes === undefined ? undefined : new Set(allowedScopes)
  }

  /** The token for one call; see `Tokens.get`. */
  get(scopes: readonly string[] | undefined): Token | Promise<Token> {
    const now = this.#options.monotonicMs()
    const variant =
      scopes === undefined || scopes.length === 0 ? this.#variants.own : this.#variantOf(scopes)
    const { token } = variant
    if (token !== undefined && now < token.freshUntilMs) return token
    return this.#obtain(variant, now)
  }

  /** Sees to a fresh token of the definition's own scopes, with nobody waiting. */
  prefetch(): void {
    const now = this.#options.monotonicMs()
    const { token, flight } = this.#variants.own
    if (flight !== undefined || (token !== undefined && now < token.freshUntilMs)) return
    if (!this.#isHeld(this.#variants.own, now)) this.#launch(this.#variants.own)
  }

  /** What to replay with after a 401; see `Tokens.rejected`. */
  async rejected(token: Token): Promise<Token | undefined> {
    const now = this.#options.monotonicMs()
    const variant = this.#isRetired ? undefined : this.#variants.find(token.key)
    if (variant === undefined) return undefined
    const current = variant.token
    if (current !== undefined && !current.equals(token)) return variant.usableAt(now)
    if (now - (current ?? token).receivedAtMs <= REJECTION_MS) return undefined
    const flight = variant.flight ?? this.#launchAfterRejection(variant, now)
    if (flight === undefined) return undefined
    variant.token = undefined
    try {
      const fresh = await this.#join(flight)
      return fresh.equals(token) ? undefined : fresh
    } catch {
      return undefined
    }
  }

  /** That of its own scopes first, and those for which there was a fetch. */
  variants(): Iterable<Variant> {
    return this.#variants
  }

  /** The definition has changed or gone: what is fetched now is for those who wait only. */
  retire(): void {
    this.#isRetired = true
    this.#variants.clear()
  }

  /** Ends everything; who waits is told so. */
  close(): void {
    this.#isClosed = true
    this.#limit.close()
    for (const fetch of this.#fetches) fetch.abort()
    for (const { flight } of this.#variants.flying.values()) {
      flight?.fail(new SidegateError('draining'))
    }
    this.#variants.flying.clear()
  }

  #variantOf(scopes: readonly string[]): Variant {
    const { name } = this.definition
    const allowed = this.#allowed
    if (allowed !== undefined && scopes.some((scope) => !allowed.has(scope))) {
      throw new SidegateError('scope_refused', {
        detail: `a scope that is not among allowed_scopes of "${name}" was asked for`,
      })
    }
    return this.#variants.of(scopes)
  }

  /** There is no fresh token: a new one, or the old one if that takes too long. */
  #obtain(variant: Variant, now: number): Token | Promise<Token> {
    const isHeld = this.#isHeld(variant, now)
    const flight = variant.flight ?? (isHeld ? undefined : this.#launch(variant))
    const old = variant.usableAt(now)
    if (old === undefined) {
      if (flight !== undefined) return this.#join(flight)
      throw isHeld ? this.#heldError(variant, now) : overloaded()
    }
    const { refreshWaitMs } = this.definition
    if (flight === undefined || flight.isSlow || refreshWaitMs === 0) return old
    if (this.#waiting >= MAX_WAITING) return old
    this.#count(flight)
    return flight.landedSoon(refreshWaitMs, () => variant.usableAt(this.#options.monotonicMs()))
  }

  #join(flight: Flight): Promise<Token> {
    if (this.#waiting >= MAX_WAITING) throw overloaded()
    this.#count(flight)
    return flight.landed
  }

  #count(flight: Flight): void {
    this.#waiting += 1
    flight.waiting += 1
  }

  #isHeld(variant: Variant, now: number): boolean {
    return this.#isClosed || now < variant.heldUntilMs || now < this.#heldUntilMs
  }

  #heldError(variant: Variant, now: number): SidegateError {
    if (this.#isClosed) return new SidegateError('draining')
    const retryAfterS = this.#retryAfterS(variant, now)
    const reason = now < variant.heldUntilMs ? variant.lastError : this.#lastError
    return new SidegateError('token_unavailable', {
      detail: `${reason ?? ''}; "${this.definition.name}" asks again in ${retryAfterS} s`,
      retryAfterS,
    })
  }

  #retryAfterS(variant: Variant, now: number): number {
    const untilMs = Math.max(variant.heldUntilMs, this.#heldUntilMs)
    return Math.max(Math.ceil((untilMs - now) / 1000), 1)
  }

  #launchAfterRejection(variant: Variant, now: number): Flight | undefined {
    if (now - variant.rejectionFetchAtMs < REJECTION_MS || this.#isHeld(variant, now)) {
      return undefined
    }
    const flight = this.#launch(variant)
    if (flight !== undefined) variant.rejectionFetchAtMs = now
    return flight
  }

  /** Starts a fetch, or puts it in the queue; `undefined` where there is no room. */
  #launch(variant: Variant): Flight | undefined {
    const isOwn = variant === this.#variants.own
    if (!isOwn && this.#variants.flying.size >= MAX_FLIGHTS) return undefined
    const flight = new Flight()
    variant.flight = flight
    this.#variants.flying.set(variant.key, variant)
    this.#limit.submit(() => {
      void this.#fly(variant, flight)
    }, isOwn)
    return flight
  }

  async #fly(variant: Variant, flight: Flight): Promise<void> {
    const askedAtMs = this.#options.monotonicMs()
    const fetch = new TokenFetch(this.definition, variant.scopes, this.#options)
    this.#fetches.add(fetch)
    const outcome = judgeLife(await fetch.outcome, this.#options.monotonicMs() - askedAtMs)
    this.#fetches.delete(fetch)
    if (this.#isClosed) return
    variant.flight = undefined
    this.#waiting -= flight.waiting
    if (!this.#isRetired) this.#options.onResult(this.definition.name, resultOf(outcome))
    if (outcome.kind === 'token') flight.land(this.#keep(variant, outcome, askedAtMs))
    else flight.fail(this.#holdBack(variant, outcome))
    if (this.#isRetired) this.#variants.flying.delete(variant.key)
    else this.#variants.shelve(variant)
  }

  #keep(variant: Variant, issued: Issued, askedAtMs: number): Token {
    const { definition } = this
    const { monotonicMs, nowMs, onExpiry, onToken, log } = this.#options
    const receivedAtMs = monotonicMs()
    const lifeMs = issued.lifeMs ?? definition.defaultTtlMs
    const { accessToken } = issued
    onToken?.(accessToken)
    const { key } = variant
    const token = new Token({ accessToken, askedAtMs, receivedAtMs, lifeMs, origin: this, key })
    this.#warnOf(issued, variant)
    log.debug('token_fetched', { definition: definition.name, life_s: lifeMs / 1000 })
    const isKept = lifeMs > 0 && !this.#isRetired
    variant.succeeded(isKept ? token : undefined)
    if (isKept && variant === this.#variants.own) {
      onExpiry(definition.name, nowMs() + token.expiresAtMs - receivedAtMs)
    }
    return token
  }

  #warnOf({ isTypeMissing, scopes }: Issued, variant: Variant): void {
    const { name } = this.definition
    const { log } = this.#options
    if (isTypeMissing && !this.#hasWarnedOfType) {
      this.#hasWarnedOfType = true
      log.warn('token_type_missing', { definition: name })
    }
    const missing = scopes && variant.scopes.filter((scope) => !scopes.includes(scope))
    if (missing !== undefined && missing.length > 0 && !this.#hasWarnedOfScopes) {
      this.#hasWarnedOfScopes = true
      log.warn('token_scopes_reduced', { definition: name, missing })
    }
  }

  #holdBack(variant: Variant, failure: FetchFailure): SidegateError {
    const now = this.#options.monotonicMs()
    const { name } = this.definition
    const { result, detail, error, retryAfterMs } = failure
    variant.failed(failure, now)
    const isClientRefused = error === 'invalid_client'
    if (isClientRefused || retryAfterMs !== undefined) {
      const askedMs = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)
      const heldMs = Math.max(askedMs, isClientRefused ? REFUSAL_MS : 0)
      this.#heldUntilMs = Math.max(this.#heldUntilMs, now + heldMs)
      this.#lastError = detail
    }
    const retryAfterS = this.#retryAfterS(variant, now)
    this.#options.log.warn('token_fetch_failed', {
      definition: name,
      result,
      detail,
      retry_after_s: retryAfterS,
    })
    const code = result === 'timeout' ? 'token_timeout' : 'token_unavailable'
    return new SidegateError(code, { detail: `${detail} (definition "${name}")`, retryAfterS })
  }
}

function overloaded(): SidegateError {
  return new SidegateError('overloaded', {
    detail: 'too many calls wait for tokens of one definition',
    retryAfterS: 1,
  })
}

/** A token that said how long it lives, and took longer to arrive, was never good for anything. */
function judgeLife(outcome: FetchOutcome, tookMs: number): FetchOutcome {
  if (outcome.kind !== 'token') return outcome
  const { lifeMs } = outcome
  if (lifeMs === undefined || lifeMs <= 0 || lifeMs > tookMs) return outcome
  return { kind: 'failure', result: 'malformed', detail: 'the token had ended when it arrived' }
}

function resultOf(outcome: FetchOutcome): TokenResult {
  return outcome.kind === 'token' ? 'success' : outcome.result
}
