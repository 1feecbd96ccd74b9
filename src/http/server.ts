/**
 * A listener: node:http as the parser, and one gate in front of everything it raises (`request`,
 * `upgrade`, `connect`, `checkContinue`, `checkExpectation`, `clientError`). Whatever arrives
 * becomes an `Exchange`, faulty ones too, and goes to one handler.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { Code } from '../errors.ts'
import { Connection, type Backlog } from './connection.ts'
import type { ExchangeHandler, Peer } from './exchange.ts'
import { NodeExchange } from './node-exchange.ts'
import { SocketExchange, type SocketRequest } from './socket-exchange.ts'
import { judgeHead, type Judgement, type TargetForm } from './strict.ts'

/** Where to listen. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** PEM texts of a TLS listener. */
export interface ServerTls {
  readonly cert: string
  readonly key: string
  /** A client certificate signed by it is then required. */
  readonly clientCa: string | undefined
}

export interface ServerOptions {
  readonly address: ListenAddress
  readonly tls: ServerTls | undefined
  /** `origin`: a service is spoken to. `any`: a proxy is. */
  readonly form: TargetForm
  readonly headerBytes: number
  readonly headerTimeoutMs: number
  readonly keepAliveMs: number
  readonly maxConnections: number
  readonly handler: ExchangeHandler
  readonly onConnectionOpened: () => void
  readonly onConnectionClosed: () => void
}

/**
 * Node 26 goes on parsing the body of a request with `Upgrade`, and lets us answer it only where it
 * is told beforehand that there is no upgrade. What follows such a body on the connection is lost to
 * its parser, and so is a fault in it: the answer is the last, and the deadlines end the rest.
 */
const READS_UPGRADE_BODIES = Number.parseInt(process.versions.node) >= 26

/** How long a connection without a request may hold up the end. */
const FRESH_CONNECTION_MS = 1000

/** A listener that is up until it is closed. */
export class Server {
  readonly #server: HttpServer | HttpsServer
  readonly #options: ServerOptions
  readonly #connections = new Map<Duplex, Connection>()
  readonly #backlog: Backlog = {
    size: 0,
    onFull: () => {
      this.#holdAll()
    },
  }
  #isHolding = false
  #isDraining = false

  constructor(options: ServerOptions) {
    this.#options = options
    this.#server = createNodeServer(options)
    this.#gate(this.#server)
  }

  /** Binds the address; throws node's error (`EADDRINUSE` …) if that fails. */
  listen(): Promise<void> {
    const { address } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      const where =
        address.kind === 'unix'
          ? { path: address.path }
          : { host: address.host, port: address.port }
      this.#server.listen(where, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
  }

  /** The address really bound: `127.0.0.1:8000`, `[::1]:8000` or `unix:/path`. */
  get boundAddress(): string {
    const bound = this.#server.address()
    if (bound === null) return ''
    if (typeof bound === 'string') return `unix:${bound}`
    return `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
  }

  /** Certificates for the connections from now on. */
  setTls(tls: ServerTls): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(contextOf(tls))
  }

  /** From now on every answer is the last of its connection; idle connections are closed. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    for (const connection of this.#connections.values()) connection.drain()
    this.#server.closeIdleConnections()
    // Those that have not sent a request yet are not idle to node:http; one may be on its way.
    setTimeout(() => {
      for (const connection of this.#connections.values()) {
        if (connection.isIdle && !connection.isCondemned) connection.socket.destroy()
      }
    }, FRESH_CONNECTION_MS).unref()
  }

  /** Stops accepting; resolves when the last connection has gone. */
  close(): Promise<void> {
    this.drain()
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve()
      })
    })
  }

  /** Cuts whatever is still open. */
  destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy()
  }

  #gate(server: HttpServer | HttpsServer): void {
    const isTls = this.#options.tls !== undefined
    server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#connected(socket)
    })
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      this.#requested(request, response)
    }
    server.on('request', onRequest)
    server.on('checkContinue', onRequest)
    server.on('checkExpectation', onRequest)
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgraded(request, socket, head)
    })
    server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgraded(request, socket, head)
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      this.#parserFailed(error, socket)
    })
  }

  #connected(socket: Socket): void {
    // A connection that was given back to the parser by `#restart` arrives here again.
    if (this.#connections.has(socket)) return
    const isUnix = this.#options.address.kind === 'unix'
    this.#open(socket, {
      isTls: this.#options.tls !== undefined,
      address: isUnix ? 'unix' : (socket.remoteAddress ?? ''),
      tunnel: undefined,
    })
    this.#options.onConnectionOpened()
    // A handshake costs us many times what it costs whoever asks for it.
    if (socket instanceof TLSSocket) socket.disableRenegotiation()
    socket.on('error', ignore)
    socket.on('close', () => {
      this.#options.onConnectionClosed()
    })
  }

  #open(socket: Socket, peer: Peer): void {
    const connection = new Connection(socket, {
      ...peer,
      backlog: this.#backlog,
      run: this.#options.handler,
      answerFault: (condemned, fault) => {
        this.#handle(condemned, faultyRequest(fault))
      },
    })
    this.#connections.set(socket, connection)
    if (this.#isHolding) {
      // Behind the tick with which node:http begins to read.
      queueMicrotask(() => {
        connection.hold()
      })
    }
    socket.on('close', () => {
      this.#connections.delete(socket)
    })
  }

  /** Hands what node:http has let go of to the handler. */
  #handle(connection: Connection, request: SocketRequest): void {
    this.#options.handler(
      new SocketExchange(connection, request, (socket, tunnel) => {
        const { address } = connection
        socket.on('error', ignore)
        this.#open(socket, {
          address,
          isTls: connection.isTls || socket !== connection.socket,
          tunnel,
        })
        this.#parse(socket)
      }),
    )
  }

  /** Gives a socket to node:http, as if it had just come in. */
  #parse(socket: Duplex): void {
    this.#server.emit(this.#options.tls === undefined ? 'connection' : 'secureConnection', socket)
    socket.resume()
  }

  #requested(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket)
    if (connection === undefined) return
    const head = judge(request, this.#options.form)
    const isLast = isUpgradeWithBody(head) ? always : this.#isLastWanted
    connection.accept(new NodeExchange(connection, request, response, head, isLast))
  }

  /** Connections that were cut give their memory back only at the end of this turn of the loop. */
  #holdAll(): void {
    if (this.#isHolding) return
    this.#isHolding = true
    for (const connection of this.#connections.values()) connection.hold()
    setImmediate(() => {
      this.#isHolding = false
      for (const connection of this.#connections.values()) connection.letGo()
    })
  }

  readonly #isLastWanted = (): boolean => this.#isDraining

  /** `Upgrade` and CONNECT: node:http has let go of the socket. */
  #upgraded(request: IncomingMessage, socket: Duplex, rest: Buffer): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    const head = judge(request, this.#options.form)
    if (!connection.isIdle) {
      connection.closeAfterAnswers()
    } else if (request.method !== 'CONNECT' && head.fault === undefined && !head.isWebSocket) {
      this.#restart(request, socket, rest)
    } else {
      this.#handle(connection, {
        method: request.method ?? '',
        target: request.url ?? '',
        headers: request.rawHeaders,
        names: head.names,
        host: head.host,
        fault: head.fault,
        isWebSocket: head.isWebSocket,
        rest,
      })
    }
  }

  /**
   * Any `Upgrade` but `websocket` is handled as if it were not there (Java sends `h2c` with every
   * call). node:http has stopped parsing by then, so the request goes to it once more without.
   */
  #restart(request: IncomingMessage, socket: Duplex, rest: Buffer): void {
    let head = `${request.method ?? ''} ${request.url ?? ''} HTTP/1.${request.httpVersionMinor}\r\n`
    const headers = request.rawHeaders
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const name = headers[i] ?? ''
      if (name.toLowerCase() !== 'upgrade') head += `${name}: ${headers[i + 1] ?? ''}\r\n`
    }
    socket.unshift(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), rest]))
    this.#parse(socket)
  }

  #parserFailed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const connection = this.#connections.get(socket)
    const fault = faultOf(error)
    if (connection === undefined || fault === undefined) {
      socket.destroy()
    } else if (!connection.isCondemned || !connection.isIdle) {
      connection.parserFailed(fault, error.code === 'HPE_INVALID_TRANSFER_ENCODING')
    }
  }
}

