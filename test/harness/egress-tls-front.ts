/**
 * Ends TLS before a recording upstream, so that one witness sees what came in cleartext and what came
 * encrypted, and remembers what was said in the handshakes.
 */
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import type { Pem } from './egress-certificates.ts'

/** A TLS listener on 127.0.0.1. */
export class TlsFront {
  /** SNI of every finished handshake, `undefined` where there was none. */
  readonly serverNames: (string | undefined)[] = []
  /** Connections that came, whether or not their handshake was finished. */
  connections = 0
  /** Bytes that came inside TLS: what a client says once it trusts us. */
  bytesReceived = 0
  port = 0

  /** Listens until the test ends; what comes in goes to `upstreamPort`. */
  static async listen(t: Test, pem: Pem, upstreamPort: number): Promise<TlsFront> {
    const front = new TlsFront()
    const sockets = new Set<TLSSocket>()
    const server = createServer({ ...pem, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
      sockets.add(socket)
      front.#accept(socket, upstreamPort)
    })
    server.on('connection', () => {
      front.connections += 1
    })
    server.on('tlsClientError', () => undefined)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    front.port = (server.address() as AddressInfo).port
    t.after(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return front
  }

  #accept(socket: TLSSocket, upstreamPort: number): void {
    const name = (socket as { servername?: string | false }).servername
    this.serverNames.push(name === false || name === '' ? undefined : name)
    const upstream = connect({ host: '127.0.0.1', port: upstreamPort, noDelay: true })
    socket.on('data', (chunk: Buffer) => {
      this.bytesReceived += chunk.length
    })
    socket.pipe(upstream)
    upstream.pipe(socket)
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.on('error', () => undefined)
      one.on('close', () => other.destroy())
    }
  }
}
