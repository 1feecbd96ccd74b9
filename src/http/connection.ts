/**
 * One client connection: its requests are handled one at a time, in their order, however they were
 * pipelined, and nothing is answered after the connection was condemned.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Code } from '../errors.ts'
import type { Exchange, Peer } from './exchange.ts'

/** How long an answer may still take once the client has closed its half of the connection. */
const HALF_CLOSE_GRACE_MS = 500

/** Pipelined requests that may wait before the socket is no longer read. */
const MAX_WAITING = 64

/**
 * Pipelined requests that may wait on all connections of a listener. One read can hold thousands, and
 * each costs kilobytes until it is answered: beyond this, connections with more than a few are cut.
 */
const MAX_BACKLOG = 4096
const MIN_WAITING = 8

/**
 * Pipelined requests that are answered before others have their turn: node reads on within a turn, and
 * one client could otherwise keep the process busy for seconds.
 */
const MAX_ANSWERS_IN_TURN = 16

/** Counts what waits on all connections of a listener. */
export interface Backlog {
  size: number
  /** It is full: nothing more should be read in this turn of the loop. */
  readonly onFull: () => void
}

/** An exchange as the connection that it came by steers it. */
export interface QueuedExchange extends Exchange {
  readonly isChunked: boolean
  /** The parser found the body malformed or cut short, or its coding unknown. */
  bodyFailed(isCodingUnknown: boolean): void
  /** The socket takes more, where node:http no longer says so. */
  drained(): void
  /** The connection has closed. */
  gone(): void
}

export interface ConnectionSettings extends Peer {
  readonly backlog: Backlog
  readonly run: (exchange: QueuedExchange) => void
  /** The parser gave up on something of which no exchange is known. */
  readonly answerFault: (connection: Connection, fault: Code) => void
}

export class Connection implements Peer {
  readonly socket: Socket
  readonly isTls: boolean
  readonly address: string
  readonly tunnel: object | undefined
  #active: QueuedExchange | undefined
  #waiting: QueuedExchange[] = []
  #isCondemned = false
  #isHoldingBack = false
  #isResting = false
  #answeredInTurn = 0
  #isDraining = false
  #isClosedOnRelease = false
  /** What broke the parser while an earlier request was still being answered. */
  #pendingFault: Code | undefined
  readonly #backlog: Backlog
  readonly #run: (exchange: QueuedExchange) => void
  readonly #answerFault: (connection: Connection, fault: Code) => void

  constructor(socket: Socket, settings: ConnectionSettings) {
    this.socket = socket
    this.isTls = settings.isTls
    this.address = settings.address
    this.tunnel = settings.tunnel
    this.#backlog = settings.backlog
    this.#run = settings.run
    this.#answerFault = settings.answerFault
    socket.on('close', () => {
      this.#closed()
    })
    socket.on('end', () => {
      this.#halfClosed()
    })
  }

  /** The last answer has been decided on: what still comes is only read away. */
  get isCondemned(): boolean {
    return this.#isCondemned
  }

  get isIdle(): boolean {
    return this.#active === undefined && !this.#isResting
  }

