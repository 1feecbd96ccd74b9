/**
 * A small strict HTTP/1.1 parser for both directions, written independently of the program it
 * judges. Anything that is not perfectly framed is a fault, and the bytes from there on are `rest`.
 */

export type Pair = readonly [name: string, value: string]

/** How the end of a body is found; `tunnel` means that raw bytes follow for good. */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }
  | { readonly kind: 'tunnel' }

/** One request or answer as it stood on the wire. */
export interface Message {
  readonly startLine: string
  readonly headers: readonly Pair[]
  readonly framing: Framing
  readonly chunks: Buffer[]
  trailers: readonly Pair[]
  isComplete: boolean
}

/** What the two directions do not share. */
export interface Direction {
  /** Looks at the start line and the headers; throws a `StrictFault` when they are not perfect. */
  frame(startLine: string, headers: readonly Pair[]): Framing
  onHead?(message: Message): void
  onChunk?(message: Message, chunk: Buffer): void
  onEnd?(message: Message): void
}

/** The bytes are not perfectly framed HTTP. */
export class StrictFault extends Error {
  override readonly name = 'StrictFault'
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// Visible characters, obs-text, inner spaces and tabs: RFC 9110 5.5.
const FIELD_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
const MAX_HEAD_BYTES = 512 * 1024

/** Parses a block of `Name: value` lines, without its empty line. */
function parseFields(block: string): Pair[] {
  if (block === '') return []
  return block.split('\r\n').map((line) => {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    const value = line.slice(colon + 1).replace(/^ +| +$/g, '')
    if (!TOKEN.test(name)) throw new StrictFault(`header line ${JSON.stringify(line)}`)
    if (!FIELD_VALUE.test(value)) throw new StrictFault(`header value ${JSON.stringify(line)}`)
    return [name, value] as const
  })
}

/** All values of the headers with this name, in order. */
export function valuesOf(headers: readonly Pair[], name: string): string[] {
  const wanted = name.toLowerCase()
  return headers.filter(([n]) => n.toLowerCase() === wanted).map(([, value]) => value)
}

/** The framing that the headers state, if they state one, and only one. */
export function statedFraming(headers: readonly Pair[]): Framing | undefined {
  const codings = valuesOf(headers, 'transfer-encoding')
  const lengths = valuesOf(headers, 'content-length')
  if (codings.length + lengths.length > 1) throw new StrictFault('more than one framing header')
  if (codings[0] !== undefined) {
    if (codings[0] !== 'chunked') throw new StrictFault(`coding ${JSON.stringify(codings[0])}`)
    return { kind: 'chunked' }
  }
  if (lengths[0] === undefined) return undefined
  if (!/^(0|[1-9]\d{0,14})$/.test(lengths[0])) {
    throw new StrictFault(`length ${JSON.stringify(lengths[0])}`)
  }
  return { kind: 'length', bytes: Number(lengths[0]) }
}

type Step = 'head' | 'counted' | 'size' | 'chunk' | 'after-chunk' | 'trailers' | 'raw'

/** Feeds on bytes, however they are cut, and reports messages. */
export class StrictParser {
  readonly #direction: Direction
  #buffer: Buffer = Buffer.alloc(0)
  #step: Step = 'head'
  #left = 0
  #message: Message | undefined
  /** Why parsing stopped for good. */
  fault: string | undefined

  constructor(direction: Direction) {
    this.#direction = direction
  }

  /** Bytes that belong to no whole message: an unfinished head, or everything from a fault on. */
  get rest(): Buffer {
    return this.#buffer
  }

  /** The message whose end has not been seen yet. */
  get unfinished(): Message | undefined {
    return this.#message
  }

  feed(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes])
    if (this.fault !== undefined) return
    try {
      while (this.#advance());
    } catch (error) {
      if (!(error instanceof StrictFault)) throw error
      this.fault = error.message
    }
  }

