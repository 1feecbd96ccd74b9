/**
 * The connections to one upstream. Free ones lie on a stack, so that choosing one does not scan.
 */
import type { RawHeaders } from './exchange.ts'
import {
  UpstreamCall,
  absoluteTarget,
  type ConnectionSource,
  type RequestSender,
  type UpstreamEvents,
  type UpstreamRequest,
} from './upstream-call.ts'
import { UpstreamConnection, type UpstreamOptions } from './upstream-connection.ts'

/** All connections to one upstream with one set of settings. */
export class Upstream implements RequestSender, ConnectionSource {
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

  targetOf(request: UpstreamRequest): string {
    return this.#isAbsoluteForm ? absoluteTarget(request) : request.path
  }

  headersOf({ headers }: UpstreamRequest): RawHeaders {
    const authorization = this.#options.proxy?.credential?.read()
    if (!this.#isAbsoluteForm || authorization === undefined) return headers
    return [...headers, 'Proxy-Authorization', authorization]
  }

  isProxyChallenge(status: number): boolean {
    return this.#isAbsoluteForm && status === 407
  }

  /** On a free connection, or on a new one. */
  prepare(request: UpstreamRequest, events: UpstreamEvents): UpstreamCall {
    // Whatever happened on a connection before, an upgraded one starts from nothing.
    const connection = request.isWebSocket ? this.reopen() : this.#take()
    return new UpstreamCall(this, connection, request, events)
  }

  /** Lets free connections go; those in use end with their request. */
  close(): void {
    this.#isClosed = true
    const free = this.#free
    this.#free = []
    for (const connection of free) connection.destroy()
  }

  /** The free connection that was used last, since its socket is the least likely to be stale. */
  #take(): UpstreamConnection {
    for (
      let connection = this.#free.pop();
      connection !== undefined;
      connection = this.#free.pop()
    ) {
      connection.isFree = false
      if (connection.isDead) this.#deadCount -= 1
      else if (connection.socket?.destroyed === false) return connection
      else connection.destroy()
    }
    return this.reopen()
  }

  reopen(): UpstreamConnection {
    return new UpstreamConnection(this.#origin, this.#options, () => {
      this.#sweep()
    })
  }

  giveBack(connection: UpstreamConnection): void {
    if (this.#isClosed) {
      connection.destroy()
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

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
