/** Ends the TLS of an application inside a CONNECT, with a leaf of `egress.ca`. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { isOver } from '../http/joined-sockets.ts'
import type { Leaves } from '../tls/leaves.ts'

const LEFT = 'the client closed the connection during the TLS handshake'

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
    if (isOver(socket)) {
      socket.destroy()
      throw new Error(LEFT)
    }
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['http/1.1'],
    })
    // A handshake costs us many times what it costs whoever asks for it.
    secured.disableRenegotiation()
    secured.on('error', ignore)
    // How a server's own faults are told, renegotiation among them; nobody else acts on them.
    secured.on('_tlsError', () => {
      secured.destroy()
    })
    secured.on('close', () => {
      socket.destroy()
    })
    await finishHandshake(socket, secured, withinMs)
    return secured
  }
}

function finishHandshake(socket: Socket, secured: TLSSocket, withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      secured.off('error', fail)
      secured.off('_tlsError', fail)
      for (const side of [socket, secured]) side.off('end', leave).off('close', leave)
    }
    const fail = (error: Error): void => {
      stop()
      secured.destroy()
      socket.destroy()
      reject(error)
    }
    const leave = (): void => {
      fail(new Error(LEFT))
    }
    const timer = setTimeout(() => {
      fail(new Error(`no TLS handshake within ${withinMs} ms`))
    }, withinMs)
    secured.on('error', fail)
    secured.prependListener('_tlsError', fail)
    // Whichever of the two is told of it: bytes and ends go to the one, resets to the other.
    for (const side of [socket, secured]) side.on('end', leave).on('close', leave)
    secured.once('secure', () => {
      stop()
      resolve()
    })
  })
}

function ignore(): void {
  // 'close' follows and does the work.
}