  /** The other side ended its stream: completes a body that is delimited by that. */
  finish(): void {
    if (this.#message?.framing.kind === 'close') this.#complete(this.#message)
  }

  #advance(): boolean {
    switch (this.#step) {
      case 'head':
        return this.#readHead()
      case 'size':
        return this.#readSize()
      case 'after-chunk':
        return this.#readChunkEnd()
      case 'trailers':
        return this.#readTrailers()
      case 'counted':
      case 'chunk':
      case 'raw':
        return this.#readBody(this.#step)
    }
  }

  #takeUntil(mark: string): string | undefined {
    const at = this.#buffer.indexOf(mark, 0, 'latin1')
    if (at < 0) {
      if (this.#buffer.length > MAX_HEAD_BYTES) throw new StrictFault('endless line')
      return undefined
    }
    const taken = this.#buffer.toString('latin1', 0, at)
    this.#buffer = this.#buffer.subarray(at + mark.length)
    return taken
  }

  #readHead(): boolean {
    if (this.#buffer.length === 0) return false
    const before = this.#buffer
    const head = this.#takeUntil('\r\n\r\n')
    if (head === undefined) return false
    try {
      const end = head.indexOf('\r\n')
      const startLine = end < 0 ? head : head.slice(0, end)
      const headers = parseFields(end < 0 ? '' : head.slice(end + 2))
      const framing = this.#direction.frame(startLine, headers)
      const message = { startLine, headers, framing, chunks: [], trailers: [], isComplete: false }
      this.#message = message
      this.#direction.onHead?.(message)
      this.#enterBody(message)
    } catch (error) {
      this.#buffer = before
      throw error
    }
    return true
  }

  #enterBody(message: Message): void {
    const { framing } = message
    this.#left = framing.kind === 'length' ? framing.bytes : 0
    if (framing.kind === 'chunked') this.#step = 'size'
    else if (framing.kind === 'close' || framing.kind === 'tunnel') this.#step = 'raw'
    else if (this.#left > 0) this.#step = 'counted'
    else this.#complete(message)
  }

  #readBody(step: 'counted' | 'chunk' | 'raw'): boolean {
    const message = this.#message
    if (message === undefined || this.#buffer.length === 0) return false
    const take = step === 'raw' ? this.#buffer.length : Math.min(this.#left, this.#buffer.length)
    const chunk = this.#buffer.subarray(0, take)
    this.#buffer = this.#buffer.subarray(take)
    this.#left -= take
    message.chunks.push(chunk)
    this.#direction.onChunk?.(message, chunk)
    if (step === 'raw' || this.#left > 0) return false
    if (step === 'chunk') this.#step = 'after-chunk'
    else this.#complete(message)
    return true
  }

  #readSize(): boolean {
    const line = this.#takeUntil('\r\n')
    if (line === undefined) return false
    // No extensions: nobody here has a reason to send one.
    if (!/^[0-9a-fA-F]{1,12}$/.test(line)) {
      throw new StrictFault(`chunk size ${JSON.stringify(line)}`)
    }
    this.#left = Number.parseInt(line, 16)
    this.#step = this.#left === 0 ? 'trailers' : 'chunk'
    return true
  }

  #readChunkEnd(): boolean {
    if (this.#buffer.length < 2) return false
    if (this.#buffer.toString('latin1', 0, 2) !== '\r\n') throw new StrictFault('end of a chunk')
    this.#buffer = this.#buffer.subarray(2)
    this.#step = 'size'
    return true
  }

  #readTrailers(): boolean {
    const line = this.#takeUntil('\r\n')
    if (line === undefined || this.#message === undefined) return false
    if (line === '') this.#complete(this.#message)
    else this.#message.trailers = [...this.#message.trailers, ...parseFields(line)]
    return true
  }

  #complete(message: Message): void {
    message.isComplete = true
    this.#message = undefined
    this.#step = 'head'
    this.#direction.onEnd?.(message)
  }
}
