/**
 * What follows a CONNECT: TLS, whose bytes pass as they are or end here, or HTTP that is served here.
 * Which of them a connection speaks, its first byte says.
 */
import type { Socket } from 'node:net'
import { isOver } from '../http/joined-sockets.ts'

/** The first byte of every TLS connection: a handshake record (RFC 8446, section 5.1). */
const HANDSHAKE = 0x16

/** Tells whether TLS follows; `undefined` where nothing came in time or the client left. */
export function sniff(socket: Socket, withinMs: number): Promise<'tls' | 'cleartext' | undefined> {
  // Neither 'end' nor 'close' comes again from one that has gone.
  if (isOver(socket)) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const finish = (found: 'tls' | 'cleartext' | undefined): void => {
      clearTimeout(timer)
      socket.off('readable', look)
      socket.off('end', leave)
      socket.off('close', leave)
      resolve(found)
    }
    const look = (): void => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null || chunk.length === 0) return
      // Paused before it is given back: nobody listens yet.
      socket.pause()
      socket.unshift(chunk)
      finish(chunk[0] === HANDSHAKE ? 'tls' : 'cleartext')
    }
    const leave = (): void => {
      finish(undefined)
    }
    const timer = setTimeout(leave, withinMs)
    socket.on('readable', look)
    socket.on('end', leave)
    socket.on('close', leave)
    look()
  })
}
