/** One connection to an upstream: an undici `Client` that carries one request at a time. */
import type { Socket } from 'node:net'
import { Client } from 'undici'
import { SidegateError } from '../errors.ts'
import { openSocket, type ConnectorOptions, type Dialling } from './connector.ts'
import { ContinueFilter } from './continue-filter.ts'

export interface UpstreamOptions extends ConnectorOptions {
  /** How long a free connection is kept, unless the upstream's own Keep-Alive says otherwise. */
  readonly keepAliveMs: number
  readonly maxHeaderBytes: number
  readonly onSocketOpened: () => void
  readonly onSocketClosed: () => void
}

/** Longer is no free connection kept. */
const MAX_KEEP_ALIVE_MS = 60_000

/** One connection, used by one request at a time. */
export class UpstreamConnection {
  readonly client: Client
  socket: Socket | undefined
  continueFilter: ContinueFilter | undefined
  /** Requests that the present socket has carried. */
  uses = 0
  isFree = false
  isDead = false
  /** Whether a closed socket is never replaced by another: something holds for this socket alone. */
  isPinned = false
  /** Called when the upstream has ended its side, before undici draws its conclusions. */
  onEnd: (() => void) | undefined
  #dialling: Dialling | undefined

  constructor(origin: string, options: UpstreamOptions, onDead: () => void) {
    this.client = new Client(origin, {
      pipelining: 1,
      keepAliveTimeout: options.keepAliveMs,
      // However long the upstream promises to keep it: what was judged when it was dialled changes.
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: 1000,
      maxHeaderSize: options.maxHeaderBytes,
      // Deadlines are the relay's; undici would arm a timer for each of them.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_target, callback) => {
        if (this.isPinned && this.socket !== undefined) {
          callback(new SidegateError('upstream_failed', { detail: 'the connection is gone' }), null)
          return
        }
        this.#dialling = openSocket(options, (...result) => {
          this.#dialling = undefined
          if (result[0] === null) this.#opened(result[1], options)
          callback(...result)
        })
      },
    })
    this.client.on('disconnect', () => {
      // A connection in use tells its request; a free one is of no more use.
      if (!this.isFree) return
      this.isDead = true
      void this.client.destroy()
      onDead()
    })
  }

  /** Closes the socket, also one that is only being opened: undici itself waits for that. */
  destroy(): void {
    void this.client.destroy()
    this.#dialling?.abort()
  }

  #opened(socket: Socket, options: UpstreamOptions): void {
    this.socket = socket
    this.uses = 0
    this.continueFilter = new ContinueFilter(socket)
    options.onSocketOpened()
    socket.on('close', options.onSocketClosed)
    socket.on('end', () => this.onEnd?.())
    // undici takes ECONNRESET for the end of an answer without length, and where it has been paused
    // fails an assertion over it, which would end the process.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') error.code = 'EUPSTREAMRESET'
    })
  }
}
