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
import type { BodySink, Exchange, RequestBody, ResponseSink } from './exchange.ts'
import { KeptBody, type BodyBudget } from './kept-body.ts'
import { RelayDeadlines, type Late, type RelayTimeouts } from './relay-deadlines.ts'
import { RequestBodyStream } from './request-body.ts'
import type { RequestSender, SentRequest, UpstreamEvents } from './upstream-call.ts'
import type { Watchdog, Watched } from './watchdog.ts'
import { WebSocketPair } from './websocket.ts'

/** More `103 Early Hints` of one answer than anybody needs are not passed on. */
const MAX_INFORMATION = 16

export interface RelayRequest extends RelayTimeouts {
  readonly upstream: RequestSender
  readonly method: string
  /** Origin-form, as it goes on the wire. */
  readonly path: string
  /** For the upstream, without framing headers; the list is taken over. */
  readonly headers: string[]
  /** The body, where it is not the client's own stream any more. */
  readonly body?: RequestBody | undefined
  readonly watchdog: Watchdog
  readonly websocketIdleMs: number
  /** Where a copy of the body comes out of, in case it has to be sent again. */
  readonly keepsBody?: BodyBudget | undefined
}

/** Whoever asked for the relay. */
export interface RelayOwner {
  /** Gives the headers for the client, for those of the upstream. */
  answerHeaders(headers: string[], status: number): string[]
  /** The upstream has begun to answer. */
  answered(status: number): void
  /** Nothing has been answered: the owner does. */
  failed(error: SidegateError): void
  upgraded(pair: WebSocketPair): void
  /**
   * Asked once, before an answer is passed on. Where `canSendAgain`, a promise holds the answer: headers
   * send the request again with them, `undefined` passes the answer on.
   */
  holdAnswer?(status: number, canSendAgain: boolean, raw: readonly Buffer[]): HeldDecision
}

/** What becomes of an answer; an error takes its place. */
export type HeldDecision = Promise<string[] | undefined> | SidegateError | undefined

export class Relay implements UpstreamEvents, Watched, BodySink {
  readonly #exchange: Exchange
  readonly #request: RelayRequest
  readonly #owner: RelayOwner
  /** Where the body comes from. */
  readonly #source: RequestBody | undefined
  readonly #body: RequestBodyStream | undefined
  readonly #kept: KeptBody | undefined
  readonly #deadlines: RelayDeadlines
  #call: SentRequest
  #isSecond = false
  #isHolding = false
  /** How the answer ended while it was held. */
  #heldEnd: (() => void) | undefined
  #informationCount = 0
  #sink: ResponseSink | undefined
  #isOver = false
  #isConnected = false
  #isEventStream = false
  /** The upstream takes no more of the request body for the moment. */
  #isUploadPaused = false
  /** The client takes no more of the answer for the moment. */
  #isDownloadPaused = false

