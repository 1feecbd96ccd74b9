/**
 * One request on its way to an upstream and its answer on the way back. What may be sent twice is
 * decided here.
 */
import type { Duplex, Readable } from 'node:stream'
import { SidegateError } from '../errors.ts'
import type { RawHeaders } from './exchange.ts'
import type { UpstreamConnection } from './upstream-connection.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Origin-form, exactly as it goes on the wire. */
  readonly path: string
  /** Flat list with `Host` and, where known, `Content-Length`; without hop-by-hop headers. */
  readonly headers: RawHeaders
  /** `undefined`: none. Without a `Content-Length` it is sent chunked. */
  readonly body: Readable | undefined
  readonly isWebSocket: boolean
  /** What an earlier connection could not do: matters to senders whose connections differ. */
  readonly needsNewConnection?: boolean
}

/** What happens to a request; methods are called in this order, `failed` ends it at any point. */
export interface UpstreamEvents {
  /** The connection is open and verified; the head is written next. */
  connected(): void
  information(status: number, headers: Buffer[]): void
  /** `false` asks for a pause. */
  answered(status: number, headers: Buffer[]): boolean
  /** `false` asks for a pause. */
  received(chunk: Buffer): boolean
  ended(trailers: Buffer[]): void
  upgraded(status: number, headers: Buffer[], socket: Duplex): void
  /** `isUnsent`: the upstream cannot have acted on it, and nothing of its body is lost. */
  failed(error: SidegateError, isUnsent?: boolean): void
}

/** Sends requests to one place, with one set of settings. */
export interface RequestSender {
  /** Prepares a request; `start()` of what it gives sends it. */
  prepare(request: UpstreamRequest, events: UpstreamEvents): SentRequest
}

/** The handle to steer a request that is under way. */
export interface SentRequest {
  start(): void
  /** Asks for more of the answer after `false` was returned. */
  resume(): void
  /** Gives the request up; no event follows, and the connection is not used again. */
  abort(): void
}

/** Where a call has its connection from. */
export interface ConnectionSource {
  /** The target as it goes on the wire. */
  targetOf(request: UpstreamRequest): string
  /** The headers as they go on the wire. */
  headersOf(request: UpstreamRequest): RawHeaders
  /** Takes back a connection whose request and answer are both complete. */
  giveBack(connection: UpstreamConnection): void
  /** Whether an answer is a parent proxy's word to us, and nothing that the upstream said. */
  isProxyChallenge?(status: number): boolean
  /** A new connection in place of one that was closed meanwhile; `undefined`: there is none. */
  reopen(): UpstreamConnection | undefined
}

/** The target as it goes to a forward proxy in cleartext (RFC 9112, section 3.2.2). */
export function absoluteTarget({ path, headers }: UpstreamRequest): string {
  const at = headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === 'host')
  return `http://${headers[at + 1] ?? ''}${path}`
}

const WRONG_PROXY_CREDENTIALS = 'the parent proxy wants other credentials (407)'
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** One request under way: undici's handler, and the handle to steer it. */
export class UpstreamCall implements SentRequest {
  readonly #source: ConnectionSource
  readonly #request: UpstreamRequest
  readonly #events: UpstreamEvents
  #connection: UpstreamConnection
  #abort: ((error?: Error) => void) | undefined
  #resume: (() => void) | undefined
  #bytesBefore = 0
  #isReused = false
  #hasAnswer = false
  #hasEnded = false
  #isOver = false

  constructor(
    source: ConnectionSource,
    connection: UpstreamConnection,
    request: UpstreamRequest,
    events: UpstreamEvents,
  ) {
    this.#source = source
    this.#connection = connection
    this.#request = request
    this.#events = events
  }

  start(): void {
    this.#dispatch()
  }

