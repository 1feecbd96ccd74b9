/** What is known of one request on its way out; at its end it becomes a line of the log and a count. */
import type { Code } from '../errors.ts'
import type { Exchange, Outcome } from '../http/exchange.ts'
import { requestIdOf } from '../http/request-id.ts'
import { findTraceId } from '../http/trace.ts'
import type { Client } from './clients.ts'
import type { Destination } from './destination.ts'
import type { OutgoingRoute } from './generation.ts'
import type { Credential } from './injector.ts'
import type { Route } from './route.ts'
import type { EgressServices, Mode } from './services.ts'

/** Filled in step by step. */
export class VisitRecord {
  readonly requestId: string
  readonly #services: Pick<EgressServices, 'accessLog' | 'metricsOf'>
  readonly #exchange: Exchange
  readonly #generation: number
  client: Client | undefined
  mode: Mode
  /** The connection that was chosen, as soon as it is. */
  route: Route<OutgoingRoute> | undefined
  /** Of a connection that refused before it was chosen. */
  outgoingName: string | undefined
  destination: Destination | undefined
  path: string | undefined
  credential: Credential | undefined
  /** Of a refusal of ours. */
  code: Code | undefined
  status = 0
  /** A CONNECT whose inside is told request by request. */
  isSilent = false
  /** In milliseconds of `performance.now()`; 0 as long as it has not happened. */
  sentAt = 0
  answeredAt = 0

  constructor(
    services: Pick<EgressServices, 'accessLog' | 'metricsOf'>,
    exchange: Exchange,
    generation: number,
  ) {
    this.#services = services
    this.#exchange = exchange
    this.#generation = generation
    this.requestId = requestIdOf(exchange.names, exchange.headers)
    this.mode = modeOf(exchange)
  }

  /** Counts and logs it, once. */
  finish(outcome: Outcome): void {
    if (this.isSilent && this.code === undefined) return
    // As nginx writes it: the client went away before there was an answer.
    if (this.status === 0 && outcome === 'aborted') this.status = 499
    const { accessLog, metricsOf } = this.#services
    const durationMs = performance.now() - this.#exchange.startedAt
    const metrics = this.route?.value.metrics ?? metricsOf(this.outgoingName ?? '')
    metrics.request(this.mode, this.status, durationMs)
    if (accessLog.isWanted(this.code, true)) this.#write(durationMs)
  }

  #write(durationMs: number): void {
    const exchange = this.#exchange
    const { route, credential } = this
    this.#services.accessLog.write({
      side: 'egress',
      requestId: this.requestId,
      traceId: findTraceId(exchange.names, exchange.headers),
      generation: this.#generation,
      outgoing: route?.connection.name ?? this.outgoingName,
      mode: this.mode,
      definition: credential === undefined ? undefined : route?.value.injector?.definition.name,
      label: credential?.label,
      user: this.client?.identity,
      method: exchange.method,
      host: this.destination?.authority ?? exchange.host,
      path: this.path,
      status: this.status,
      code: this.code,
      bytesIn: exchange.bytesIn,
      bytesOut: exchange.bytesOut,
      durationMs,
      upstreamMs:
        this.answeredAt === 0 || this.sentAt === 0 ? undefined : this.answeredAt - this.sentAt,
      remote: exchange.peer.address,
    })
  }
}

/** As far as the form tells; a proxied request to our own address turns out to be by name later. */
function modeOf({ method, peer, target }: Exchange): Mode {
  if (peer.tunnel !== undefined) return 'intercept'
  if (method === 'CONNECT') return 'tunnel'
  return target.startsWith('/') ? 'name' : 'absolute'
}
