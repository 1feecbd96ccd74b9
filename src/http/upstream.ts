/**
 * The connections to one upstream. Each is an undici `Client` that carries one request at a time;
 * free ones lie on a stack, so that choosing one does not scan. What may be sent twice, and which
 * socket may be used again, is decided here.
 */
import type { Duplex, Readable } from 'node:stream'
import { SidegateError } from '../errors.ts'
import type { RawHeaders } from './exchange.ts'
import { UpstreamConnection, type UpstreamOptions } from './upstream-connection.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Origin-form, exactly as it goes on the wire. */
  readonly path: string
  /** Flat list with `Host` and, where known, `Content-Length`; without hop-by-hop headers. */
  readonly headers: RawHeaders
  /** `undefined`: none. Without a `Content-Length` it is sent chunked. */
  readonly body: Readable | undefined
  readonly isWebSocket: boolean
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
  failed(error: SidegateError): void
}

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** All connections to one upstream with one set of settings. */
export class Upstream {
  readonly #origin: string
  readonly #options: UpstreamOptions
  /** Through a parent proxy cleartext requests go in absolute form (RFC 9112, section 3.2.2). */
  readonly #isAbsoluteForm: boolean
  #free: UpstreamConnection[] = []
  #deadCount = 0
  #isClosed = false

  constructor(options: UpstreamOptions) {
    this.#options = options
    const { address } = options
    const host =
      address.kind === 'unix' ? 'localhost' : `${bracketed(address.host)}:${address.port}`
    this.#origin = `${options.tls === undefined ? 'http' : 'https'}://${host}`
    this.#isAbsoluteForm = options.proxy !== undefined && options.tls === undefined
  }

  /** The target as it goes on the wire. */
  targetOf({ path, headers }: UpstreamRequest): string {
    if (!this.#isAbsoluteForm) return path
    const at = headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === 'host')
    return `http://${headers[at + 1] ?? ''}${path}`
  }

  /** The headers as they go on the wire. */
  headersOf({ headers }: UpstreamRequest): RawHeaders {
    const authorization = this.#options.proxy?.authorization
    if (!this.#isAbsoluteForm || authorization === undefined) return headers
    return [...headers, 'Proxy-Authorization', authorization]
  }

  /** Prepares a request on a free connection, or on a new one; `start()` sends it. */
  prepare(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall {
    return new UpstreamCall(this, request, events)
  }

  /** Lets free connections go; those in use end with their request. */
  close(): void {
    this.#isClosed = true
    const free = this.#free
    this.#free = []
    for (const connection of free) void connection.client.destroy()
  }

  /** The free connection that was used last, since its socket is the least likely to be stale. */
  take(): UpstreamConnection {
    for (
      let connection = this.#free.pop();
      connection !== undefined;
      connection = this.#free.pop()
    ) {
      connection.isFree = false
      if (connection.isDead) this.#deadCount -= 1
      else if (connection.socket?.destroyed === false) return connection
      else void connection.client.destroy()
    }
    return this.open()
  }

  open(): UpstreamConnection {
    return new UpstreamConnection(this.#origin, this.#options, () => {
      this.#sweep()
    })
  }

  /** Takes back a connection whose request and answer are both complete. */
  giveBack(connection: UpstreamConnection): void {
    if (this.#isClosed) {
      void connection.client.destroy()
      return
    }
    connection.isFree = true
    this.#free.push(connection)
  }

  /** Dead ones at the bottom of the stack go when they are the greater part of it. */
  #sweep(): void {
    this.#deadCount += 1
    if (this.#deadCount * 2 <= this.#free.length) return
    this.#free = this.#free.filter((connection) => !connection.isDead)
    this.#deadCount = 0
  }
}

/** One request under way: undici's handler, and the handle to steer it. */
export class UpstreamCall {
  readonly #upstream: Upstream
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

  constructor(upstream: Upstream, request: UpstreamRequest, events: UpstreamEvents) {
    this.#upstream = upstream
    this.#request = request
    this.#events = events
    // Whatever happened on a connection before, an upgraded one starts from nothing.
    this.#connection = request.isWebSocket ? upstream.open() : upstream.take()
  }

  start(): void {
    this.#dispatch()
  }

  /** Asks for more of the answer after `false` was returned. */
  resume(): void {
    if (!this.#isOver) this.#resume?.()
  }

  /** Gives the request up; no event follows, and the connection is not used again. */
  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#abort?.(new Error('given up'))
    void this.#connection.client.destroy()
  }

  #dispatch(): void {
    const { method, body, isWebSocket } = this.#request
    this.#connection.client.dispatch(
      {
        method,
        path: this.#upstream.targetOf(this.#request),
        headers: this.#upstream.headersOf(this.#request) as string[],
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
    if (rawTrailers.length === 0) this.#upstream.giveBack(this.#connection)
    else void this.#connection.client.destroy()
    this.#events.ended(rawTrailers)
  }

  onUpgrade(status: number, headers: Buffer[] | string[] | null, socket: Duplex): void {
    this.#isOver = true
    void this.#connection.client.destroy()
    this.#events.upgraded(status, (headers ?? []) as Buffer[], socket)
  }

  onError(error: Error): void {
    if (this.#isOver) return
    void this.#connection.client.destroy()
    if (this.#mayBeSentAgain()) {
      this.#connection = this.#upstream.open()
      this.#abort = undefined
      this.#dispatch()
      return
    }
    this.#isOver = true
    this.#events.failed(asSidegateError(error))
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

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
