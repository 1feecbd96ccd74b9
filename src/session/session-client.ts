/**
 * Logs in and out at real servers: the login, its steps, what is taken from each answer. Whatever
 * happens ends as a value; failures are in our words, without anything secret.
 */
import { parseRetryAfter } from '../http/retry-after.ts'
import type { RequestSender } from '../http/upstream-call.ts'
import { SmallExchange } from './exchange.ts'
import type { ExchangeFailure, SmallRequest, WholeAnswer } from './exchange.ts'
import { extractValues, UnfitAnswer, valuesOf } from './extract.ts'
import { createCall, createLogout } from './session-request.ts'
import { applyValues } from './apply.ts'
import type { Applied } from './session.ts'
import type { Extraction, SessionCall, SessionDefinition } from './settings.ts'
import { UnfitValue, type Values } from './template.ts'

/**
 * How a login ended: `success`; `refused` (another status than wanted); `malformed` (something is
 * not in the answer, or it is too large, cut, or not HTTP); `unreachable` (no connection, or not a
 * trusted one); `timeout`; `failed` (it could not be asked).
 */
export type LoginResult = 'success' | 'refused' | 'malformed' | 'unreachable' | 'timeout' | 'failed'

export interface LoginFailure {
  readonly kind: 'failure'
  readonly result: Exclude<LoginResult, 'success'>
  /** For the log and `/status`. */
  readonly detail: string
  /** The server has judged what it was shown, and will judge it alike in a second. */
  readonly isLasting?: boolean
  /** What `Retry-After` asks for. */
  readonly retryAfterMs?: number | undefined
  /** A login that succeeded before a step did not: it wants to be logged out. */
  readonly opened?: Applied | undefined
}

export interface LoggedIn {
  readonly kind: 'session'
  readonly values: Values
  readonly applied: Applied
}

/** What logins need besides the definition. */
export interface SessionEnvironment<D extends SessionDefinition> {
  /** Wall clock. */
  readonly nowMs: () => number
  /** What reaches the host of a URL of the definition; may throw a `SidegateError`. */
  readonly upstreamOf: (definition: D, url: URL) => RequestSender
}

export class SessionClient<D extends SessionDefinition> {
  readonly #environment: SessionEnvironment<D>
  readonly #exchanges = new Set<SmallExchange>()
  #isAborted = false

  constructor(environment: SessionEnvironment<D>) {
    this.#environment = environment
  }

  /** The login and then each step. */
  async login(definition: D): Promise<LoggedIn | LoginFailure> {
    const { settings } = definition
    const { username, password, login, extract, steps } = settings
    const values = new Map([
      ['username', username],
      ['password', password.reveal()],
    ])
    const calls = [{ ...login, extract }, ...steps]
    for (const [index, call] of calls.entries()) {
      const name = index === 0 ? 'the login' : `step ${index}`
      const failure = await this.#run(definition, name, call, values)
      if (failure === undefined) continue
      return index === 0 ? failure : { ...failure, opened: findApplied(definition, values) }
    }
    try {
      return { kind: 'session', values, applied: applyValues(settings, values) }
    } catch (error) {
      return { kind: 'failure', result: 'malformed', detail: wordsOf(error) }
    }
  }

  /** Says whether the server took it; `undefined` where there is no log-out. Never rejects. */
  async logout(definition: D, applied: Applied): Promise<boolean | undefined> {
    const { logout, timeoutMs } = definition.settings
    if (logout === undefined) return undefined
    const request = createLogout(logout, applied)
    const outcome = await this.#send(definition, logout.url, request, timeoutMs)
    return outcome.kind === 'answer' && outcome.status < 400
  }

  /** Gives up whatever is under way, and whatever comes. */
  abort(): void {
    this.#isAborted = true
    for (const exchange of this.#exchanges) exchange.abort()
  }

  async #run(
    definition: D,
    name: string,
    call: SessionCall & { readonly extract: Extraction },
    values: Map<string, string>,
  ): Promise<LoginFailure | undefined> {
    let request: SmallRequest
    try {
      request = createCall(call, values)
    } catch (error) {
      return { kind: 'failure', result: 'failed', detail: `${name}: ${wordsOf(error)}` }
    }
    const { timeoutMs } = definition.settings
    const outcome = await this.#send(definition, call.url, request, timeoutMs)
    if (outcome.kind === 'failure') {
      const { result, detail, answer } = outcome
      const retryAfterMs = answer === undefined ? undefined : this.#retryAfterMs(answer.headers)
      return { kind: 'failure', result, detail: `${name}: ${detail}`, retryAfterMs }
    }
    if (!call.success.includes(outcome.status)) return this.#refuse(name, call, outcome)
    try {
      const taken = extractValues(call.extract, outcome, this.#environment.nowMs())
      for (const [key, value] of taken) values.set(key, value)
    } catch (error) {
      const detail = `${name}: ${wordsOf(error)}`
      // Many a server answers 200 to a wrong password, without what was hoped for.
      return { kind: 'failure', result: 'malformed', detail, isLasting: true }
    }
    return undefined
  }

  async #send(
    definition: D,
    url: string,
    request: SmallRequest,
    timeoutMs: number,
  ): Promise<WholeAnswer | ExchangeFailure> {
    const findSender = (): RequestSender => this.#environment.upstreamOf(definition, new URL(url))
    const exchange = new SmallExchange(request, findSender, timeoutMs)
    this.#exchanges.add(exchange)
    if (this.#isAborted) exchange.abort()
    const outcome = await exchange.outcome
    this.#exchanges.delete(exchange)
    return outcome
  }

  #refuse(name: string, { success }: SessionCall, { status, headers }: WholeAnswer): LoginFailure {
    const isRedirect = status >= 300 && status < 400
    const why = isRedirect ? ' (redirects are not followed)' : ''
    const detail = `${name} was answered with ${status}, wanted ${success.join(' or ')}${why}`
    const retryAfterMs = this.#retryAfterMs(headers)
    const isLasting = status < 500 && status !== 408 && status !== 429
    return { kind: 'failure', result: 'refused', detail, retryAfterMs, isLasting }
  }

  #retryAfterMs(headers: readonly string[]): number | undefined {
    const [value] = valuesOf(headers, 'retry-after')
    if (value === undefined) return undefined
    const [date] = valuesOf(headers, 'date')
    return parseRetryAfter(value, date, this.#environment.nowMs())
  }
}

/** What a log-out would need, as far as the login got. */
function findApplied({ settings }: SessionDefinition, values: Values): Applied | undefined {
  try {
    return applyValues(settings, values)
  } catch {
    return undefined
  }
}

/** Words of ours; anything else is a bug. */
function wordsOf(error: unknown): string {
  if (error instanceof UnfitValue || error instanceof UnfitAnswer) return error.message
  throw error
}
