/**
 * One exchange joined to one upstream request: body and answer stream through with back-pressure,
 * an end on either side ends the other, and nobody waits for ever.
 */
import type { Duplex } from 'node:stream'
import { SidegateError } from '../errors.ts'
import {
  findFraming,
  isToWebSocket,
  latin1Headers,
  safeTrailers,
  type AnswerFraming,
} from './answer.ts'
import { filterResponseHeaders } from './headers.ts'
import type { BodySink, Exchange, ResponseSink } from './exchange.ts'
import { RequestBodyStream } from './request-body.ts'
import type { Upstream, UpstreamCall, UpstreamEvents } from './upstream.ts'
import type { Watchdog, Watched } from './watchdog.ts'
import { WebSocketPair } from './websocket.ts'

/** A body must bring this much in each window (design, section 3.6: 100 B/s over 60 s). */
const RATE_WINDOW_MS = 60_000
const MIN_BYTES_PER_WINDOW = 6000

export interface RelayRequest {
  readonly upstream: Upstream
  readonly method: string
  /** Origin-form, as it goes on the wire. */
  readonly path: string
  /** For the upstream, without framing headers; the list is taken over. */
  readonly headers: string[]
  readonly watchdog: Watchdog
  readonly firstByteMs: number
  readonly bodyIdleMs: number
  readonly websocketIdleMs: number
}

/** Whoever asked for the relay. */
export interface RelayOwner {
  /** Gives the headers for the client, for those of the upstream. */
  answerHeaders(headers: string[]): string[]
  /** The upstream has begun to answer. */
  answered(status: number): void
  /** Nothing has been answered: the owner does. */
  failed(error: SidegateError): void
  upgraded(pair: WebSocketPair): void
}

export class Relay implements UpstreamEvents, Watched, BodySink {
  readonly #exchange: Exchange
  readonly #request: RelayRequest
  readonly #owner: RelayOwner
  readonly #body: RequestBodyStream | undefined
  readonly #call: UpstreamCall
  #sink: ResponseSink | undefined
  #isOver = false
  #isConnected = false
  #isEventStream = false
  /** The upstream takes no more of the request body for the moment. */
  #isUploadPaused = false
  /** The client takes no more of the answer for the moment. */
  #isDownloadPaused = false
  #lastProgressAt = 0
  #seenBytes = 0
  #seenBytesIn = 0
  #windowStart = 0
  #windowBytes = 0

