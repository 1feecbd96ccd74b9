/** Ends the TLS of an application inside a CONNECT, with a leaf of `egress.ca`. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Leaves } from '../tls/leaves.ts'

export class Interceptor {
  readonly #leaves: Leaves

  constructor(leaves: Leaves) {
    this.#leaves = leaves
  }

  /**
   * Resolves when the handshake is done, to the socket with what is inside; rejects where there is
   * no leaf for the host or the client ends the handshake, and closes the socket then.
   */
  async secure(socket: Socket, host: string, withinMs: number): Promise<TLSSocket> {
    const secureContext = await this.#leaves.contextFor(host)
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['http/1.1'],
    })
    return await new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        clearTimeout(timer)
        secured.destroy()
        socket.destroy()
        reject(error)
      }
      const timer = setTimeout(() => {
        fail(new Error(`no TLS handshake within ${withinMs} ms`))
      }, withinMs)
      secured.on('error', fail)
      // How a server's own handshake faults are told.
      secured.on('_tlsError', fail)
      const onClose = (): void => {
        fail(new Error('the client closed the connection during the TLS handshake'))
      }
      secured.on('close', onClose)
      secured.once('secure', () => {
        clearTimeout(timer)
        secured.off('error', fail)
        secured.off('_tlsError', fail)
        secured.off('close', onClose)
        secured.on('error', ignore)
        secured.on('close', () => {
          socket.destroy()
        })
        resolve(secured)
      })
    })
  }
}

function ignore(): void {
  // 'close' follows and does the work.
}
