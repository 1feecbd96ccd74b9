/**
 * Where lines go: a file descriptor, written to without making the event loop wait. What the reader
 * does not take is kept up to a bound and then refused; a reader that is gone ends the
 * writing and nothing else.
 */
import { write, writeSync } from 'node:fs'

/** Takes whole lines. Must not throw. */
export interface Destination {
  /** `false` where the text was not taken and is lost. */
  write(text: string): boolean
  /** Resolves when everything written so far is out, or cannot be. */
  flush(): Promise<void>
  /** Writes what is left at once; for the end of the process. */
  flushSync(): void
}

interface DestinationOptions {
  /** Bytes that may wait; beyond it none is taken. Default: 8 MiB. */
  readonly maxPendingBytes?: number
  /** How long `flushSync` tries where the reader takes nothing. Default: 1 s. */
  readonly maxSyncMs?: number
}

const retryMs = 20

/** Opens a destination over a file descriptor, 1 for stdout. */
export function openDestination(fd: number, options: DestinationOptions = {}): Destination {
  return new FileDestination(
    fd,
    options.maxPendingBytes ?? 8 * 1024 * 1024,
    options.maxSyncMs ?? 1000,
  )
}

class FileDestination implements Destination {
  readonly #fd: number
  readonly #maxPendingBytes: number
  readonly #maxSyncMs: number
  #queue: Buffer[] = []
  #pendingBytes = 0
  #isWriting = false
  #isBroken = false
  #waiting: (() => void)[] = []

  constructor(fd: number, maxPendingBytes: number, maxSyncMs: number) {
    this.#fd = fd
    this.#maxPendingBytes = maxPendingBytes
    this.#maxSyncMs = maxSyncMs
  }

  write(text: string): boolean {
    const chunk = Buffer.from(text)
    if (this.#isBroken || this.#pendingBytes + chunk.length > this.#maxPendingBytes) return false
    this.#queue.push(chunk)
    this.#pendingBytes += chunk.length
    if (!this.#isWriting) this.#writeNext()
    return true
  }

  flush(): Promise<void> {
    if (!this.#isWriting) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /**
   * A write that is under way in another thread cannot be called back; on exit Node waits for it.
   * It gets a moment, so that lines keep their order.
   */
  flushSync(): void {
    if (this.#isWriting) sleep(5)
    const deadline = performance.now() + this.#maxSyncMs
    for (let chunk = this.#queue.shift(); chunk !== undefined; chunk = this.#queue.shift()) {
      this.#pendingBytes -= chunk.length
      if (!this.#isBroken) this.#writeSync(chunk, deadline)
    }
  }

  #writeSync(chunk: Buffer, deadline: number): void {
    let offset = 0
    while (offset < chunk.length) {
      try {
        offset += writeSync(this.#fd, chunk, offset)
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) {
          this.#isBroken = true
          return
        }
        sleep(retryMs)
      }
    }
  }

  #writeNext(): void {
    const chunk = this.#queue.length > 1 ? Buffer.concat(this.#queue) : this.#queue[0]
    this.#queue = []
    this.#isWriting = chunk !== undefined
    if (chunk !== undefined) this.#writeFrom(chunk, 0)
    else for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #writeFrom(chunk: Buffer, offset: number): void {
    write(this.#fd, chunk, offset, chunk.length - offset, null, (error, written) => {
      if (isBusy(error)) {
        setTimeout(() => {
          this.#writeFrom(chunk, offset)
        }, retryMs)
        return
      }
      if (error === null && offset + written < chunk.length) {
        this.#writeFrom(chunk, offset + written)
        return
      }
      if (error !== null) this.#isBroken = true
      this.#pendingBytes -= chunk.length
      this.#writeNext()
    })
  }
}

function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'EAGAIN' || code === 'EBUSY' || code === 'EINTR'
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
