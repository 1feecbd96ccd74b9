/**
 * Lets a module make the headers that carry the credential. What it gives with a `ttl` is kept for the
 * outgoing connection, as long as its generation is served; one request makes it for all who wait.
 */
import type { CustomDefinition } from '../config/model.ts'
import type { SchemeCall } from '../custom/messages.ts'
import type { CustomScheme } from '../custom/scheme.ts'
import { findHeaderValueFault } from '../config/header-rules.ts'
import { foldName } from '../http/headers.ts'
import type { Credential, Injector, PreparedRequest, RequestModule } from './injector.ts'

/** An answer that means that a younger credential is spent is no matter of the credential. */
const SPENT_MS = 5000

interface Prepared {
  readonly headers: readonly string[]
  readonly madeAtMs: number
  readonly untilMs: number
}

export function createCustomInjector(
  definition: CustomDefinition,
  scheme: CustomScheme,
  monotonicMs: () => number,
): Injector {
  const { settings } = definition
  const module = new ConnectionModule(definition, scheme, monotonicMs)
  const credential: Credential = { headers: [], label: '', token: undefined, module }
  return {
    definition,
    slots: settings.headers.map((name) => name.toLowerCase()),
    takesScopes: false,
    obtain: () => credential,
  }
}

class ConnectionModule implements RequestModule {
  readonly needsBody: boolean
  readonly bodyLimitBytes: number
  readonly #definition: CustomDefinition
  readonly #scheme: CustomScheme
  readonly #monotonicMs: () => number
  readonly #allowed: ReadonlySet<string>
  #kept: Prepared | undefined
  #flight: Promise<Prepared> | undefined
  /** Whether the last answer was good for other requests: only then is it worth to wait for another's. */
  #isShared = true
  #hasRejected = true

  constructor(definition: CustomDefinition, scheme: CustomScheme, monotonicMs: () => number) {
    const { body, bodyLimitBytes, headers } = definition.settings
    this.needsBody = body
    this.bodyLimitBytes = bodyLimitBytes
    this.#definition = definition
    this.#scheme = scheme
    this.#monotonicMs = monotonicMs
    this.#allowed = new Set(headers.map(foldName))
  }

  prepare(request: PreparedRequest): readonly string[] | Promise<readonly string[]> {
    const kept = this.#kept
    if (kept !== undefined && this.#monotonicMs() < kept.untilMs) return kept.headers
    return this.#obtain(request)
  }

  async isSpent(status: number, headers: readonly string[]): Promise<boolean> {
    if (!this.#hasRejected) return false
    const exports = await this.#scheme.exports()
    this.#hasRejected = exports.rejected === 'function'
    if (!this.#hasRejected) return false
    const answer = await this.#scheme.call({ name: 'rejected', given: { status, headers } })
    if (!('isSpent' in answer) || !answer.isSpent) return false
    const { madeAtMs } = this.#kept ?? { madeAtMs: this.#monotonicMs() }
    const isYoung = this.#monotonicMs() - madeAtMs <= SPENT_MS
    if (!isYoung) this.#kept = undefined
    return !isYoung
  }

  async #obtain(request: PreparedRequest): Promise<readonly string[]> {
    const flight = this.#flight
    if (flight !== undefined && this.#isShared) {
      const { headers, untilMs } = await flight
      if (this.#monotonicMs() < untilMs) return headers
    }
    const own = this.#make(request)
    this.#flight ??= own
    try {
      const made = await own
      this.#isShared = made.untilMs > made.madeAtMs
      if (this.#isShared) this.#kept = made
      return made.headers
    } finally {
      if (this.#flight === own) this.#flight = undefined
    }
  }

  async #make({
    method,
    target,
    host,
    authority,
    headers,
    body,
  }: PreparedRequest): Promise<Prepared> {
    const question = target.indexOf('?')
    const call: SchemeCall = {
      name: 'prepare',
      given: {
        method,
        path: question === -1 ? target : target.slice(0, question),
        query: question === -1 ? '' : target.slice(question + 1),
        host,
        authority,
        headers,
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
      },
    }
    const madeAtMs = this.#monotonicMs()
    const answer = await this.#scheme.call(call)
    if (!('headers' in answer)) throw this.#scheme.fail('prepare gave no headers')
    this.#check(answer.headers)
    return { headers: answer.headers, madeAtMs, untilMs: madeAtMs + (answer.ttlMs ?? 0) }
  }

  /** Names are told, they are the module's own; values are secrets. */
  #check(headers: readonly string[]): void {
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at] ?? ''
      if (!this.#allowed.has(foldName(name))) {
        const declared = this.#definition.settings.headers.join(', ')
        throw this.#scheme.fail(`prepare gave a header that is not declared, wanted ${declared}`)
      }
      const fault = findHeaderValueFault(headers[at + 1] ?? '')
      if (fault !== undefined) throw this.#scheme.fail(`prepare gave a header value: ${fault}`)
    }
  }
}
