/**
 * How far the other side has got with reading, which tells a slow reader from one that stands still.
 */
import type { Socket } from 'node:net'

interface Handle {
  readonly writeQueueSize?: number
}

/** Bytes of `socket` that the kernel has taken so far; grows while the peer reads. */
export function bytesTaken(socket: Socket): number {
  // libuv's queue shrinks while a single large write is under way; node's own counters do not.
  const handle = (socket as unknown as { readonly _handle?: Handle | null })._handle
  return socket.bytesWritten - (handle?.writeQueueSize ?? 0)
}
