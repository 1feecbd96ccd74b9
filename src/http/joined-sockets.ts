/**
 * Two connections joined: bytes flow both ways with back-pressure, an end on one side ends the other
 * once that has taken everything, a fault ends both at once, and so does silence.
 */
import type { Duplex } from 'node:stream'
import type { Watchdog, Watched } from './watchdog.ts'

/** How long nothing may pass once one side has ended. */
const HALF_OPEN_MS = 60_000

export interface JoinOptions {
  readonly watchdog: Watchdog
  readonly idleMs: number
  /** What of a chunk goes on to the client, `undefined` for nothing; all of it unless given. */
  readonly passDownstream?: (chunk: Buffer) => Buffer | undefined
}

export class JoinedSockets implements Watched {
  readonly #client: Duplex
  readonly #upstream: Duplex
  readonly #watchdog: Watchdog
  readonly #idleMs: number
  #bytes = 0
  #seen = -1
  #isSettled = false
  #lastSignAt = performance.now()
  #closeBy = Infinity
  /** Called once, when both sides are closed. */
  onClosed: (() => void) | undefined

  /** Starts the flow at once. */
  constructor(client: Duplex, upstream: Duplex, options: JoinOptions) {
    this.#client = client
    this.#upstream = upstream
    this.#watchdog = options.watchdog
    this.#idleMs = options.idleMs
    this.#join(client, upstream)
    this.#join(upstream, client, options.passDownstream)
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

  /** Cuts both. */
  close(): void {
    this.#client.destroy()
    this.#upstream.destroy()
  }

  /** Cuts what is still open by then, whatever passes. */
  closeWithin(graceMs: number): void {
    this.#closeBy = performance.now() + graceMs
  }

  tick(now: number): void {
    // An end is a sign of life too: what is half open has its minute from there.
    const ends = Number(this.#client.readableEnded) + Number(this.#upstream.readableEnded)
    const seen = this.#bytes + ends
    if (seen !== this.#seen) {
      this.#seen = seen
      this.#lastSignAt = now
    }
    // Whoever has ended its side may be gone altogether.
    const patienceMs = ends === 0 ? this.#idleMs : Math.min(HALF_OPEN_MS, this.#idleMs)
    if (now > this.#closeBy || now - this.#lastSignAt > patienceMs) this.close()
  }

  #join(from: Duplex, to: Duplex, pass?: JoinOptions['passDownstream']): void {
    from.on('error', ignore)
    from.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length
      const rest = pass === undefined ? chunk : pass(chunk)
      if (rest === undefined) return
      if (to.writable) {
        if (!to.write(rest)) from.pause()
      } else if (this.#closeBy === Infinity) {
        from.destroy()
      }
    })
    from.on('end', () => {
      to.end()
    })
    to.on('drain', () => {
      from.resume()
    })
    from.resume()
  }

  /** Until both are closed, one that takes nothing any more is watched. */
  #settle(): void {
    if (this.#isSettled || !this.#client.closed || !this.#upstream.closed) return
    this.#isSettled = true
    this.#watchdog.forget(this)
    this.onClosed?.()
  }
}

/** Whether nothing more will come from a socket. */
export function isOver(socket: Duplex): boolean {
  return socket.destroyed || socket.readableEnded
}

/** One has closed, and so does the other: at once after a fault, else when it has sent what it holds. */
function follow(closed: Duplex, other: Duplex): void {
  if (!closed.readableEnded || closed.errored !== null) other.destroy()
  else if (other.writableFinished) other.destroy()
  else {
    other.once('finish', () => {
      other.destroy()
    })
    if (!other.writableEnded) other.end()
  }
}

function ignore(): void {
  // 'close' follows and does the work.
}
