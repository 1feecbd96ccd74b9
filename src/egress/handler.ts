/**
 * The life of an outgoing request, step by step: strict HTTP, client, target, connection, destination,
 * credential, headers, upstream. Each step either goes on or answers, and the end is logged and
 * counted once. CONNECT leaves this way at the target (`connect.ts`) and may come back with what was
 * inside.
 */
import type { OutgoingConfig } from '../config/model.ts'
import { catalogue, SidegateError, type Code } from '../errors.ts'
import type { Exchange, ExchangeHandler } from '../http/exchange.ts'
import { filterResponseHeaders, hasRepeated } from '../http/headers.ts'
import { renderProblem } from '../http/problem.ts'
import { Relay, type HeldDecision, type RelayOwner } from '../http/relay.ts'
import type { RequestSender } from '../http/upstream-call.ts'
import type { WebSocketPair } from '../http/websocket.ts'
import type { HeldBody } from '../http/whole-body.ts'
import { readAnswer } from '../session/read-answer.ts'
import { findAuthority, formatHostAndPort } from './authority.ts'
import type { ClientVerdict } from './clients.ts'
import { connect, type ConnectVisit } from './connect.ts'
import { readScopes } from './control-header.ts'
import { checkDestination } from './destination-lookup.ts'
import type { Destination } from './destination.ts'
import { judgeExisting } from './existing-header.ts'
import { forwardHeaders, isLoop, NO_RULES } from './forward-headers.ts'
import type { EgressGeneration, OutgoingRoute } from './generation.ts'
import { identify } from './identify.ts'
import type { Credential, PreparedRequest } from './injector.ts'
import { mapLocations } from './location.ts'
import { judgeAnswer, mayBeAskedAgain, type Sender } from './renewal.ts'
import type { Route } from './route.ts'
import { readSignedBody, sign, withLength } from './signing.ts'
import type { EgressServices, EgressSession, TunnelContext } from './services.ts'
import { findTarget, type Target } from './target.ts'
import { tellable } from './tellable.ts'
import type { DialSettings } from './upstreams.ts'
import { VisitRecord } from './visit-record.ts'

const CHALLENGE = ['Proxy-Authenticate', 'Basic realm="sidegate", charset="UTF-8"']

export function createEgressHandler(services: EgressServices): ExchangeHandler {
  return (exchange) => {
    try {
      new Visit(services, exchange).begin()
    } catch (error) {
      // A fault of ours costs the one connection, never the process.
      services.log.error('handler_failed', { detail: String(error) })
      exchange.abort()
    }
  }
}

/** One request on its way out. */
class Visit implements RelayOwner, ConnectVisit, Sender {
  readonly services: EgressServices
  readonly exchange: Exchange
  readonly generation: EgressGeneration
  readonly record: VisitRecord
  readonly #tunnel: TunnelContext | undefined
  #target = ''
  #scopes: readonly string[] | undefined
  isGone = false
  #relayed: Relay | undefined
  /** Where it had to be read before anything was sent. */
  #body: HeldBody | undefined

  constructor(services: EgressServices, exchange: Exchange) {
    this.services = services
    this.exchange = exchange
    this.generation = services.current()
    this.record = new VisitRecord(services, exchange, this.generation.number)
    this.#tunnel = exchange.peer.tunnel as TunnelContext | undefined
    exchange.onGone = () => {
      this.isGone = true
    }
    exchange.onDone = (outcome) => {
      this.#relayed?.close()
      this.#body?.release()
      this.record.finish(outcome)
    }
  }

