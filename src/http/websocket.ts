/**
 * Two upgraded connections joined: bytes flow both ways with back-pressure, an idle pair is closed,
 * and an end of our own making is said in a Close frame at a frame boundary (RFC 6455 5.5.1).
 */
import type { Duplex } from 'node:stream'
import { JoinedSockets } from './joined-sockets.ts'
import type { Watchdog } from './watchdog.ts'

/** RFC 6455 7.4.1: going away, and policy violation. */
export type CloseCode = 1001 | 1008

/** How long the other side may take to answer our Close frame, or to reach a frame boundary. */
const CLOSE_GRACE_MS = 3000

export class WebSocketPair {
  readonly #client: Duplex
  readonly #upstream: Duplex
  readonly #joined: JoinedSockets
  readonly #boundary = new FrameBoundary()
  #pendingClose: CloseCode | undefined

  /** Starts the flow at once. */
  constructor(
    client: Duplex,
    upstream: Duplex,
    options: { readonly watchdog: Watchdog; readonly idleMs: number },
  ) {
    this.#client = client
    this.#upstream = upstream
    this.#joined = new JoinedSockets(client, upstream, {
      watchdog: options.watchdog,
      idleMs: options.idleMs,
      passDownstream: (chunk) => this.#passDownstream(chunk),
    })
  }

  /** Called once, when both sides are closed. */
  set onClosed(callback: (() => void) | undefined) {
    this.#joined.onClosed = callback
  }

  /** Says goodbye to the client and ends both connections. */
  close(code: CloseCode): void {
    if (this.#pendingClose !== undefined) return
    this.#pendingClose = code
    this.#joined.closeWithin(CLOSE_GRACE_MS)
    if (this.#boundary.isBetweenFrames) this.#sayGoodbye()
  }

  /** Follows the frames, and cuts in at the first boundary once a close is pending. */
  #passDownstream(chunk: Buffer): Buffer | undefined {
    if (this.#pendingClose === undefined) {
      this.#boundary.follow(chunk)
      return chunk
    }
    if (this.#boundary.isBetweenFrames) return undefined
    const end = this.#boundary.findEnd(chunk)
    if (end === undefined) return chunk
    this.#client.write(chunk.subarray(0, end))
    this.#sayGoodbye()
    return undefined
  }

  #sayGoodbye(): void {
    const code = this.#pendingClose ?? 1001
    this.#client.end(Buffer.from([0x88, 0x02, code >> 8, code & 0xff]))
    this.#upstream.end(closeFrameOfClient(code))
  }
}

/** Keeps count of where in a frame a stream stands (RFC 6455 5.2). */
export class FrameBoundary {
  #header: number[] = []
  #payloadLeft = 0

  get isBetweenFrames(): boolean {
    return this.#header.length === 0 && this.#payloadLeft === 0
  }

  /** Takes bytes of the stream, all of them. */
  follow(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) at = this.#advance(chunk, at)
  }

  /** Takes bytes up to the first boundary and tells where it is; `undefined` if it lies further on. */
  findEnd(chunk: Buffer): number | undefined {
    let at = 0
    while (at < chunk.length) {
      at = this.#advance(chunk, at)
      if (this.isBetweenFrames) return at
    }
    return undefined
  }

  #advance(chunk: Buffer, at: number): number {
    if (this.#payloadLeft > 0) {
      const taken = Math.min(this.#payloadLeft, chunk.length - at)
      this.#payloadLeft -= taken
      return at + taken
    }
    this.#header.push(chunk[at] ?? 0)
    const length = payloadLength(this.#header)
    if (length !== undefined) {
      this.#header = []
      this.#payloadLeft = length
    }
    return at + 1
  }
}

/** Payload and masking key behind a complete header; `undefined` while it is not complete. */
function payloadLength(header: readonly number[]): number | undefined {
  const second = header[1]
  if (second === undefined) return undefined
  const maskBytes = (second & 0x80) === 0 ? 0 : 4
  const short = second & 0x7f
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  if (header.length < 2 + lengthBytes) return undefined
  let length = lengthBytes === 0 ? short : 0
  for (let i = 2; i < 2 + lengthBytes; i += 1) length = length * 256 + (header[i] ?? 0)
  return length + maskBytes
}

/** A client's frames are masked; a key of zeros is as good as any for two bytes of our own. */
function closeFrameOfClient(code: CloseCode): Buffer {
  return Buffer.from([0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 0xff])
}
