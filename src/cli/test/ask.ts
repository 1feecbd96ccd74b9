/**
 * One request of `sidegate test` and the beginning of its answer. It always ends: with an answer,
 * or with a `SidegateError` that says at which stage it failed.
 */
import type { Duplex } from 'node:stream'
import { SidegateError } from '../../errors.ts'
import { findFraming, latin1Headers } from '../../http/answer.ts'
import type { RequestSender, SentRequest, UpstreamEvents } from '../../http/upstream-call.ts'

/** What the API said. */
export interface ApiAnswer {
  readonly status: number
  /** Flat list. */
  readonly headers: readonly string[]
  /** No more than `MAX_BODY_BYTES`. */
  readonly body: Buffer
  readonly durationMs: number
}

export interface ApiRequest {
  readonly method: string
  /** Origin-form. */
  readonly path: string
  /** Flat list, with `Host`. */
  readonly headers: readonly string[]
  readonly firstByteMs: number
}

const MAX_BODY_BYTES = 64 * 1024
/** Answers without an end exist; the beginning says enough. */
const BODY_MS = 2000

/** Sends the request, once. */
export function ask(upstream: RequestSender, request: ApiRequest): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    new Question(request, resolve, reject).start(upstream)
  })
}

class Question implements UpstreamEvents {
  readonly #request: ApiRequest
  readonly #resolve: (answer: ApiAnswer) => void
  readonly #reject: (error: SidegateError) => void
  readonly #startedAt = performance.now()
  #call: SentRequest | undefined
  #timer: NodeJS.Timeout | undefined
  #status = 0
  #headers: readonly string[] = []
  #chunks: Buffer[] = []
  #size = 0
  #answeredAt = 0

  constructor(
    request: ApiRequest,
    resolve: (answer: ApiAnswer) => void,
    reject: (error: SidegateError) => void,
  ) {
    this.#request = request
    this.#resolve = resolve
    this.#reject = reject
  }

  start(upstream: RequestSender): void {
    const { method, path, headers } = this.#request
    const request = { method, path, headers, body: undefined, isWebSocket: false }
    this.#call = upstream.prepare(request, this)
    this.#call.start()
  }

  connected(): void {
    const { firstByteMs } = this.#request
    this.#arm(firstByteMs, () => {
      const detail = `connected, but no answer within ${firstByteMs} ms`
      this.failed(new SidegateError('upstream_timeout', { detail }))
    })
  }

  information(): void {
    // 103 and its like are not the answer.
  }

  answered(status: number, raw: Buffer[]): boolean {
    this.#answeredAt = performance.now()
    this.#status = status
    this.#headers = latin1Headers(raw)
    const framing = findFraming(this.#request.method, status, this.#headers)
    if (framing === undefined) {
      const detail = 'the answer is framed ambiguously'
      this.failed(new SidegateError('upstream_failed', { detail }))
    } else if (framing.hasBody) {
      this.#arm(BODY_MS, () => {
        this.#finish()
      })
    } else {
      this.#finish()
    }
    return true
  }

  received(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size >= MAX_BODY_BYTES) this.#finish()
    return true
  }

  ended(): void {
    this.#finish()
  }

  upgraded(_status: number, _headers: Buffer[], socket: Duplex): void {
    socket.destroy()
    const detail = 'the API switched protocols, which was not asked for'
    this.failed(new SidegateError('upstream_failed', { detail }))
  }

  failed(error: SidegateError): void {
    // An answer that breaks off has still said what it had to say.
    if (this.#status !== 0 && this.#answeredAt !== 0 && error.code !== 'upstream_failed') {
      this.#finish()
      return
    }
    this.#end()
    this.#reject(error)
  }

  #finish(): void {
    this.#end()
    this.#resolve({
      status: this.#status,
      headers: this.#headers,
      body: Buffer.concat(this.#chunks).subarray(0, MAX_BODY_BYTES),
      durationMs: this.#answeredAt - this.#startedAt,
    })
  }

  #end(): void {
    clearTimeout(this.#timer)
    this.#call?.abort()
  }

  #arm(ms: number, onTimeout: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onTimeout, ms)
  }
}