  /** Takes the next request. While one is under way the rest waits, and the socket is not read. */
  accept(exchange: QueuedExchange): void {
    if (this.#isCondemned) return
    if (this.isIdle) {
      this.#begin(exchange)
      return
    }
    if (this.#backlog.size >= MAX_BACKLOG && this.#waiting.length >= MIN_WAITING) {
      this.#backlog.onFull()
      this.condemn()
      this.socket.destroy()
      return
    }
    this.#waiting.push(exchange)
    this.#backlog.size += 1
    this.#holdBack()
  }

  /**
   * Stops reading while requests wait. node:http starts reading again whenever a message ends or is
   * taken, by a tick of its own: this comes behind it and still before the next read, by the event that
   * node:http acts on, since the stream may believe that it stands still already.
   */
  #holdBack(): void {
    // A few may wait while reading goes on: only a reader notices that the client has left.
    if (this.#isHoldingBack || this.#waiting.length <= MAX_WAITING) return
    this.#isHoldingBack = true
    queueMicrotask(() => {
      this.#isHoldingBack = false
      if (this.#waiting.length > MAX_WAITING) this.hold()
    })
  }

  #begin(exchange: QueuedExchange): void {
    this.#active = exchange
    // node:http raises a request before it looks at the coding of its body: what it finds then
    // (`chunked` with a tab behind it, for one) it tells within this turn of the loop.
    if (!exchange.isChunked) this.#run(exchange)
    else {
      process.nextTick(() => {
        if (!this.socket.destroyed) this.#run(exchange)
      })
    }
  }

  /** The answer to `exchange` has been written; the next in line has its turn. */
  release(exchange: QueuedExchange): void {
    if (this.#active !== exchange) return
    this.#active = undefined
    if (this.#isClosedOnRelease || (this.#isDraining && this.#waiting.length === 0)) {
      this.socket.destroySoon()
    }
    if (this.#isCondemned) return
    this.#answeredInTurn += 1
    if (this.#waiting.length > 0 && this.#answeredInTurn >= MAX_ANSWERS_IN_TURN) this.#rest()
    else this.#advance()
  }

  /** Lets the other connections have their turn of the loop. */
  #rest(): void {
    this.#isResting = true
    setImmediate(() => {
      this.#isResting = false
      this.#answeredInTurn = 0
      if (!this.#isCondemned) this.#advance()
    })
  }

  #advance(): void {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      this.#backlog.size -= 1
      this.#begin(next)
      if (this.#waiting.length > MAX_WAITING) this.#holdBack()
      else this.socket.resume()
    } else if (this.#pendingFault !== undefined) {
      this.#fail(this.#pendingFault)
    } else {
      this.socket.resume()
    }
  }

  /**
   * node:http has let go of the socket while an answer was still being written: that answer is
   * brought to its end, and then the connection is closed.
   */
  closeAfterAnswers(): void {
    this.condemn()
    const { socket } = this
    socket.on('drain', () => {
      this.#active?.drained()
    })
    this.#isClosedOnRelease = true
  }

  /** Reads nothing until `letGo`. */
  hold(): void {
    if (this.#isCondemned) return
    this.socket.pause()
    this.socket.emit('pause')
  }

  letGo(): void {
    if (!this.#isCondemned && this.#waiting.length <= MAX_WAITING) this.socket.resume()
  }

  /** Cuts the connection so that nobody takes what was sent for a whole answer. */
  cut(): void {
    this.condemn()
    // To HTTP/1.0 a FIN is the end of a whole answer. TLS says so in a message, which is not sent.
    // Asked of the socket itself: cleartext may come out of a tunnel within TLS.
    if (this.socket instanceof TLSSocket || this.address === 'unix') this.socket.destroy()
    else this.socket.resetAndDestroy()
  }

  /** From now on the connection ends with the answer that is under way. */
  drain(): void {
    this.#isDraining = true
  }

  /** No further request of this connection is handled. */
  condemn(): void {
    this.#isCondemned = true
    this.#backlog.size -= this.#waiting.length
    this.#waiting = []
  }

  /** The parser gave up: on the body of the active request, or on one that follows it. */
  parserFailed(fault: Code, isCodingUnknown: boolean): void {
    const active = this.#active
    if (active === undefined) {
      if (this.#isResting) this.#pendingFault ??= fault
      else if (!this.#isCondemned) this.#fail(fault)
    } else if (active.isBodyComplete) {
      this.#pendingFault ??= fault
    } else {
      active.bodyFailed(isCodingUnknown)
    }
  }

  #fail(fault: Code): void {
    this.condemn()
    this.#answerFault(this, fault)
  }

  #closed(): void {
    this.condemn()
    this.#active?.gone()
  }

  /** A client that has only closed its half may still read; one that has gone looks the same. */
  #halfClosed(): void {
    if (this.#active === undefined) return
    const timer = setTimeout(() => {
      if (this.#active !== undefined) this.socket.destroy()
    }, HALF_CLOSE_GRACE_MS)
    timer.unref()
    this.socket.on('close', () => {
      clearTimeout(timer)
    })
  }
}