  constructor(exchange: Exchange, request: RelayRequest, owner: RelayOwner) {
    this.#exchange = exchange
    this.#request = request
    this.#owner = owner
    this.#deadlines = new RelayDeadlines(exchange, request)
    this.#source = request.body ?? exchange.body
    this.#body = this.#frameBody()
    const { keepsBody } = request
    if (keepsBody !== undefined && this.#body !== undefined) this.#kept = new KeptBody(keepsBody)
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
    const body = this.#source
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
    this.#kept?.add(chunk)
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
    this.#deadlines.startUpload(performance.now())
    if (this.#isSecond) return
    this.#exchange.sendContinue()
    if (this.#body !== undefined) this.#source?.readTo(this)
  }

  information(status: number, headers: Buffer[]): void {
    if (status !== 103 || ++this.#informationCount > MAX_INFORMATION) return
    this.#exchange.sendInformation(status, filterResponseHeaders(latin1Headers(headers)).headers)
  }

  answered(status: number, raw: Buffer[]): boolean {
    const canSendAgain = this.#canSendAgain()
    const decision = this.#isSecond
      ? undefined
      : this.#owner.holdAnswer?.(status, canSendAgain, raw)
    if (decision === undefined) return this.#pass(status, raw)
    if (decision instanceof SidegateError) {
      this.#call.abort()
      this.failed(decision)
      return true
    }
    if (!canSendAgain) {
      decision.catch(ignore)
      return this.#pass(status, raw)
    }
    this.#isHolding = true
    const decide = (headers?: string[]): void => {
      this.#decided(headers, status, raw)
    }
    decision.then(decide, () => {
      decide()
    })
    return false
  }

  #decided(headers: string[] | undefined, status: number, raw: Buffer[]): void {
    if (this.#isOver) return
    this.#isHolding = false
    this.#deadlines.noteProgress(performance.now())
    if (headers !== undefined) {
      this.#heldEnd = undefined
      this.#sendAgain(headers)
      return
    }
    const wantsMore = this.#pass(status, raw)
    if (this.#heldEnd !== undefined && this.#sink !== undefined) this.#heldEnd()
    else if (wantsMore) this.#call.resume()
  }

  #canSendAgain(): boolean {
    if (this.#isSecond || this.#exchange.isWebSocket) return false
    if (this.#body === undefined) return true
    return this.#kept?.isWhole === true && this.#exchange.isBodyComplete
  }

  #sendAgain(headers: string[]): void {
    this.#isSecond = true
    this.#call.abort()
    const { upstream, method, path } = this.#request
    const bytes = this.#kept?.bytes
    let body: RequestBodyStream | undefined
    if (bytes !== undefined && bytes.length > 0) {
      body = new RequestBodyStream(() => undefined)
      body.push(bytes)
      body.push(null)
    }
    // A body is framed for every method, an empty one too.
    if (this.#source !== undefined) headers.push('Content-Length', String(bytes?.length ?? 0))
    const again = { method, path, headers, body, isWebSocket: false, needsNewConnection: true }
    this.#call = upstream.prepare(again, this)
    this.#call.start()
  }

  #pass(status: number, raw: Buffer[]): boolean {
    this.#kept?.release()
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
    this.#deadlines.startDownload(performance.now())
    this.#owner.answered(status)
    this.#sink = this.#exchange.start({
      status,
      headers: this.#owner.answerHeaders(headers, status),
      hasBody: framing.hasBody,
      // RFC 9110 8.6: a 204 has none, whatever the upstream states.
      contentLength: status === 204 ? undefined : framing.contentLength,
    })
    this.#sink.onDrain = () => {
      this.#isDownloadPaused = false
      this.#deadlines.startDownload(performance.now())
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
    this.#deadlines.noteProgress(performance.now())
    this.#isDownloadPaused = !this.#sink.write(chunk)
    return !this.#isDownloadPaused
  }

  ended(trailers: Buffer[]): void {
    if (this.#isHolding) {
      this.#heldEnd = () => {
        this.ended(trailers)
      }
      return
    }
    this.#isOver = true
    // The client has yet to take what is left: it is watched until the exchange is done.
    this.#isDownloadPaused = true
    this.#isEventStream = false
    this.#deadlines.startDownload(performance.now())
    this.#sink?.end(trailers.length === 0 ? undefined : safeTrailers(latin1Headers(trailers)))
  }

  upgraded(_status: number, raw: Buffer[], socket: Duplex): void {
    const received = latin1Headers(raw)
    if (!isToWebSocket(received)) {
      socket.destroy()
      this.failed(new SidegateError('upstream_failed', { detail: 'a 101 to another protocol' }))
      return
    }
    const headers = this.#owner.answerHeaders(received, 101)
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
    if (this.#isHolding) {
      this.#heldEnd = () => {
        this.failed(error)
      }
      return
    }
    this.#over()
    // A cut answer must not look like a whole one.
    if (this.#sink !== undefined) this.#exchange.abort()
    else this.#owner.failed(error)
  }

  /** The exchange is done. */
  close(): void {
    this.#kept?.release()
    this.#request.watchdog.forget(this)
  }

  // Deadlines

  tick(now: number): void {
    if (!this.#isConnected || this.#isEventStream || this.#isHolding) return
    const late =
      this.#sink === undefined
        ? this.#deadlines.findLateBeforeAnswer(now, this.#isUploadPaused)
        : this.#deadlines.findLateDuringAnswer(now, this.#isDownloadPaused)
    if (late !== undefined) this.#timeOut(late)
  }

  #timeOut(code: Late): void {
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

function ignore(): void {
  // Nobody waits for it.
}
