/**
 * What follows a CONNECT: bytes that pass as they are, or HTTP that is served here. Which of the two
 * a connection speaks, its first byte says.
 */
import type { Socket } from 'node:net'
import type { Watchdog, Watched } from '../http/watchdog.ts'

/** The first byte of every TLS connection: a handshake record (RFC 8446, section 5.1). */
const HANDSHAKE = 0x16

/** How long nothing may pass once one side has ended. */
const HALF_OPEN_MS = 60_000

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

/** Two sockets joined; ends when both have, or when nothing has passed for `idleMs`. */
export class TunnelPair implements Watched {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #watchdog: Watchdog
  readonly #idleMs: number
  #seenBytes = -1
  #isSettled = false
  #lastByteAt = performance.now()
  /** Called once, when both sides are closed. */
  onClosed: (() => void) | undefined

  constructor(
    client: Socket,
    upstream: Socket,
    options: { readonly watchdog: Watchdog; readonly idleMs: number },
  ) {
    this.#client = client
    this.#upstream = upstream
    this.#watchdog = options.watchdog
    this.#idleMs = options.idleMs
    join(client, upstream)
    join(upstream, client)
    client.on('close', () => {
      follow(client, upstream)
      this.#settle()
    })
    upstream.on('close', () => {
      follow(upstream, client)
      this.#settle()
    })
    options.watchdog.watch(this)
    // What ended before anybody listened says nothing any more.
    if (isOver(client) || isOver(upstream)) {
      this.close()
      setImmediate(() => {
        this.#settle()
      })
    }
  }

  /** Until both are closed, one that takes nothing any more is watched. */
  #settle(): void {
    if (this.#isSettled || !this.#client.closed || !this.#upstream.closed) return
    this.#isSettled = true
    this.#watchdog.forget(this)
    this.onClosed?.()
  }

  close(): void {
    this.#client.destroy()
    this.#upstream.destroy()
  }

  /** Whoever has ended its side may be gone altogether. */
  #patienceMs(): number {
    const isHalfOpen = this.#client.readableEnded || this.#upstream.readableEnded
    return isHalfOpen ? Math.min(HALF_OPEN_MS, this.#idleMs) : this.#idleMs
  }

  tick(now: number): void {
    // An end is a sign of life too: what is half open has its minute from there.
    const ends = Number(this.#client.readableEnded) + Number(this.#upstream.readableEnded)
    const seen = this.#client.bytesRead + this.#upstream.bytesRead + ends
    if (seen !== this.#seenBytes) {
      this.#seenBytes = seen
      this.#lastByteAt = now
    } else if (now - this.#lastByteAt > this.#patienceMs()) {
      this.close()
    }
  }
}

function join(from: Socket, to: Socket): void {
  from.on('error', ignore)
  from.on('data', (chunk: Buffer) => {
    if (!to.writable) from.destroy()
    else if (!to.write(chunk)) from.pause()
  })
  from.on('end', () => {
    to.end()
  })
  to.on('drain', () => {
    from.resume()
  })
  from.resume()
}

/** One has closed, and so does the other: at once after a fault, else when it has sent what it holds. */
function follow(closed: Socket, other: Socket): void {
  if (closed.readableEnded && closed.errored === null) other.destroySoon()
  else other.destroy()
}

function isOver(socket: Socket): boolean {
  return socket.destroyed || socket.readableEnded
}

function ignore(): void {
  // 'close' follows and does the work.
}
