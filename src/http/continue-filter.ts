/**
 * Takes a `100 Continue` that nobody asked for out of what an upstream sends: some servers send one
 * with every POST, a client has to bear it (RFC 9110 15.2), and undici cuts the connection instead.
 */
import type { Socket } from 'node:net'

const START = Buffer.from('HTTP/1.1 100')
const END = '\r\n\r\n'
/** A 100 has hardly any headers; what does not end is left to the parser. */
const MAX_HEAD_BYTES = 1024
const NOTHING = Buffer.alloc(0)

/** Stands before the parser of one socket. */
export class ContinueFilter {
  #awaitsHead = false
  #held: Buffer = NOTHING

  /** Makes `socket.read()` give the bytes without a leading 100. */
  constructor(socket: Socket) {
    const read = socket.read.bind(socket) as (size?: number) => Buffer | null
    socket.read = (size?: number): Buffer | null => {
      const chunk = read(size)
      return chunk === null || !this.#awaitsHead ? chunk : this.#filter(chunk)
    }
  }

  /** A request goes out: an answer begins with the next bytes. */
  awaitHead(): void {
    this.#awaitsHead = true
    this.#held = NOTHING
  }

  #filter(chunk: Buffer): Buffer {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = NOTHING
    while (bytes.length > 0 && startsAlike(bytes)) {
      const end = bytes.indexOf(END)
      if (end === -1 && bytes.length < MAX_HEAD_BYTES) {
        this.#held = bytes
        return NOTHING
      }
      if (end === -1) break
      bytes = bytes.subarray(end + END.length)
    }
    if (bytes.length > 0) this.#awaitsHead = false
    return bytes
  }
}

/** Whether the bytes are a 100, or could become one. */
function startsAlike(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, START.length)
  return bytes.compare(START, 0, length, 0, length) === 0
}
