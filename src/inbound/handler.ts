/**
 * The life of an inbound request, step by step: strict HTTP, path guard, channel, credentials,
 * headers, upstream. Each step either goes on or answers, and the end is logged and counted once.
 */
import { catalogue, SidegateError, type Code } from '../errors.ts'
import type { Exchange, ExchangeHandler, Outcome } from '../http/exchange.ts'
import { filterResponseHeaders, hasRepeated } from '../http/headers.ts'
import { guardTarget, type GuardedTarget } from '../http/path.ts'
import { renderProblem } from '../http/problem.ts'
import { Relay, type RelayOwner } from '../http/relay.ts'
import { requestIdOf } from '../http/request-id.ts'
import { findTraceId } from '../http/trace.ts'
import type { Watchdog } from '../http/watchdog.ts'
import type { WebSocketPair } from '../http/websocket.ts'
import type { HeldBody } from '../http/whole-body.ts'
import type { AccessLog } from '../observe/access.ts'
import type { Log } from '../observe/log.ts'
import type { ChannelMetrics } from '../observe/metrics.ts'
import { forwardHeaders } from './forward-headers.ts'
import type { LetIn, Principal, Refusal, Verdict } from './principal.ts'
import type { InboundGeneration, Route } from './route.ts'

/** What the handler works with; all of it outlives generations. */
export interface InboundServices {
  /** The generation for a request that begins now. */
  readonly current: () => InboundGeneration
  readonly watchdog: Watchdog
  readonly log: Log
  readonly accessLog: AccessLog
  /** Of requests that no channel matched. */
  readonly unmatchedMetrics: ChannelMetrics
  /** Names of headers that were not forwarded because of their characters. */
  readonly onDroppedNames: (names: readonly string[]) => void
  readonly onWebSocket: (session: WebSocketSession) => void
}

/** A WebSocket under way, for whoever has to close it. */
export interface WebSocketSession {
  readonly pair: WebSocketPair
  readonly channel: string
  /** `undefined` on an open channel. */
  readonly definition: string | undefined
  /** Of the definition as it was when it let the caller in. */
  readonly fingerprint: string | undefined
}

