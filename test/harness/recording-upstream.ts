/**
 * The service behind the gate, as a witness: it parses strictly by itself, records every request
 * and every byte by connection, and answers with what a test scripts, malformed answers included.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import { eventually } from './eventually.ts'
import {
  StrictFault,
  StrictParser,
  statedFraming,
  valuesOf,
  type Framing,
  type Message,
  type Pair,
} from './strict-parser.ts'

/** A request as the upstream got it. */
export class UpstreamRequest {
  readonly connection: UpstreamConnection
  readonly method: string
  readonly target: string
  readonly message: Message
  /** Resolves when the body has come whole; rejects when the connection went before. */
  readonly whole: Promise<void>

  constructor(connection: UpstreamConnection, message: Message, whole: Promise<void>) {
    const [method = '', target = ''] = message.startLine.split(' ')
    this.connection = connection
    this.method = method
    this.target = target
    this.message = message
    this.whole = whole
  }

  get headers(): readonly Pair[] {
    return this.message.headers
  }

  get isComplete(): boolean {
    return this.message.isComplete
  }

  get body(): Buffer {
    return Buffer.concat(this.message.chunks)
  }

  /** All values of one header. */
  values(name: string): string[] {
    return valuesOf(this.headers, name)
  }

  /** The target without its query. */
  get path(): string {
    return this.target.split('?', 1)[0] ?? ''
  }
}

/** One accepted connection and what came over it. */
export interface UpstreamConnection {
  readonly id: number
  readonly socket: Socket
  readonly parser: StrictParser
  readonly requests: UpstreamRequest[]
  readonly chunks: Buffer[]
  isClosed: boolean
}

/** Answers one request, called when its head has come; a promise is waited for. */
export type Script = (request: UpstreamRequest, socket: Socket) => unknown

/** A whole answer with Content-Length, Latin-1. */
export function answer(status: number, headers: readonly Pair[] = [], body = ''): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `HTTP/1.1 ${status} Scripted\r\n${lines}Content-Length: ${body.length}\r\n\r\n${body}`
}

async function echo(request: UpstreamRequest, socket: Socket): Promise<void> {
  await request.whole
  const body = `${request.method} ${request.target}`
  const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`
  socket.write(request.method === 'HEAD' ? head : head + body, 'latin1')
}

function frameRequest(startLine: string, headers: readonly Pair[]): Framing {
  if (!/^[A-Z-]+ \/[\x21-\x7e]* HTTP\/1\.1$/.test(startLine)) {
    throw new StrictFault(`request line ${JSON.stringify(startLine)}`)
  }
  if (valuesOf(headers, 'host').length !== 1) throw new StrictFault('not exactly one Host')
  if (valuesOf(headers, 'upgrade').length > 0) return { kind: 'tunnel' }
  return statedFraming(headers) ?? { kind: 'none' }
}

/** Listens on a port of its own until the test ends. */
export class RecordingUpstream {
  readonly connections: UpstreamConnection[] = []
  /** In order of arrival, over all connections. */
  readonly requests: UpstreamRequest[] = []
  /** Answers by path; what is not in here is echoed. */
  readonly scripts = new Map<string, Script>()
  /** Errors of scripts; the invariants look at it. */
  readonly scriptErrors: unknown[] = []
  bytesReceived = 0
  readonly #server: Server

  constructor() {
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      this.#accept(socket)
    })
  }

  static async listen(t: Test): Promise<RecordingUpstream> {
    const upstream = new RecordingUpstream()
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      upstream.close()
    })
    return upstream
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return address.port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Bytes on any connection that did not parse as part of a request. */
  get smuggled(): string[] {
    return this.connections
      .filter(({ parser }) => parser.fault !== undefined)
      .map(({ parser }) => `${parser.fault ?? ''}: ${parser.rest.toString('latin1')}`)
  }

  /** The requests for this path, in order of arrival. */
  requestsFor(path: string): UpstreamRequest[] {
    return this.requests.filter((request) => request.path === path)
  }

  /** Waits for the nth request (from 0) for this path. */
  requestFor(path: string, index = 0): Promise<UpstreamRequest> {
    return eventually(`request ${index} for ${path}`, () => this.requestsFor(path)[index])
  }

  close(): void {
    this.#server.close()
    for (const { socket } of this.connections) socket.destroy()
  }

  #accept(socket: Socket): void {
    const waiting = new Map<Message, { resolve(): void; reject(error: Error): void }>()
    const parser = new StrictParser({
      frame: frameRequest,
      onHead: (message) => {
        const whole = new Promise<void>((resolve, reject) => {
          waiting.set(message, { resolve, reject })
        })
        whole.catch(() => undefined)
        if (message.framing.kind === 'tunnel') waiting.get(message)?.resolve()
        const request = new UpstreamRequest(connection, message, whole)
        connection.requests.push(request)
        this.requests.push(request)
        void this.#run(request, socket)
      },
      onEnd: (message) => waiting.get(message)?.resolve(),
    })
    const connection: UpstreamConnection = {
      id: this.connections.length,
      socket,
      parser,
      requests: [],
      chunks: [],
      isClosed: false,
    }
    this.connections.push(connection)
    const stop = () => {
      connection.isClosed = true
      for (const waiter of waiting.values()) waiter.reject(new Error('cut'))
    }
    socket.on('data', (chunk) => {
      this.bytesReceived += chunk.length
      connection.chunks.push(chunk)
      parser.feed(chunk)
    })
    socket.on('end', () => {
      stop()
      socket.end()
    })
    socket.on('error', () => undefined)
    socket.on('close', stop)
  }

  async #run(request: UpstreamRequest, socket: Socket): Promise<void> {
    const script = this.scripts.get(request.path) ?? echo
    try {
      await script(request, socket)
    } catch (error) {
      // A request that is cut while a script waits for it is what tests of cuts want.
      if (!(error instanceof Error && error.message === 'cut')) this.scriptErrors.push(error)
    }
  }
}
