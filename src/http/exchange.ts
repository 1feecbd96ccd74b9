/**
 * One request and its answer, as handlers see them. Transports (`server.ts` over node:http, later
 * others) implement it; nothing above this file knows which one is beneath. All strings that came
 * from or go to the wire are Latin-1: one char is one byte.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Code } from '../errors.ts'

/** Flat list name, value, name, value … in the order and the case of the wire. */
export type RawHeaders = readonly string[]

export interface Peer {
  /** The address of the socket's other end; `unix` for unix sockets. */
  readonly address: string
  readonly isTls: boolean
  /** What `ClientTunnel.serve` was given for this connection. */
  readonly tunnel?: object | undefined
}

/** The client's end of a CONNECT that was answered with 200. */
export interface ClientTunnel {
  readonly socket: Socket
  /**
   * Serves the HTTP that is spoken inside, on `socket` or on TLS that ends over it: its exchanges
   * go to the same handler, with `tunnel` in their `peer`.
   */
  serve(socket: Socket, tunnel: object): void
}

/** Receives the body of a request or of an answer. */
export interface BodySink {
  /** Takes a chunk; `false` asks the source to pause until its `resume()`. */
  write(chunk: Buffer): boolean
  /** The body came whole. */
  end(): void
  /** The body will never be whole. */
  fail(error: Error): void
}

export interface RequestBody {
  /** Bytes announced by Content-Length; `undefined` when the body is chunked. */
  readonly length: number | undefined
  /** Starts the flow into the sink, once. */
  readTo(sink: BodySink): void
  /** Asks for more after the sink said `false`. */
  resume(): void
}

/** Where a streamed answer is written to. */
export interface ResponseSink {
  /** Called when more can be written after `write` said `false`. */
  onDrain: (() => void) | undefined
  /** Writes a chunk; `false` asks the source to pause until `onDrain`. */
  write(chunk: Buffer): boolean
  /** Ends the answer cleanly. `trailers` is a flat list and is sent only on chunked answers. */
  end(trailers?: RawHeaders): void
}

export interface ResponseHead {
  readonly status: number
  /** Hop-by-hop and framing headers are the transport's: they must not be in here. */
  readonly headers: RawHeaders
  /** Whether a body follows; none does to HEAD and with 204 and 304. */
  readonly hasBody: boolean
  /** `Content-Length`: of the body, or as stated where none follows; `undefined` when not known. */
  readonly contentLength: number | undefined
}

/** How an exchange ended: the whole answer was written, or one of the sides went away. */
export type Outcome = 'finished' | 'aborted'

export interface Exchange {
  readonly method: string
  /** The request target exactly as received. */
  readonly target: string
  readonly headers: RawHeaders
  /** The names of `headers` in lower case, one per pair: `names[i]` belongs to `headers[2 * i]`. */
  readonly names: readonly string[]
  readonly peer: Peer
  /** The value of `Host` as received, `""` where there is none that could be used. */
  readonly host: string
  /** What strict HTTP found wrong; the handler answers with it and does nothing else. */
  readonly fault: Code | undefined
  /** `undefined` when the request is not framed as having a body. */
  readonly body: RequestBody | undefined
  /** Whether the client asks for a WebSocket (GET, 1.1, `Upgrade: websocket`). */
  readonly isWebSocket: boolean
  /** The client waits for a 100 before it sends its body. */
  readonly expectsContinue: boolean
  /** An `Expect` other than `100-continue`. */
  readonly hasUnknownExpectation: boolean
  /** `performance.now()` when the head had been read. */
  readonly startedAt: number
  /** Body bytes received and answer body bytes written so far. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Whether the whole request body has arrived. */
  readonly isBodyComplete: boolean
  /** Bytes that the client's side of the network has taken so far; tells a slow reader from a dead one. */
  readonly bytesTaken: number
  /** Called once if the client goes away before the answer is complete. */
  onGone: (() => void) | undefined
  /** Called once at the very end, whatever the end was. */
  onDone: ((outcome: Outcome) => void) | undefined
  /** Sends `100 Continue` if the client waits for it; at most once. */
  sendContinue(): void
  /** Sends an informational answer, 103 only. */
  sendInformation(status: number, headers: RawHeaders): void
  /** Sends a whole answer; the rest of the request body is read and thrown away within limits. */
  respond(status: number, headers: RawHeaders, body: Buffer): void
  /** Starts a streamed answer. */
  start(head: ResponseHead): ResponseSink
  /** Answers 101 and gives the raw stream; only where `isWebSocket`. */
  acceptUpgrade(headers: RawHeaders): Duplex
  /** Answers a CONNECT with 200; what follows is the caller's to read. */
  acceptConnect(): ClientTunnel
  /** Cuts the connection: the client must not take what it has for a whole answer. */
  abort(): void
}

/** Takes every exchange of a listener, the faulty ones too. Must not throw. */
export type ExchangeHandler = (exchange: Exchange) => void
