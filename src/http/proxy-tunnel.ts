/** Asks a forward proxy for a tunnel (RFC 9110, section 9.3.6), and logs in where it wants that. */
import type { Socket } from 'node:net'
import { SidegateError } from '../errors.ts'

/** An answer whose head is longer than this is none. */
const MAX_HEAD_BYTES = 16 * 1024
/** More of a challenge's page than this is not read to keep a connection. */
const MAX_PAGE_BYTES = 256 * 1024
const NOTHING = Buffer.alloc(0)

export interface TunnelTarget {
  readonly host: string
  readonly port: number
  /** The value of `Via`, so that whoever has sent this knows it when it comes back. */
  readonly via?: string | undefined
  readonly authorization: string | undefined
  /** Instead of `authorization`, for a proxy that is answered twice. */
  readonly handshake?: ProxyHandshake | undefined
}

/** One login to a forward proxy, on one connection. */
export interface ProxyHandshake {
  /** The value of `Proxy-Authorization` that asks for a challenge. */
  readonly first: string
  /** The value that answers it, from the flat list of raw headers; throws where there is no answer. */
  second(headers: readonly Buffer[]): string
  /** What the proxy thought of the answer; `undefined` where it never said. */
  judged(isAccepted: boolean | undefined): SidegateError | undefined
}

interface Answer {
  readonly status: number
  readonly headers: readonly Buffer[]
  /** `undefined` where the length of what follows is not known. */
  readonly pageBytes: number | undefined
}

/** Calls back once: with an error, or with none when the next byte is the far end's. */
export function askForTunnel(
  socket: Socket,
  target: TunnelTarget,
  callback: (error: SidegateError | undefined) => void,
): void {
  new TunnelRequest(socket, target, callback).begin()
}

class TunnelRequest {
  readonly #socket: Socket
  readonly #target: TunnelTarget
  readonly #callback: (error: SidegateError | undefined) => void
  #received: Buffer = NOTHING
  /** Of the page of a challenge, still to be read. */
  #pageLeft = 0
  #challenge: readonly Buffer[] | undefined
  #hasAnswered = false
  #isOver = false

  constructor(
    socket: Socket,
    target: TunnelTarget,
    callback: (error: SidegateError | undefined) => void,
  ) {
    this.#socket = socket
    this.#target = target
    this.#callback = callback
  }

  begin(): void {
    const { authorization, handshake } = this.#target
    this.#socket.on('data', this.#onData)
    this.#socket.once('close', this.#onClose)
    this.#ask(handshake === undefined ? authorization : handshake.first)
  }

  #ask(authorization: string | undefined): void {
    const { host, port, via } = this.#target
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#socket.write(
      `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n` +
        (via === undefined ? '' : `Via: ${via}\r\n`) +
        (authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`) +
        '\r\n',
      'latin1',
    )
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    if (this.#challenge !== undefined) {
      this.#readPage()
      return
    }
    const end = this.#received.indexOf('\r\n\r\n')
    if (end === -1) {
      if (this.#received.length > MAX_HEAD_BYTES) this.#fail('sent no end of its answer')
      return
    }
    const answer = readAnswer(this.#received.subarray(0, end))
    this.#received = this.#received.subarray(end + 4)
    if (answer === undefined) this.#fail('did not answer in HTTP/1.1')
    else this.#answered(answer)
  }

  #answered({ status, headers, pageBytes }: Answer): void {
    const { handshake } = this.#target
    if (status === 407 && handshake !== undefined && !this.#hasAnswered) {
      if (pageBytes === undefined || pageBytes > MAX_PAGE_BYTES) {
        this.#fail('challenges and does not keep the connection')
        return
      }
      this.#challenge = headers
      this.#pageLeft = pageBytes
      this.#readPage()
      return
    }
    const refusal = this.#hasAnswered ? handshake?.judged(status !== 407) : undefined
    if (refusal !== undefined) this.#finish(refusal)
    else if (status === 407) this.#fail('wants other credentials (407)')
    else if (status < 200 || status > 299) this.#fail(`refused the tunnel (${status})`)
    // The far end cannot have spoken before we did: whatever is here, the proxy made it up.
    else if (this.#received.length > 0) this.#fail('sent more than its answer')
    else this.#finish(undefined)
  }

  #readPage(): void {
    const read = Math.min(this.#pageLeft, this.#received.length)
    this.#received = this.#received.subarray(read)
    this.#pageLeft -= read
    if (this.#pageLeft > 0) return
    const headers = this.#challenge ?? []
    this.#challenge = undefined
    this.#hasAnswered = true
    try {
      this.#ask(this.#target.handshake?.second(headers))
    } catch (error) {
      this.#hasAnswered = false
      this.#finish(
        error instanceof SidegateError
          ? error
          : new SidegateError('ntlm_failed', { detail: `the parent proxy: ${String(error)}` }),
      )
    }
  }

  readonly #onClose = (): void => {
    this.#fail('closed the connection')
  }

  #fail(detail: string): void {
    this.#finish(
      new SidegateError('upstream_unreachable', { detail: `the parent proxy ${detail}` }),
    )
  }

  #finish(error: SidegateError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#socket.off('data', this.#onData)
    this.#socket.off('close', this.#onClose)
    this.#socket.pause()
    this.#target.handshake?.judged(undefined)
    this.#callback(error)
  }
}

function readAnswer(head: Buffer): Answer | undefined {
  const [start = '', ...lines] = head.toString('latin1').split('\r\n')
  const status = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(start)
  if (status === null) return undefined
  const headers: Buffer[] = []
  let keeps = status[1] === '1'
  let pageBytes: number | undefined
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) return undefined
    const name = line.slice(0, colon)
    const value = line.slice(colon + 1).trim()
    headers.push(Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1'))
    const lower = name.toLowerCase()
    if (lower === 'content-length') pageBytes = /^\d{1,9}$/.test(value) ? Number(value) : undefined
    if (lower === 'transfer-encoding') keeps = false
    if (/^(?:proxy-)?connection$/.test(lower) && /\bclose\b/i.test(value)) keeps = false
  }
  return { status: Number(status[2]), headers, pageBytes: keeps ? pageBytes : undefined }
}
