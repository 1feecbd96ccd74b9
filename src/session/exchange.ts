/**
 * One small request of our own and its whole answer: bounded in time and size, redirects not
 * followed. It always ends with a value; failures are in our words, with nothing the server wrote.
 */
import type { Duplex } from 'node:stream'
import { SidegateError } from '../errors.ts'
import { findFraming, latin1Headers } from '../http/answer.ts'
import { RequestBodyStream } from '../http/request-body.ts'
import type { RequestSender, SentRequest, UpstreamEvents } from '../http/upstream-call.ts'

/** What is asked. */
export interface SmallRequest {
  readonly method: string
  /** Origin-form. */
  readonly path: string
  /** Flat list, framing included. */
  readonly headers: readonly string[]
  readonly body: Buffer | undefined
}

/** An answer that has come in whole. */
export interface WholeAnswer {
  readonly kind: 'answer'
  readonly status: number
  /** Flat list. */
  readonly headers: readonly string[]
  readonly body: Buffer
}

export interface ExchangeFailure {
  readonly kind: 'failure'
  /** `malformed`: too large, cut, or not HTTP; `failed`: it could not be asked. */
  readonly result: 'malformed' | 'unreachable' | 'timeout' | 'failed'
  readonly detail: string
  /** Of an answer that was too large: how long to stay away stands in it all the same. */
  readonly answer?: { readonly status: number; readonly headers: readonly string[] }
}

const MAX_BODY_BYTES = 1024 * 1024

export class SmallExchange implements UpstreamEvents {
  readonly #request: SmallRequest
  readonly #timer: NodeJS.Timeout
  #settle: (outcome: WholeAnswer | ExchangeFailure) => void = ignore
  #call: SentRequest | undefined
  #isOver = false
  #status = 0
  #headers: readonly string[] = []
  #chunks: Buffer[] = []
  #size = 0
  readonly outcome: Promise<WholeAnswer | ExchangeFailure>

  /** Sends it at once. `findSender` may throw. */
  constructor(request: SmallRequest, findSender: () => RequestSender, timeoutMs: number) {
    this.#request = request
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#timer = setTimeout(() => {
      this.#fail('timeout', `no answer within ${timeoutMs} ms`)
    }, timeoutMs)
    this.#timer.unref()
    this.#start(findSender)
  }

  /** Gives it up; the outcome is a failure. */
  abort(): void {
    this.#fail('failed', 'given up')
  }

  #start(findSender: () => RequestSender): void {
    const { method, path, headers, body } = this.#request
    try {
      const stream = body === undefined ? undefined : new RequestBodyStream(ignore)
      stream?.push(body)
      stream?.push(null)
      const request = { method, path, headers, body: stream, isWebSocket: false }
      this.#call = findSender().prepare(request, this)
      this.#call.start()
    } catch (error) {
      if (error instanceof SidegateError) this.failed(error)
      else this.#fail('failed', 'the server could not be asked')
    }
  }

  // From the server

  connected(): void {
    // Only the whole is timed.
  }

  information(): void {
    // 103 and its like mean nothing here.
  }

  answered(status: number, raw: Buffer[]): boolean {
    this.#status = status
    this.#headers = latin1Headers(raw)
    const framing = findFraming(this.#request.method, status, this.#headers)
    if (framing === undefined) this.#fail('malformed', 'the answer is framed ambiguously')
    // undici would wait for a body that never comes where a 204 states a length.
    else if (!framing.hasBody) this.#finish()
    else if ((framing.contentLength ?? 0) > MAX_BODY_BYTES) this.#failForSize()
    return true
  }

  received(chunk: Buffer): boolean {
    this.#size += chunk.length
    if (this.#size > MAX_BODY_BYTES) this.#failForSize()
    else this.#chunks.push(chunk)
    return true
  }

  ended(): void {
    this.#finish()
  }

  upgraded(_status: number, _headers: Buffer[], socket: Duplex): void {
    socket.destroy()
    this.#fail('malformed', 'the server switched protocols')
  }

  failed(error: SidegateError): void {
    const { code } = error
    if (code === 'upstream_timeout') {
      this.#fail('timeout', 'no connection in time')
    } else if (code === 'upstream_unreachable' || code === 'upstream_tls') {
      const what = code === 'upstream_tls' ? 'TLS failed' : 'no connection'
      // Without a cause the words are our own: what a parent proxy said to a tunnel.
      const why = error.cause === undefined ? `: ${error.message}` : systemCode(error.cause)
      this.#fail('unreachable', `${what}${why}`)
    } else if (code === 'upstream_failed') {
      this.#fail('malformed', `no whole answer${systemCode(error.cause)}`)
    } else {
      this.#fail('failed', `the server may not be asked: ${code}`)
    }
  }

  #finish(): void {
    const body = Buffer.concat(this.#chunks)
    this.#end({ kind: 'answer', status: this.#status, headers: this.#headers, body })
  }

  #failForSize(): void {
    const answer = { status: this.#status, headers: this.#headers }
    const detail = 'the answer is larger than 1 MiB'
    this.#end({ kind: 'failure', result: 'malformed', detail, answer })
  }

  #fail(result: ExchangeFailure['result'], detail: string): void {
    this.#end({ kind: 'failure', result, detail })
  }

  #end(outcome: WholeAnswer | ExchangeFailure): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    // No more of the answer is wanted; one that has ended does not mind.
    this.#call?.abort()
    this.#chunks = []
    this.#settle(outcome)
  }
}

/** ` (ECONNREFUSED)`: the code alone, since messages can quote what the other side sent. */
function systemCode(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? ` (${code})` : ''
}

function ignore(): void {
  // Nothing to do.
}
