/**
 * A client that sends exactly the bytes it is given, whole or in pieces, and reads answers strictly:
 * it knows how many came, what followed them, and how the connection ended.
 */
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Test } from 'tap'
import { eventually } from './eventually.ts'
import {
  StrictFault,
  StrictParser,
  statedFraming,
  valuesOf,
  type Framing,
  type Message,
  type Pair,
} from './strict-parser.ts'

/** How bytes are cut into writes. */
export type Cut = 'whole' | 'bytes' | 'random'

/** A final answer and the informational ones before it. */
export class Answer {
  readonly status: number
  readonly message: Message
  readonly interim: readonly Message[]

  constructor(message: Message, interim: readonly Message[]) {
    this.status = statusOf(message.startLine)
    this.message = message
    this.interim = interim
  }

  get headers(): readonly Pair[] {
    return this.message.headers
  }

  get isComplete(): boolean {
    return this.message.isComplete
  }

  /** The body as Latin-1. */
  get body(): string {
    return Buffer.concat(this.message.chunks).toString('latin1')
  }

  /** The first value of a header. */
  header(name: string): string | undefined {
    return valuesOf(this.headers, name)[0]
  }

  /** Sidegate's own code, where the answer is Sidegate's own. */
  get code(): string | undefined {
    return this.header('x-sidegate-error')
  }
}

function statusOf(startLine: string): number {
  return Number(startLine.slice(9, 12))
}

/** One connection to the gate. */
export class RawClient {
  readonly socket: Socket
  /** Final answers, from their heads on. */
  readonly answers: Answer[] = []
  readonly #methods: string[] = []
  readonly #parser: StrictParser
  #interim: Message[] = []
  #answered = 0
  bytesReceived = 0
  /** The peer sent FIN (or reset): nothing more can come. */
  isEnded = false
  /** The connection ended by a reset. */
  isReset = false

  constructor(socket: Socket) {
    this.socket = socket
    this.#parser = new StrictParser({
      frame: (startLine, headers) => this.#frame(startLine, headers),
      onHead: (message) => {
        this.#take(message)
      },
    })
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.bytesReceived += chunk.length
      this.#parser.feed(chunk)
    })
    socket.on('end', () => {
      this.#parser.finish()
      this.isEnded = true
    })
    socket.on('error', () => {
      this.isReset = true
    })
    socket.on('close', () => {
      this.isEnded = true
    })
    // One that somebody else has read from before stands still.
    socket.resume()
  }

  /** Connects; the socket is destroyed when the test ends. */
  static async connect(t: Test, port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    t.after(() => socket.destroy())
    return new RawClient(socket)
  }

  /** What is wrong with the bytes of the answers. */
  get fault(): string | undefined {
    return this.#parser.fault
  }

  /** Bytes that belong to no answer. */
  get rest(): Buffer {
    return this.#parser.rest
  }

  /** Tells how the next answers are framed: `HEAD` answers have no body. */
  expect(...methods: string[]): void {
    this.#methods.push(...methods)
  }

  /** Sends Latin-1 bytes; a connection that the peer has ended takes what it takes. */
  async send(text: string, cut: Cut = 'whole'): Promise<void> {
    const bytes = Buffer.from(text, 'latin1')
    if (cut === 'whole') {
      this.#write(bytes)
      return
    }
    let at = 0
    while (at < bytes.length && !this.isEnded) {
      const size = cut === 'bytes' ? 1 : 1 + Math.floor(Math.random() * 7)
      this.#write(bytes.subarray(at, at + size))
      at += size
      await nextTurn()
    }
  }

  /** Sends one well-formed request and waits for its answer. */
  async request(text: string, method = text.split(' ', 1)[0] ?? ''): Promise<Answer> {
    const index = this.answers.length
    this.expect(method)
    await this.send(text)
    return this.answer(index)
  }

  /** Waits for the nth final answer (from 0) to be complete, or for the end of the connection. */
  async answer(index = 0): Promise<Answer> {
    const settled = () =>
      this.answers[index]?.isComplete === true || this.isEnded || this.fault !== undefined
    await eventually(`answer ${index}`, settled)
    const found = this.answers[index]
    if (found === undefined) {
      const state = `${this.fault ?? ''} ${JSON.stringify(this.rest.toString('latin1'))}`
      throw new Error(`no answer ${index}: ended=${String(this.isEnded)} ${state}`)
    }
    return found
  }

  /** Waits for the peer to end the connection. */
  async ended(withinMs = 10_000): Promise<void> {
    await eventually('the end of the connection', () => this.isEnded, withinMs)
  }

  /** Ends our sending side only. */
  halfClose(): void {
    this.socket.end()
  }

  /** Goes away at once. */
  destroy(): void {
    this.socket.destroy()
  }

  #write(bytes: Buffer): void {
    if (this.socket.writable) this.socket.write(bytes)
  }

  #frame(startLine: string, headers: readonly Pair[]): Framing {
    if (!/^HTTP\/1\.1 [1-9]\d\d( [\t\x20-\x7e\x80-\xff]*)?$/.test(startLine)) {
      throw new StrictFault(`status line ${JSON.stringify(startLine)}`)
    }
    const status = statusOf(startLine)
    const stated = statedFraming(headers)
    if (status === 101) return { kind: 'tunnel' }
    if (status < 200) return { kind: 'none' }
    const method = this.#methods[this.#answered++] ?? 'GET'
    if (method === 'HEAD' || status === 204 || status === 304) return { kind: 'none' }
    return stated ?? { kind: 'close' }
  }

  #take(message: Message): void {
    const status = statusOf(message.startLine)
    if (status < 200 && status !== 101) {
      this.#interim.push(message)
      return
    }
    this.answers.push(new Answer(message, this.#interim))
    this.#interim = []
  }
}