  /** The steps, in their order. */
  begin(): void {
    const { exchange, generation } = this
    if (!generation.isPeerAllowed(exchange.peer.address)) {
      exchange.abort()
      return
    }
    if (exchange.fault !== undefined) {
      this.refuse(exchange.fault)
    } else if (hasRepeated(exchange.names, WATCHED)) {
      this.refuse('bad_request')
    } else {
      const verdict = identify(generation, exchange, this.#tunnel)
      if (verdict instanceof Promise) this.later(verdict, this.#identified)
      else this.#identified(verdict)
    }
  }

  readonly #identified = (verdict: ClientVerdict): void => {
    if (verdict.kind === 'refused') {
      this.refuse('client_unauthorized', { headers: CHALLENGE })
    } else if (verdict.kind === 'overloaded') {
      this.refuse('overloaded', { retryAfterS: verdict.retryAfterS })
    } else {
      this.record.client = verdict.client
      this.#aim()
    }
  }

  /** What is it for? */
  #aim(): void {
    const { exchange, generation, services } = this
    const tunnel = this.#tunnel
    if (tunnel?.isMisdirected === true) {
      this.refuse('authority_mismatch')
      return
    }
    if (isLoop(exchange.names, exchange.headers, services.pseudonym)) {
      this.refuse('loop')
      return
    }
    const target = findTarget(exchange, {
      own: generation.own,
      ports: services.ports(),
      isUnix: exchange.peer.address === 'unix',
      isTls: exchange.peer.isTls && tunnel === undefined,
      ...(tunnel === undefined ? {} : { tunnel }),
    })
    if (tunnel !== undefined) this.record.mode = 'intercept'
    if (target.kind === 'name') this.record.mode = 'name'
    if (target.kind === 'refused') this.refuse(target.code, { detail: target.detail })
    else if (target.kind === 'connect') connect(this, target)
    else this.#choose(target)
  }