  resume(): void {
    if (!this.#isOver) this.#resume?.()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#abort?.(new Error('given up'))
    this.#connection.destroy()
  }

  #dispatch(): void {
    const { method, body, isWebSocket } = this.#request
    this.#connection.client.dispatch(
      {
        method,
        path: this.#source.targetOf(this.#request),
        headers: this.#source.headersOf(this.#request) as string[],
        body: body ?? null,
        // `undefined` would mean undici's guess; a GET that waits must not block a second one.
        blocking: false,
        ...(isWebSocket ? { upgrade: 'websocket' } : {}),
      },
      this,
    )
  }

  // What undici calls

  onConnect(abort: (error?: Error) => void): void {
    if (this.#isOver) {
      abort(new Error('given up'))
      return
    }
    this.#abort = abort
    const connection = this.#connection
    this.#isReused = connection.uses > 0
    connection.uses += 1
    connection.onEnd = this.#onEnd
    connection.continueFilter?.awaitHead()
    this.#bytesBefore = connection.socket?.bytesRead ?? 0
    this.#events.connected()
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void): boolean {
    if (this.#isOver) return true
    if (status < 200) {
      this.#events.information(status, headers)
      return true
    }
    this.#hasAnswer = true
    this.#resume = resume
    // Passed on, it would ask the app for credentials that are ours to give.
    if (this.#source.isProxyChallenge?.(status) === true) {
      this.abort()
      this.#events.failed(
        new SidegateError('upstream_unreachable', { detail: WRONG_PROXY_CREDENTIALS }),
      )
      return true
    }
    return this.#events.answered(status, headers)
  }

  onData(chunk: Buffer): boolean {
    // A resumed parser says that nothing came by an empty chunk: pausing it again would be for ever.
    if (this.#isOver || chunk.length === 0) return true
    return this.#events.received(chunk) || this.#hasEnded
  }

  /**
   * The upstream has ended its side, and everything it sent has been read. undici now ends its parser,
   * and where that is paused fails an assertion over it, which would end the process, or takes a whole
   * answer for a cut one.
   */
  readonly #onEnd = (): void => {
    this.#hasEnded = true
    this.resume()
  }

  onComplete(trailers: unknown): void {
    if (this.#isOver) return
    // undici takes a reset for the end of an answer that lasts as long as its connection.
    if (this.#connection.socket?.errored instanceof Error) {
      this.onError(this.#connection.socket.errored)
      return
    }
    this.#isOver = true
    // Typed as strings by undici; they are the raw bytes.
    const rawTrailers = (trailers ?? []) as Buffer[]
    // To the parser, a `Connection: close` among trailers is one: the next answer would be refused.
    if (rawTrailers.length === 0) this.#source.giveBack(this.#connection)
    else this.#connection.destroy()
    this.#events.ended(rawTrailers)
  }

  onUpgrade(status: number, headers: Buffer[] | string[] | null, socket: Duplex): void {
    this.#isOver = true
    this.#connection.destroy()
    this.#events.upgraded(status, (headers ?? []) as Buffer[], socket)
  }

  onError(error: Error): void {
    if (this.#isOver) return
    this.#connection.destroy()
    const isUnsent = this.#mayBeSentAgain()
    const connection = isUnsent ? this.#source.reopen() : undefined
    if (connection !== undefined) {
      this.#connection = connection
      this.#abort = undefined
      this.#dispatch()
      return
    }
    this.#isOver = true
    this.#events.failed(asSidegateError(error), isUnsent)
  }

  /**
   * Only what the upstream cannot have acted on twice: it closed a kept-alive connection while the
   * request was on its way, and said nothing (RFC 9110 9.2.2, RFC 9112 9.3.1).
   */
  #mayBeSentAgain(): boolean {
    const { method, body } = this.#request
    return (
      this.#isReused &&
      !this.#hasAnswer &&
      body === undefined &&
      IDEMPOTENT.has(method) &&
      this.#connection.socket?.bytesRead === this.#bytesBefore
    )
  }
}

function asSidegateError(error: Error): SidegateError {
  if (error instanceof SidegateError) return error
  return new SidegateError('upstream_failed', { detail: error.message, cause: error })
}
