/**
 * What a client still sends after the last answer of its connection is read away, within limits
 * (design, section 3.6): closing at once would make the kernel reset the connection, and the client
 * lose the answer.
 */
import type { Socket } from 'node:net'

export const LINGER_BYTES = 64 * 1024
export const LINGER_MS = 1000

/** How long the end of an answer may wait for a client that reads nothing. */
export const UNREAD_ANSWER_MS = 30_000

/** Ends our half at once and closes when the client has, or has sent or waited too much. */
export function endAndLinger(socket: Socket): void {
  let left = LINGER_BYTES
  let timer: NodeJS.Timeout | undefined
  // Counts from the last byte that the client took; a client that takes none is not waited for.
  socket.end(() => {
    timer = setTimeout(() => {
      socket.destroy()
    }, LINGER_MS)
  })
  socket.setTimeout(UNREAD_ANSWER_MS, () => {
    socket.destroy()
  })
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) socket.destroy()
  })
  socket.on('end', () => {
    socket.destroySoon()
  })
  socket.on('close', () => {
    clearTimeout(timer)
  })
  socket.resume()
}