  constructor(exchange: Exchange, request: RelayRequest, owner: RelayOwner) {
    this.#exchange = exchange
    this.#request = request
    this.#owner = owner
    this.#body = this.#frameBody()
    exchange.onGone = () => {
      this.#giveUp()
    }
    this.#call = request.upstream.prepare(
      {
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: this.#body,
        isWebSocket: exchange.isWebSocket,
      },
      this,
    )
  }

  /** Sends the request. */
  start(): void {
    this.#request.watchdog.watch(this)
    this.#call.start()
  }

  /** A body is framed for every method, by us: a length where it is known, else chunked. */
  #frameBody(): RequestBodyStream | undefined {
    const body = this.#exchange.body
    if (body === undefined) return undefined
    if (body.length !== undefined) this.#request.headers.push('Content-Length', String(body.length))
    if (body.length === 0) return undefined
    return new RequestBodyStream(() => {
      this.#isUploadPaused = false
      if (this.#isConnected) body.resume()
    })
  }

  // From the client: the request body

  write(chunk: Buffer): boolean {
    if (this.#body === undefined || this.#isOver) return true
    this.#isUploadPaused = !this.#body.push(chunk)
    return !this.#isUploadPaused
  }

  end(): void {
    this.#body?.push(null)
  }

  fail(): void {
    if (this.#isOver) return
    const exchange = this.#exchange
    const hasStarted = this.#sink !== undefined
    this.#giveUp()
    if (hasStarted) exchange.abort()
    else this.#owner.failed(new SidegateError('bad_request', { detail: 'the body is malformed' }))
  }

  // From the upstream

  connected(): void {
    this.#isConnected = true
    this.#lastProgressAt = this.#windowStart = performance.now()
    this.#exchange.sendContinue()
    if (this.#body !== undefined) this.#exchange.body?.readTo(this)
  }

  information(status: number, headers: Buffer[]): void {
    if (status !== 103) return
    this.#exchange.sendInformation(status, filterResponseHeaders(latin1Headers(headers)).headers)
  }

  answered(status: number, raw: Buffer[]): boolean {
    const headers = latin1Headers(raw)
    const framing = findFraming(this.#request.method, status, headers)
    if (framing === undefined) {
      this.#call.abort()
      this.failed(
        new SidegateError('upstream_failed', { detail: 'the answer is framed ambiguously' }),
      )
      return true
    }
    this.#isEventStream = framing.isEventStream
    this.#startDownload()
    this.#owner.answered(status)
    this.#sink = this.#exchange.start({
      status,
      headers: this.#owner.answerHeaders(headers),
      hasBody: framing.hasBody,
      // RFC 9110 8.6: a 204 has none, whatever the upstream states.
      contentLength: status === 204 ? undefined : framing.contentLength,
    })
    this.#sink.onDrain = () => {
      this.#isDownloadPaused = false
      this.#startDownload()
      this.#call.resume()
    }
    if (!framing.hasBody && this.#request.method !== 'HEAD') this.#endWithoutBody(framing)
    return true
  }

  /** A 204 or 304 that states a length: undici would wait for a body that never comes. */
  #endWithoutBody({ contentLength }: AnswerFraming): void {
    if (contentLength === undefined || contentLength === 0) return
    this.#call.abort()
    this.ended([])
  }

  received(chunk: Buffer): boolean {
    if (this.#sink === undefined) return true
    this.#lastProgressAt = performance.now()
    this.#isDownloadPaused = !this.#sink.write(chunk)
    return !this.#isDownloadPaused
  }

  ended(trailers: Buffer[]): void {
    this.#isOver = true
    // The client has yet to take what is left: it is watched until the exchange is done.
    this.#isDownloadPaused = true
    this.#isEventStream = false
    this.#startDownload()
    this.#sink?.end(trailers.length === 0 ? undefined : safeTrailers(latin1Headers(trailers)))
  }

  upgraded(_status: number, raw: Buffer[], socket: Duplex): void {
    const received = latin1Headers(raw)
    if (!isToWebSocket(received)) {
      socket.destroy()
      this.failed(new SidegateError('upstream_failed', { detail: 'a 101 to another protocol' }))
      return
    }
    const headers = this.#owner.answerHeaders(received)
    headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
    this.#over()
    this.#owner.answered(101)
    const client = this.#exchange.acceptUpgrade(headers)
    const pair = new WebSocketPair(client, socket, {
      watchdog: this.#request.watchdog,
      idleMs: this.#request.websocketIdleMs,
    })
    this.#owner.upgraded(pair)
  }

  failed(error: SidegateError): void {
    if (this.#isOver) return
    this.#over()
    // A cut answer must not look like a whole one.
    if (this.#sink !== undefined) this.#exchange.abort()
    else this.#owner.failed(error)
  }

  /** The exchange is done. */
  close(): void {
    this.#request.watchdog.forget(this)
  }

  // Deadlines

  tick(now: number): void {
    if (!this.#isConnected || this.#isEventStream) return
    if (this.#sink === undefined) this.#tickBeforeAnswer(now)
    else this.#tickDuringAnswer(now)
  }

  #tickBeforeAnswer(now: number): void {
    const { firstByteMs, bodyIdleMs } = this.#request
    const { bytesIn, isBodyComplete } = this.#exchange
    if (bytesIn !== this.#seenBytes) {
      this.#seenBytes = bytesIn
      this.#lastProgressAt = now
    }
    const idleMs = now - this.#lastProgressAt
    if (isBodyComplete || this.#isUploadPaused) {
      if (idleMs > firstByteMs) this.#timeOut('upstream_timeout')
      this.#windowStart = now
      this.#windowBytes = bytesIn
    } else if (idleMs > bodyIdleMs || this.#isTooSlow(now, bytesIn)) {
      this.#timeOut('request_timeout')
    }
  }

  #tickDuringAnswer(now: number): void {
    const { bodyIdleMs } = this.#request
    if (!this.#isDownloadPaused) {
      // An upstream may answer while it still reads.
      if (this.#hasUploaded()) this.#lastProgressAt = now
      if (now - this.#lastProgressAt > bodyIdleMs) this.#timeOut('upstream_timeout')
      return
    }
    const { bytesTaken } = this.#exchange
    if (bytesTaken !== this.#seenBytes) {
      this.#seenBytes = bytesTaken
      this.#lastProgressAt = now
    }
    if (now - this.#lastProgressAt > bodyIdleMs || this.#isTooSlow(now, bytesTaken)) {
      this.#timeOut('request_timeout')
    }
  }

  #hasUploaded(): boolean {
    const { bytesIn } = this.#exchange
    if (bytesIn === this.#seenBytesIn) return false
    this.#seenBytesIn = bytesIn
    return true
  }

  #startDownload(): void {
    this.#lastProgressAt = this.#windowStart = performance.now()
    this.#seenBytes = this.#windowBytes = this.#exchange.bytesTaken
  }

  #isTooSlow(now: number, bytes: number): boolean {
    if (now - this.#windowStart < RATE_WINDOW_MS) return false
    const isTooSlow = bytes - this.#windowBytes < MIN_BYTES_PER_WINDOW
    this.#windowStart = now
    this.#windowBytes = bytes
    return isTooSlow
  }

  #timeOut(code: 'upstream_timeout' | 'request_timeout'): void {
    this.#call.abort()
    if (this.#isOver) this.#exchange.abort()
    else this.failed(new SidegateError(code))
  }

  #giveUp(): void {
    if (this.#isOver) return
    this.#over()
    this.#call.abort()
  }

  #over(): void {
    this.#isOver = true
    this.#request.watchdog.forget(this)
  }
}