export function createInboundHandler(services: InboundServices): ExchangeHandler {
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

/** One request on its way through the gate. */
class Visit implements RelayOwner {
  readonly #services: InboundServices
  readonly #exchange: Exchange
  readonly #generation: InboundGeneration
  readonly #requestId: string
  readonly #clientAddress: string
  #target: GuardedTarget | undefined
  #route: Route | undefined
  #principal: Principal | undefined
  #code: Code | undefined
  #status = 0
  #isGone = false
  #relay: Relay | undefined
  /** Where it was read before the caller was let in. */
  #body: HeldBody | undefined
  #sentAt = 0
  #answeredAt = 0

  constructor(services: InboundServices, exchange: Exchange) {
    this.#services = services
    this.#exchange = exchange
    this.#generation = services.current()
    const { names, headers, peer } = exchange
    this.#requestId = requestIdOf(names, headers)
    this.#clientAddress = this.#generation.proxies.findClientAddress(names, headers, peer)
    exchange.onGone = () => {
      this.#isGone = true
    }
    exchange.onDone = (outcome) => {
      this.#done(outcome)
    }
  }

  /** The steps, in their order. */
  begin(): void {
    const exchange = this.#exchange
    if (exchange.fault !== undefined) {
      this.#refuse(exchange.fault)
      return
    }
    if (hasRepeated(exchange.names, this.#generation.watchedHeaders)) {
      this.#refuse('bad_request')
      return
    }
    this.#target = guardTarget(exchange.target)
    if (this.#target === undefined) {
      this.#refuse('path_rejected')
      return
    }
    const route = this.#findRoute(this.#target)
    if (route === undefined) return
    this.#route = route
    const verdict = this.#generation.authenticate(exchange, route.access, this.#clientAddress)
    if (verdict instanceof Promise) {
      verdict.then(
        (late) => {
          this.#judged(route, late)
        },
        (error: unknown) => {
          this.failed(new SidegateError('overloaded', { cause: error, retryAfterS: 1 }))
        },
      )
    } else {
      this.#judged(route, verdict)
    }
  }

  /** `undefined` when the request has been answered instead. */
  #findRoute(target: GuardedTarget): Route | undefined {
    const { host, method } = this.#exchange
    const match = this.#generation.channels.find(host, target.path, method)
    if (match.kind === 'channel') {
      if ((target.oddities & ~match.value.allowedOddities) === 0) return match.value
      this.#route = match.value
      this.#refuse('path_rejected')
    } else if (target.oddities !== 0) {
      // An unusual spelling is refused before anything is said of what is behind it.
      this.#refuse('path_rejected')
    } else if (match.kind === 'method_refused') {
      this.#refuse('method_refused', ['Allow', match.allow.join(', ')])
    } else {
      this.#refuse('no_channel')
    }
    return undefined
  }

  #judged(route: Route, verdict: Verdict): void {
    if (verdict.kind === 'principal') this.#body = verdict.body
    if (this.#isGone) {
      this.#body?.release()
      return
    }
    if (verdict.kind === 'refused') {
      this.#refuseCaller(route, verdict)
      return
    }
    this.#principal = verdict.kind === 'principal' ? verdict.principal : undefined
    if (this.#exchange.hasUnknownExpectation) this.#refuse('expectation_failed')
    else this.#forward(route, verdict.kind === 'principal' ? verdict : undefined)
  }

  #refuseCaller(route: Route, refusal: Refusal): void {
    if (refusal.reason !== undefined) route.metrics.authFailure(refusal.reason)
    const challenges = refusal.code === 'unauthorized' ? route.access.challenges : []
    this.#refuse(refusal.code, challenges, refusal.retryAfterS)
  }

  #forward(route: Route, letIn: LetIn | undefined): void {
    const exchange = this.#exchange
    const forwarded = forwardHeaders(route.headerPolicy, exchange, {
      principal: this.#principal,
      consumedSlot: letIn?.slot,
      moreConsumed: letIn?.consumed,
      requestId: this.#requestId,
      host: exchange.host,
      isPeerTrusted: this.#generation.proxies.isTrustedPeer(exchange.peer),
    })
    if (forwarded.isSpoofed) route.metrics.spoofAttempt()
    if (forwarded.dropped.length > 0) this.#services.onDroppedNames(forwarded.dropped)
    forwarded.headers.push('Host', forwarded.host)
    this.#sentAt = performance.now()
    const { timeouts } = route.channel
    const relay = new Relay(
      exchange,
      {
        upstream: route.upstream,
        method: exchange.method,
        path: exchange.target,
        headers: forwarded.headers,
        body: letIn?.body,
        watchdog: this.#services.watchdog,
        firstByteMs: timeouts.firstByteMs,
        bodyIdleMs: timeouts.bodyIdleMs,
        websocketIdleMs: timeouts.websocketIdleMs,
      },
      this,
    )
    this.#relay = relay
    relay.start()
  }

  // What the relay tells

  answerHeaders(headers: string[]): string[] {
    return filterResponseHeaders(headers, this.#requestId).headers
  }

  answered(status: number): void {
    this.#status = status
    this.#answeredAt = performance.now()
  }

  failed(error: SidegateError): void {
    this.#services.log.debug('relay_failed', {
      request_id: this.#requestId,
      code: error.code,
      detail: error.message,
    })
    this.#refuse(error.code, [], error.retryAfterS)
  }

  upgraded(pair: WebSocketPair): void {
    if (this.#route === undefined) return
    const definition = this.#principal?.definition
    this.#services.onWebSocket({
      pair,
      channel: this.#route.channel.name,
      definition,
      fingerprint: this.#generation.definitions.get(definition ?? '')?.fingerprint,
    })
  }

  // The end

  #refuse(code: Code, extraHeaders: readonly string[] = [], retryAfterS?: number): void {
    this.#code = code
    this.#status = catalogue[code].status
    const problem = renderProblem(code, this.#requestId, undefined, retryAfterS)
    problem.headers.push(...extraHeaders)
    this.#exchange.respond(problem.status, problem.headers, problem.body)
  }

  #done(outcome: Outcome): void {
    const exchange = this.#exchange
    this.#relay?.close()
    this.#body?.release()
    const { accessLog, unmatchedMetrics } = this.#services
    const route = this.#route
    const durationMs = performance.now() - exchange.startedAt
    // As nginx writes it: the client went away before there was an answer.
    if (this.#status === 0) this.#status = outcome === 'aborted' ? 499 : 0
    const metrics = route?.metrics ?? unmatchedMetrics
    metrics.request(this.#principal?.definition ?? '', this.#status, durationMs)
    const isChannelLogged = route?.channel.accessLog ?? true
    if (!accessLog.isWanted(this.#code, isChannelLogged)) return
    const { method, host, names, headers, bytesIn, bytesOut } = exchange
    accessLog.write(
      {
        side: 'inbound',
        requestId: this.#requestId,
        traceId: findTraceId(names, headers),
        generation: this.#generation.number,
        channel: route?.channel.name,
        definition: this.#principal?.definition,
        label: this.#principal?.label,
        user: this.#principal?.identity,
        method,
        host,
        path: this.#target?.rawPath,
        status: this.#status,
        code: this.#code,
        bytesIn,
        bytesOut,
        durationMs,
        upstreamMs: this.#answeredAt === 0 ? undefined : this.#answeredAt - this.#sentAt,
        remote: this.#clientAddress,
      },
      isChannelLogged,
    )
  }
}
