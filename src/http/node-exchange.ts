/**
 * An `Exchange` over node:http. The head has been judged by `strict.ts`; framing and persistence of
 * the answer are decided here, and what is left of a request body after an early answer is read
 * away within limits.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Code } from '../errors.ts'
import type { Connection, QueuedExchange } from './connection.ts'
import type {
  BodySink,
  ClientTunnel,
  Outcome,
  Peer,
  RawHeaders,
  RequestBody,
  ResponseHead,
  ResponseSink,
} from './exchange.ts'
import { endAndLinger, LINGER_BYTES, LINGER_MS, UNREAD_ANSWER_MS } from './linger.ts'
import { bytesTaken } from './progress.ts'
import type { Judgement } from './strict.ts'

const NOTHING = Buffer.alloc(0)

export class NodeExchange implements QueuedExchange, RequestBody, ResponseSink {
  readonly method: string
  readonly target: string
  readonly headers: RawHeaders
  readonly names: readonly string[]
  readonly host: string
  readonly peer: Peer
  readonly isChunked: boolean
  readonly isWebSocket = false
  readonly expectsContinue: boolean
  readonly hasUnknownExpectation: boolean
  readonly startedAt = performance.now()
  readonly length: number | undefined
  readonly body: RequestBody | undefined
  bytesIn = 0
  bytesOut = 0
  onGone: (() => void) | undefined
  onDone: ((outcome: Outcome) => void) | undefined
  onDrain: (() => void) | undefined

  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #connection: Connection
  readonly #isLastWanted: () => boolean
  readonly #headFault: Code | undefined
  readonly #isHttp11: boolean
  #sink: BodySink | undefined
  #hasBodyFailed = false
  #isCodingUnknown = false
  #hasContinued = false
  #hasStarted = false
  #isDone = false

  constructor(
    connection: Connection,
    request: IncomingMessage,
    response: ServerResponse,
    head: Judgement,
    isLastWanted: () => boolean,
  ) {
    this.#connection = connection
    this.#request = request
    this.#response = response
    this.#isLastWanted = isLastWanted
    this.method = request.method ?? ''
    this.target = request.url ?? ''
    this.headers = request.rawHeaders
    this.names = head.names
    this.host = head.host
    this.peer = connection
    this.#headFault = head.fault
    this.isChunked = head.isChunked
    this.#isHttp11 = request.httpVersionMinor === 1
    this.expectsContinue = head.expectsContinue
    this.hasUnknownExpectation = head.hasUnknownExpectation
    this.length = head.contentLength
    this.body = head.isChunked || head.contentLength !== undefined ? this : undefined
  }

  /** Also what the parser found in the head only after it had raised the request. */
  get fault(): Code | undefined {
    return this.#headFault ?? (this.#isCodingUnknown ? 'bad_request' : undefined)
  }

  get isBodyComplete(): boolean {
    return this.#request.complete || (this.body === undefined && this.fault === undefined)
  }

  get bytesTaken(): number {
    return bytesTaken(this.#connection.socket)
  }

  // The request body

  readTo(sink: BodySink): void {
    this.#sink = sink
    if (this.#hasBodyFailed) {
      sink.fail(new Error('the request body is malformed'))
      return
    }
    const request = this.#request
    request.on('data', (chunk: Buffer) => {
      this.bytesIn += chunk.length
      if (this.#sink?.write(chunk) === false) request.pause()
    })
    request.on('end', () => {
      this.#sink?.end()
    })
  }

  resume(): void {
    this.#request.resume()
  }

  bodyFailed(isCodingUnknown: boolean): void {
    this.#hasBodyFailed = true
    // The coding is in the head; a fault further on must not change what the head alone gets.
    this.#isCodingUnknown ||= isCodingUnknown
    this.#connection.condemn()
    this.#sink?.fail(new Error('the request body is malformed or was cut short'))
  }

  sendContinue(): void {
    if (!this.expectsContinue || this.#hasContinued || this.#hasStarted) return
    this.#hasContinued = true
    this.#response.writeContinue()
  }

  // The answer

  sendInformation(status: number, headers: RawHeaders): void {
    if (this.#hasStarted || this.#isDone || !this.#isHttp11) return
    // A hint is not worth waiting for a client that does not read, nor the memory.
    if (this.#connection.socket.writableNeedDrain) return
    let block = `HTTP/1.1 ${status} ${status === 103 ? 'Early Hints' : 'Information'}\r\n`
    for (let i = 0; i + 1 < headers.length; i += 2) {
      block += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`
    }
    this.#connection.socket.write(`${block}\r\n`, 'latin1')
  }

  respond(status: number, headers: RawHeaders, body: Buffer): void {
    if (this.#hasStarted || this.#isDone) return
    // Nothing follows a 400: what comes behind it on the connection cannot be trusted.
    const isLast = status === 400 || this.#mustClose()
    this.#writeHead({ status, headers, hasBody: true, contentLength: body.length }, isLast)
    this.bytesOut = this.method === 'HEAD' ? 0 : body.length
    const { socket } = this.#connection
    if (isLast) {
      // node:http would close behind its own end, whatever is still unread.
      if (this.method === 'HEAD') this.#response.flushHeaders()
      else this.#response.write(body)
      endAndLinger(socket)
      this.#over()
    } else {
      this.#response.end(body)
      // A client that does not even take a refusal is not waited for.
      if (socket.writableLength > 0) socket.setTimeout(UNREAD_ANSWER_MS)
    }
  }

  start(head: ResponseHead): ResponseSink {
    this.#writeHead(head, this.#mustClose())
    // The first bytes of the body usually come within this very turn and share the packet.
    process.nextTick(flushHead, this.#response)
    return this
  }

  write(chunk: Buffer): boolean {
    if (this.#isDone) return true
    this.bytesOut += chunk.length
    return this.#response.write(chunk)
  }

  end(trailers?: RawHeaders): void {
    if (this.#isDone) return
    const response = this.#response
    if (trailers !== undefined && response.chunkedEncoding) response.addTrailers(pairsOf(trailers))
    response.end()
  }

  acceptUpgrade(): Duplex {
    throw new Error('an ordinary request cannot be upgraded')
  }

  acceptConnect(): ClientTunnel {
    throw new Error('an ordinary request is no CONNECT')
  }

  abort(): void {
    this.#connection.cut()
    this.gone()
  }

  /** The socket takes more, where node:http no longer tells the answer so itself. */
  drained(): void {
    this.#response.emit('drain')
  }

  /** The connection has closed under the exchange. */
  gone(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.onGone?.()
    this.onDone?.('aborted')
  }

  #writeHead(head: ResponseHead, isLast: boolean): void {
    const response = this.#response
    if (isLast) {
      response.shouldKeepAlive = false
      this.#connection.condemn()
    }
    const headers = [...head.headers]
    if (head.contentLength !== undefined) headers.push('Content-Length', String(head.contentLength))
    response.writeHead(head.status, headers)
    this.#hasStarted = true
    response.on('drain', () => {
      this.onDrain?.()
    })
    response.on('finish', () => {
      this.#finished()
    })
  }

  /** Whether this must be the last answer of the connection. */
  #mustClose(): boolean {
    if (this.fault !== undefined || this.#hasBodyFailed || this.#isLastWanted()) return true
    if (this.isBodyComplete) return false
    // Whoever waits for a 100 may or may not send the body after another answer: only a new
    // connection is unambiguous (RFC 9110 10.1.1). A long rest would not be read to its end.
    if (this.expectsContinue && !this.#hasContinued) return true
    return this.#sink === undefined && (this.length === undefined || this.length > LINGER_BYTES)
  }

  /** Reads away the rest of the request, so that the client gets to see the answer. */
  #linger(): void {
    let left = LINGER_BYTES
    const request = this.#request
    const finish = (): void => {
      clearTimeout(timer)
      request.off('data', onData)
      request.off('end', finish)
      if (this.isBodyComplete && this.#response.shouldKeepAlive) this.#over()
      else this.#close()
    }
    const onData = (chunk: Buffer): void => {
      left -= chunk.length
      if (left < 0) finish()
    }
    const timer = setTimeout(finish, LINGER_MS)
    const unread = this.#sink
    this.#sink = undefined
    unread?.fail(new Error('the answer came before the end of the body'))
    request.on('data', onData)
    request.on('end', finish)
    request.resume()
  }

  /** node:http has written the answer to its end. */
  #finished(): void {
    if (this.#isDone) return
    if (this.isBodyComplete && !this.#hasBodyFailed) this.#over()
    else this.#linger()
  }

  /** The answer is out and was the last. */
  #close(): void {
    if (this.#isDone) return
    this.#connection.condemn()
    this.#connection.socket.destroySoon()
    this.#over()
  }

  #over(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.onDone?.('finished')
    this.#connection.release(this)
  }
}

/** Writes a head that no body has carried yet; as bytes, since a string would become UTF-8. */
function flushHead(response: ServerResponse): void {
  if (response.headersSent && !response.writableEnded && !response.destroyed) {
    response.write(NOTHING)
  }
}

function pairsOf(flat: RawHeaders): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? '', flat[i + 1] ?? ''])
  return pairs
}