  /** Which connection? */
  #choose(target: Extract<Target, { kind: 'name' | 'url' }>): void {
    const { exchange, generation } = this
    const { routes } = generation
    const choice =
      target.kind === 'name'
        ? routes.findByName(target.name, target.rest, exchange.method)
        : routes.findByAuthority(target.scheme, target.authority, target.target, exchange.method)
    if (choice.kind === 'refused') {
      this.record.outgoingName = choice.outgoing
      this.refuse(choice.code, { detail: choice.detail })
      return
    }
    this.record.path = choice.path
    this.#target = choice.target
    this.record.destination = choice.destination
    if (choice.kind === 'outgoing') this.record.route = choice.route
    this.#admit(choice.destination)
  }

  #admit(destination: Destination): void {
    const { exchange, generation } = this
    const { injector } = this.record.route?.value ?? {}
    if (this.record.route !== undefined && !this.mayUse(this.record.route)) {
      this.refuseClient(this.record.route)
      return
    }
    if (exchange.hasUnknownExpectation) {
      this.refuse('expectation_failed')
      return
    }
    const control = readScopes(exchange, this.record.route?.value)
    if (control.fault !== undefined) {
      this.refuse('bad_control_header', { detail: control.fault })
      return
    }
    this.#scopes = control.scopes
    try {
      checkDestination(generation.policy, destination)
    } catch (error) {
      this.fail(error)
      return
    }
    if (injector?.definition.isActive === false) {
      const detail = `The definition "${injector.definition.name}" says is_active: false`
      this.refuse('definition_inactive', { detail })
      return
    }
    this.#obtain()
  }

  mayUse(route: Route<OutgoingRoute>): boolean {
    const { clients } = route.value
    return (
      clients === undefined ||
      (this.record.client !== undefined && clients.has(this.record.client.definition))
    )
  }

  refuseClient(route: Route<OutgoingRoute>): void {
    this.record.outgoingName = route.connection.name
    const detail = `The outgoing connection "${route.connection.name}" is for other clients`
    this.refuse('outgoing_refused', { detail })
  }

  /** Which credential? */
  #obtain(): void {
    const { value } = this.record.route ?? {}
    const existing = value === undefined ? 'keep' : judgeExisting(this.exchange.names, value)
    if (typeof existing !== 'string') {
      this.refuse(existing.code, { detail: existing.detail })
      return
    }
    const { injector } = value ?? {}
    if (injector === undefined || existing === 'keep') {
      this.#send(undefined)
      return
    }
    try {
      const credential = injector.obtain(this.#scopes)
      if (credential instanceof Promise) this.later(credential, this.#send)
      else this.#send(credential)
    } catch (error) {
      this.fail(error)
    }
  }

  readonly #send = (credential: Credential | undefined): void => {
    const reader = credential?.signature ?? credential?.module
    if (credential === undefined || reader === undefined) {
      this.#relay(credential, undefined)
      return
    }
    const { budget, watchdog } = this.services
    const options = { budget, watchdog, bodyIdleMs: this.#timeouts.bodyIdleMs }
    try {
      const body = readSignedBody(this.exchange, reader, options)
      const next = (whole: HeldBody | undefined): void => {
        this.#prepare(credential, whole)
      }
      if (body instanceof Promise) this.later(this.#hold(body), next)
      else next(body)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Where a module makes the headers, it is asked now. */
  #prepare(credential: Credential, body: HeldBody | undefined): void {
    this.#body = body
    const { module } = credential
    if (module === undefined) {
      this.#relay(credential, body)
      return
    }
    const next = (headers: readonly string[]): void => {
      this.#relay({ ...credential, headers }, body)
    }
    const headers = module.prepare(this.describe(credential))
    if (headers instanceof Promise) this.later(headers, next)
    else next(headers)
  }

  /** The request as it will leave, but for what the module adds. */
  describe(credential: Credential): PreparedRequest {
    const { destination } = this.record
    if (destination === undefined) throw new Error('nothing was chosen')
    const { method } = this.exchange
    const bare = this.#headers(destination, { ...credential, headers: [] })
    return {
      method,
      target: this.#target,
      host: destination.authority,
      authority: formatHostAndPort(destination),
      headers: withLength(bare, this.#body),
      body: this.#body?.bytes,
    }
  }

  /** A body that came when nobody was left to send it for is given back. */
  async #hold(coming: Promise<HeldBody | undefined>): Promise<HeldBody | undefined> {
    const body = await coming
    if (this.isGone) body?.release()
    return body
  }

  #relay(credential: Credential | undefined, body: HeldBody | undefined): void {
    this.#body = body
    const { destination } = this.record
    if (destination === undefined) return
    try {
      this.#relayTo(destination, credential)
    } catch (error) {
      // No sender: a parent proxy that is one of ours, or that nothing can be shown to now.
      if (!(error instanceof SidegateError)) throw error
      this.fail(error)
    }
  }

  #relayTo(destination: Destination, credential: Credential | undefined): void {
    const { exchange, services } = this
    this.record.credential = credential
    this.record.sentAt = performance.now()
    if (credential !== undefined) this.#noteUse(credential)
    const dial: DialSettings = this.record.route?.value.dial ?? this.generation.unmatchedDial
    const timeouts = this.#timeouts
    this.#relayed = new Relay(
      exchange,
      {
        upstream: this.#senderOf(destination, dial, credential),
        method: exchange.method,
        path: this.#target,
        headers: this.#headers(destination, credential),
        body: this.#body,
        watchdog: services.watchdog,
        firstByteMs: timeouts.firstByteMs,
        bodyIdleMs: timeouts.bodyIdleMs,
        websocketIdleMs: timeouts.tunnelIdleMs,
        keepsBody: mayBeAskedAgain(credential) ? services.budget : undefined,
      },
      this,
    )
    this.#relayed.start()
  }

  get #timeouts(): OutgoingConfig['timeouts'] {
    return this.record.route?.value.connection.timeouts ?? this.generation.unmatchedTimeouts
  }

  #senderOf(
    destination: Destination,
    dial: DialSettings,
    credential: Credential | undefined,
  ): RequestSender {
    const { services, record } = this
    const { connection, injector } = record.route?.value ?? {}
    const definition = injector?.definition
    if (credential?.isOfConnection !== true || definition?.type !== 'ntlm') {
      return services.upstreams.of(destination, dial)
    }
    return services.ntlm.of({
      outgoing: connection?.name ?? '',
      definition,
      client: record.client,
      destination,
      options: services.upstreams.optionsFor(destination, dial),
    })
  }

  #noteUse({ label }: Credential): void {
    const { injector } = this.record.route?.value ?? {}
    if (injector !== undefined) this.services.onUsed(injector.definition.name, label)
  }

  #headers(destination: Destination, credential: Credential | undefined): string[] {
    const { names, headers, method } = this.exchange
    const sent = forwardHeaders({
      names,
      headers,
      rules: this.record.route?.value.rules ?? NO_RULES,
      credential,
      authority: destination.authority,
      pseudonym: this.services.pseudonym,
    })
    const { signature } = credential ?? {}
    if (signature !== undefined) {
      const request = { method, target: this.#target, host: destination.authority, headers: sent }
      sent.push(...sign(signature, request, this.#body))
    }
    return sent
  }

  /** Goes on when something has come that was waited for, unless the client has gone meanwhile. */
  later<T>(promise: Promise<T>, next: (value: T) => void): void {
    promise.then(
      (value) => {
        if (this.isGone) return
        try {
          next(value)
        } catch (error) {
          this.services.log.error('handler_failed', { detail: String(error) })
          this.exchange.abort()
        }
      },
      (error: unknown) => {
        if (!this.isGone) this.fail(error)
      },
    )
  }

  // What the relay tells

  answerHeaders(headers: string[], status: number): string[] {
    const { session } = this.record.credential ?? {}
    const shown = session === undefined ? headers : readAnswer(session, status, headers).headers
    const filtered = filterResponseHeaders(shown).headers
    const { mode, route, destination } = this.record
    if (mode !== 'name' || route === undefined || destination === undefined) return filtered
    const { connection, urlPath, allowed } = route
    return mapLocations(filtered, { name: connection.name, destination, urlPath, allowed })
  }

  holdAnswer(status: number, canSendAgain: boolean, raw: readonly Buffer[]): HeldDecision {
    const { credential } = this.record
    return credential === undefined
      ? undefined
      : judgeAnswer(this, credential, { status, canSendAgain, raw })
  }

  headersWith(credential: Credential): string[] {
    const { destination } = this.record
    if (destination === undefined) throw new Error('nothing was sent')
    this.record.credential = credential
    return this.#headers(destination, credential)
  }

  answered(status: number): void {
    this.record.status = status
    this.record.answeredAt = performance.now()
  }

  failed(error: SidegateError): void {
    this.fail(error)
  }

  upgraded(pair: WebSocketPair): void {
    this.session({
      close: (code) => {
        pair.close(code)
      },
      whenClosed: (callback) => {
        pair.onClosed = callback
      },
    })
  }

  /** Registers what goes on after the answer, and all that it reaches. */
  session(
    session: Pick<EgressSession, 'close' | 'whenClosed'>,
    routes: readonly Route<OutgoingRoute>[] = this.record.route === undefined
      ? []
      : [this.record.route],
  ): void {
    const { injector } = this.record.route?.value ?? {}
    const client = this.record.client?.definition
    this.services.onSession({
      ...session,
      peer: this.exchange.peer.address,
      outgoing: routes.map(({ value: { connection } }) => connection),
      unmatchedRules: this.generation.unmatchedRules,
      definition: injector?.definition.name,
      fingerprint: injector?.definition.fingerprint,
      client,
      clientFingerprint: this.generation.definitions.get(client ?? '')?.fingerprint,
    })
  }

  // The end

  fail(error: unknown): void {
    const known = error instanceof SidegateError ? error : undefined
    const code = known?.code ?? 'upstream_failed'
    this.services.log.info('egress_failed', {
      request_id: this.record.requestId,
      code,
      detail: error instanceof Error ? error.message : String(error),
    })
    this.refuse(code, { detail: tellable(known), retryAfterS: known?.retryAfterS })
  }

  refuse(
    code: Code,
    more: {
      readonly detail?: string | undefined
      readonly headers?: readonly string[]
      readonly retryAfterS?: number | undefined
    } = {},
  ): void {
    this.record.code = code
    this.record.status = catalogue[code].status
    const detail = more.detail ?? catalogue[code].cure
    const problem = renderProblem(code, this.record.requestId, detail, more.retryAfterS)
    if (more.headers !== undefined) problem.headers.push(...more.headers)
    this.exchange.respond(problem.status, problem.headers, problem.body)
    // Clients hide what a failed CONNECT says.
    if (this.exchange.method === 'CONNECT') {
      // What cannot be read could be anything, a password too.
      const authority = findAuthority(this.exchange.target)
      this.services.log.warn('connect_refused', {
        request_id: this.record.requestId,
        target: authority === undefined ? undefined : `${authority.host}:${authority.port ?? ''}`,
        code,
        detail,
      })
    }
  }
}

/** Headers of which nobody could say which one counts. */
const WATCHED: ReadonlySet<string> = new Set(['proxy-authorization'])
