/**
 * An `Exchange` without a socket: it is given a request, and keeps what was answered. It holds the
 * handler to the contract: answering twice, or writing after the end, is an error.
 */
import { PassThrough, type Duplex } from 'node:stream'
import type { Code } from '../../src/errors.ts'
import type {
  Exchange,
  Outcome,
  Peer,
  RawHeaders,
  RequestBody,
  ResponseHead,
  ResponseSink,
} from '../../src/http/exchange.ts'

/** What a test says of a request; the rest is a GET of `/` from loopback. */
export interface MemoryRequest {
  readonly method?: string
  readonly target?: string
  /** `Host` included; `127.0.0.1` where it is absent. */
  readonly headers?: RawHeaders
  readonly peer?: Partial<Peer>
  readonly fault?: Code
  readonly body?: RequestBody
  readonly hasUnknownExpectation?: boolean
}

export class MemoryExchange implements Exchange, ResponseSink {
  readonly method: string
  readonly target: string
  readonly headers: RawHeaders
  readonly names: readonly string[]
  readonly peer: Peer
  readonly host: string
  readonly fault: Code | undefined
  readonly body: RequestBody | undefined
  readonly isWebSocket = false
  readonly expectsContinue = false
  readonly hasUnknownExpectation: boolean
  readonly startedAt = performance.now()
  readonly bytesIn = 0
  readonly isBodyComplete = true
  bytesOut = 0
  onGone: (() => void) | undefined
  onDone: ((outcome: Outcome) => void) | undefined
  onDrain: (() => void) | undefined

  /** What was answered. */
  status: number | undefined
  answerHeaders: RawHeaders = []
  contentLength: number | undefined
  readonly chunks: Buffer[] = []
  outcome: Outcome | undefined
  /** Set it to make `write` say `false` until `drain()`. */
  isSlow = false
  /** Resolves at the very end, whatever the end was. */
  readonly ended: Promise<void>

  #resolveEnded: () => void = () => undefined

  constructor(request: MemoryRequest = {}) {
    this.method = request.method ?? 'GET'
    this.target = request.target ?? '/'
    const headers = request.headers ?? []
    const names = namesOf(headers)
    const host = names.indexOf('host')
    this.headers = host === -1 ? [...headers, 'Host', '127.0.0.1'] : headers
    this.names = host === -1 ? [...names, 'host'] : names
    this.host = host === -1 ? '127.0.0.1' : (headers[2 * host + 1] ?? '')
    this.peer = { address: '127.0.0.1', isTls: false, ...request.peer }
    this.fault = request.fault
    this.body = request.body
    this.hasUnknownExpectation = request.hasUnknownExpectation ?? false
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
  }

  get bytesTaken(): number {
    return this.bytesOut
  }

  /** The body of the answer. */
  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }

  /** The body of the answer as JSON. */
  get json(): unknown {
    return JSON.parse(this.text) as unknown
  }

  /** The value of a header of the answer, whatever its case. */
  header(name: string): string | undefined {
    const index = namesOf(this.answerHeaders).indexOf(name.toLowerCase())
    return index === -1 ? undefined : this.answerHeaders[2 * index + 1]
  }

  // What a transport does

  /** The client takes more. */
  drain(): void {
    this.onDrain?.()
  }

  /** The client goes away. */
  leave(): void {
    if (this.outcome !== undefined) return
    this.onGone?.()
    this.#finish('aborted')
  }

  // What a handler does

  sendContinue(): void {
    throw new Error('no client of this exchange waits for a 100')
  }

  sendInformation(): void {
    this.#mustBeOpen()
  }

  respond(status: number, headers: RawHeaders, body: Buffer): void {
    const sink = this.start({
      status,
      headers,
      hasBody: this.method !== 'HEAD',
      contentLength: body.length,
    })
    if (this.method !== 'HEAD') this.#take(body)
    sink.end()
  }

  start(head: ResponseHead): ResponseSink {
    this.#mustBeOpen()
    if (this.status !== undefined) throw new Error('answered twice')
    this.status = head.status
    this.answerHeaders = head.headers
    this.contentLength = head.contentLength
    return this
  }

  write(chunk: Buffer): boolean {
    this.#mustBeOpen()
    if (this.method === 'HEAD') throw new Error('an answer to HEAD has no body')
    this.#take(chunk)
    return !this.isSlow
  }

  end(): void {
    this.#mustBeOpen()
    if (this.method !== 'HEAD' && (this.contentLength ?? this.bytesOut) !== this.bytesOut) {
      throw new Error(`announced ${this.contentLength ?? 0} bytes, wrote ${this.bytesOut}`)
    }
    this.#finish('finished')
  }

  acceptUpgrade(): Duplex {
    return new PassThrough()
  }

  acceptConnect(): never {
    throw new Error('CONNECT needs a socket')
  }

  abort(): void {
    if (this.outcome === undefined) this.#finish('aborted')
  }

  #take(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.bytesOut += chunk.length
  }

  #mustBeOpen(): void {
    if (this.outcome !== undefined) throw new Error('the exchange is over')
  }

  #finish(outcome: Outcome): void {
    this.outcome = outcome
    this.onDone?.(outcome)
    this.#resolveEnded()
  }
}

function namesOf(headers: RawHeaders): string[] {
  return headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase())
}
