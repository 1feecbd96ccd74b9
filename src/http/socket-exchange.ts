/**
 * An `Exchange` straight on the socket, for what node:http lets go of: requests for a WebSocket,
 * CONNECT, and bytes that its parser refused. Its answer is always the last of the connection.
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Code } from '../errors.ts'
import type { Connection } from './connection.ts'
import type {
  ClientTunnel,
  Exchange,
  Outcome,
  Peer,
  RawHeaders,
  RequestBody,
  ResponseHead,
  ResponseSink,
} from './exchange.ts'
import { endAndLinger } from './linger.ts'
import { bytesTaken } from './progress.ts'

/** What is known of the request; empty strings where nothing could be parsed. */
export interface SocketRequest {
  readonly method: string
  readonly target: string
  readonly headers: RawHeaders
  readonly names: readonly string[]
  readonly host: string
  readonly fault: Code | undefined
  readonly isWebSocket: boolean
  /** Bytes that came behind the head. */
  readonly rest: Buffer
}

export class SocketExchange implements Exchange, ResponseSink {
  readonly method: string
  readonly target: string
  readonly headers: RawHeaders
  readonly names: readonly string[]
  readonly host: string
  readonly peer: Peer
  readonly fault: Code | undefined
  readonly isWebSocket: boolean
  readonly expectsContinue = false
  readonly hasUnknownExpectation = false
  readonly startedAt = performance.now()
  readonly body: RequestBody | undefined = undefined
  readonly isBodyComplete = true
  bytesIn = 0
  bytesOut = 0
  onGone: (() => void) | undefined
  onDone: ((outcome: Outcome) => void) | undefined
  onDrain: (() => void) | undefined

  readonly #connection: Connection
  readonly #rest: Buffer
  readonly #serve: ClientTunnel['serve']
  #hasStarted = false
  #isDone = false
  #isChunked = false
  #isUpgraded = false
  #stopWatching: (() => void) | undefined
  #readBefore = 0
  #writtenBefore = 0

  constructor(connection: Connection, request: SocketRequest, serve: ClientTunnel['serve']) {
    this.#serve = serve
    this.#connection = connection
    this.#rest = request.rest
    this.method = request.method
    this.target = request.target
    this.headers = request.headers
    this.names = request.names
    this.host = request.host
    this.peer = connection
    this.fault = request.fault
    this.isWebSocket = request.isWebSocket
    connection.condemn()
    connection.socket.on('close', () => {
      this.#gone()
    })
    if (this.isWebSocket || this.method === 'CONNECT') this.#watchForLeaving()
  }

  get bytesTaken(): number {
    return bytesTaken(this.#connection.socket)
  }

  sendContinue(): void {
    // Nobody waits for a 100 here.
  }

  sendInformation(): void {
    // An informational answer before a 101 would only confuse; 103 is a hint and may be dropped.
  }

  respond(status: number, headers: RawHeaders, body: Buffer): void {
    if (this.#hasStarted || this.#isDone) return
    this.start({ status, headers, hasBody: true, contentLength: body.length })
    if (this.method !== 'HEAD') this.write(body)
    this.end()
  }

  start(head: ResponseHead): ResponseSink {
    this.#hasStarted = true
    this.#stopWatching?.()
    let block = statusLine(head.status) + headerLines(head.headers)
    if (!head.headers.some((text, i) => i % 2 === 0 && text.toLowerCase() === 'date')) {
      block += `Date: ${new Date().toUTCString()}\r\n`
    }
    if (head.contentLength !== undefined) block += `Content-Length: ${head.contentLength}\r\n`
    this.#isChunked = head.hasBody && head.contentLength === undefined
    if (this.#isChunked) block += 'Transfer-Encoding: chunked\r\n'
    const socket = this.#connection.socket
    socket.cork()
    process.nextTick(() => {
      socket.uncork()
    })
    socket.write(`${block}Connection: close\r\n\r\n`, 'latin1')
    socket.on('drain', () => {
      this.onDrain?.()
    })
    return this
  }

  write(chunk: Buffer): boolean {
    if (this.#isDone || chunk.length === 0) return true
    this.bytesOut += chunk.length
    const socket = this.#connection.socket
    if (!this.#isChunked) return socket.write(chunk)
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
    socket.write(chunk)
    return socket.write('\r\n', 'latin1')
  }

  end(trailers?: RawHeaders): void {
    if (this.#isDone) return
    const socket = this.#connection.socket
    if (this.#isChunked) socket.write(`0\r\n${headerLines(trailers ?? [])}\r\n`, 'latin1')
    this.#finished()
    endAndLinger(socket)
  }

  acceptUpgrade(headers: RawHeaders): Duplex {
    return this.#letGo(`${statusLine(101)}${headerLines(headers)}\r\n`)
  }

  acceptConnect(): ClientTunnel {
    const socket = this.#letGo('HTTP/1.1 200 Connection Established\r\n\r\n')
    return { socket, serve: this.#serve }
  }

  /** The last that is written here; from now on the socket is somebody else's. */
  #letGo(head: string): Socket {
    this.#hasStarted = true
    this.#stopWatching?.()
    const socket = this.#connection.socket
    socket.write(head, 'latin1')
    this.#isUpgraded = true
    this.#readBefore = socket.bytesRead - this.#rest.length
    this.#writtenBefore = socket.bytesWritten
    if (this.#rest.length > 0) socket.unshift(this.#rest)
    return socket
  }

  abort(): void {
    this.#connection.cut()
    this.#gone()
  }

  /**
   * node:http has stopped reading, so nobody would notice that the client goes away before the 101.
   * What it sends meanwhile stays in the buffer, and is not read beyond that.
   */
  #watchForLeaving(): void {
    const { socket } = this.#connection
    const look = (): void => {
      if (socket.readableLength === 0) socket.read()
    }
    this.#stopWatching = () => {
      socket.off('readable', look)
      socket.off('end', leave)
    }
    const leave = (): void => {
      socket.destroy()
    }
    socket.on('readable', look)
    socket.on('end', leave)
  }

  #finished(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.onDone?.('finished')
  }

  #gone(): void {
    if (this.#isDone) return
    this.#isDone = true
    if (this.#isUpgraded) {
      const socket = this.#connection.socket
      this.bytesIn = socket.bytesRead - this.#readBefore
      this.bytesOut = socket.bytesWritten - this.#writtenBefore
    }
    this.onGone?.()
    this.onDone?.(this.#isUpgraded ? 'finished' : 'aborted')
  }
}

function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
}

function headerLines(headers: RawHeaders): string {
  let lines = ''
  for (let i = 0; i + 1 < headers.length; i += 2) {
    lines += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`
  }
  return lines
}