function judge(request: IncomingMessage, form: TargetForm): Judgement {
  return judgeHead(
    {
      method: request.method ?? '',
      target: request.url ?? '',
      versionMajor: request.httpVersionMajor,
      versionMinor: request.httpVersionMinor,
      rawHeaders: request.rawHeaders,
    },
    form,
  )
}

function hasBody(head: Judgement): boolean {
  return head.isChunked || head.contentLength !== undefined
}

function isUpgradeWithBody(head: Judgement): boolean {
  return READS_UPGRADE_BODIES && hasBody(head) && head.names.includes('upgrade')
}

function createNodeServer(options: ServerOptions): HttpServer | HttpsServer {
  const settings = {
    maxHeaderSize: options.headerBytes,
    headersTimeout: options.headerTimeoutMs,
    requestTimeout: 0,
    keepAliveTimeout: options.keepAliveMs,
    connectionsCheckingInterval: Math.min(1000, Math.max(100, options.headerTimeoutMs / 4)),
    // A missing Host gets our own answer, not node's.
    requireHostHeader: false,
    insecureHTTPParser: false,
    noDelay: true,
    ...(READS_UPGRADE_BODIES
      ? {
          shouldUpgradeCallback: (request: IncomingMessage) =>
            !hasBody(judge(request, options.form)),
        }
      : {}),
  }
  const server =
    options.tls === undefined
      ? createHttpServer(settings)
      : createHttpsServer({
          ...settings,
          ...contextOf(options.tls),
          requestCert: options.tls.clientCa !== undefined,
          rejectUnauthorized: true,
          minVersion: 'TLSv1.2',
          handshakeTimeout: options.headerTimeoutMs,
          ALPNProtocols: ['http/1.1'],
        })
  // Node 20 cuts the list silently at a limit; the size of the block bounds it, and we count.
  server.maxHeadersCount = 0
  server.maxConnections = options.maxConnections
  // An answer may follow the client's half-close; `Connection` sets the limit to that.
  ;(server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true
  return server
}

function contextOf(tls: ServerTls): { cert: string; key: string; ca?: string } {
  const { cert, key, clientCa } = tls
  return clientCa === undefined ? { cert, key } : { cert, key, ca: clientCa }
}

function faultyRequest(fault: Code): SocketRequest {
  return {
    method: '',
    target: '',
    headers: [],
    names: [],
    host: '',
    fault,
    isWebSocket: false,
    rest: Buffer.alloc(0),
  }
}

/** `undefined` where there is nobody left to answer. */
function faultOf(error: NodeJS.ErrnoException): Code | undefined {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large'
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout'
  return error.code?.startsWith('HPE_') === true ? 'bad_request' : undefined
}

function always(): boolean {
  return true
}

function ignore(): void {
  // 'close' follows and does the work.
}
