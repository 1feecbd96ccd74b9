/**
 * One round trip to a token server: bounded in time and size, redirects not followed. It always ends
 * with a value; failures are in our words, with nothing of what the server wrote but an error code.
 */
import type { Duplex } from 'node:stream'
import { SidegateError } from '../errors.ts'
import { findFraming, latin1Headers } from '../http/answer.ts'
import { RequestBodyStream } from '../http/request-body.ts'
import type { SentRequest, UpstreamEvents } from '../http/upstream-call.ts'
import type { RequestSender } from '../http/upstream-call.ts'
import { parseRetryAfter } from '../http/retry-after.ts'
import type { TokenDefinition } from './token-definition.ts'
import { createTokenRequest, type TokenRequest } from './token-request.ts'
import { parseTokenAnswer, valuesOf, type TokenAnswer } from './token-response.ts'

/**
 * Label of `sidegate_token_requests_total`: `success`; `refused` (an error of the server, or a
 * status other than 200 and 201); `malformed` (no token answer, too large, cut, or not HTTP);
 * `unreachable` (no connection, or not a trusted one); `timeout`; `failed` (it could not be asked,
 * for instance because the assertion could not be signed).
 */
export type TokenResult = 'success' | 'refused' | 'malformed' | 'unreachable' | 'timeout' | 'failed'

export interface FetchFailure {
  readonly kind: 'failure'
  readonly result: Exclude<TokenResult, 'success'>
  /** For the log and `/status`. */
  readonly detail: string
  /** Code of RFC 6749 5.2. */
  readonly error?: string | undefined
  /** What `Retry-After` asks for. */
  readonly retryAfterMs?: number | undefined
}

export type FetchOutcome = Extract<TokenAnswer, { kind: 'token' }> | FetchFailure

/** What a fetch needs besides the definition. */
export interface FetchEnvironment<D extends TokenDefinition> {
  /** Wall clock. */
  readonly nowMs: () => number
  readonly upstreamOf: (definition: D) => RequestSender
  /** Takes secrets out of a text. */
  readonly redact?: (text: string) => string
}

const MAX_BODY_BYTES = 1024 * 1024

/** Asks for a token once. */
export class TokenFetch<D extends TokenDefinition> implements UpstreamEvents {
  readonly #definition: D
  readonly #environment: FetchEnvironment<D>
  readonly #timer: NodeJS.Timeout
  #settle: (outcome: FetchOutcome) => void = ignore
  #call: SentRequest | undefined
  #isOver = false
  #status = 0
  #headers: readonly string[] = []
  #chunks: Buffer[] = []
  #size = 0
  readonly outcome: Promise<FetchOutcome>

  constructor(definition: D, scopes: readonly string[], environment: FetchEnvironment<D>) {
    this.#definition = definition
    this.#environment = environment
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#timer = setTimeout(() => {
      this.#fail('timeout', `no answer within ${definition.timeoutMs} ms`)
    }, definition.timeoutMs)
    this.#timer.unref()
    createTokenRequest(definition, scopes, environment.nowMs()).then(
      (request) => {
        this.#start(request)
      },
      () => {
        // What a key or a signature library says could quote the key.
        this.#fail('failed', 'the token request could not be made')
      },
    )
  }

  /** Gives it up; the outcome is a failure. */
  abort(): void {
    this.#fail('failed', 'given up')
  }

  #start({ path, headers, body }: TokenRequest): void {
    if (this.#isOver) return
    try {
      const stream = new RequestBodyStream(ignore)
      stream.push(body)
      stream.push(null)
      const request = { method: 'POST', path, headers, body: stream, isWebSocket: false }
      this.#call = this.#environment.upstreamOf(this.#definition).prepare(request, this)
      this.#call.start()
    } catch (error) {
      if (error instanceof SidegateError) this.failed(error)
      else this.#fail('failed', 'the token server could not be asked')
    }
  }

  // From the token server

  connected(): void {
    // Only the whole is timed.
  }

  information(): void {
    // 103 and its like mean nothing here.
  }

  answered(status: number, raw: Buffer[]): boolean {
    this.#status = status
    this.#headers = latin1Headers(raw)
    const framing = findFraming('POST', status, this.#headers)
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
    this.#fail('malformed', 'the token server switched protocols')
  }

  failed(error: SidegateError): void {
    const { code } = error
    if (code === 'upstream_timeout') {
      this.#fail('timeout', 'no connection to the token server in time')
    } else if (code === 'upstream_unreachable' || code === 'upstream_tls') {
      const what = code === 'upstream_tls' ? 'TLS with the token server failed' : 'no connection'
      // Without a cause the words are our own: what a parent proxy said to a tunnel.
      const why = error.cause === undefined ? `: ${error.message}` : systemCode(error.cause)
      this.#fail('unreachable', `${what}${why}`)
    } else if (code === 'upstream_failed') {
      this.#fail('malformed', `no whole answer${systemCode(error.cause)}`)
    } else {
      this.#fail('failed', `the token server may not be asked: ${code}`)
    }
  }

  #finish(): void {
    if (this.#isOver) return
    const status = this.#status
    const headers = this.#headers
    const answer = parseTokenAnswer({ status, headers, body: Buffer.concat(this.#chunks) })
    if (answer.kind === 'token') this.#end(answer)
    else if (answer.kind === 'malformed') this.#fail('malformed', answer.problem)
    else this.#refuse(answer.error)
  }

  #refuse(code: string | undefined): void {
    const error = code === undefined || this.#isQuoting(code) ? undefined : code
    const isRedirect = this.#status >= 300 && this.#status < 400
    const what = error ?? (isRedirect ? 'redirects are not followed' : 'no error code')
    const detail = `the token server answered ${this.#status}, ${what}`
    this.#fail('refused', detail, { error, retryAfterMs: this.#retryAfterMs() })
  }

  /** A server may answer with what it was sent. */
  #isQuoting(code: string): boolean {
    const secret = this.#definition.password?.reveal()
    if (secret !== undefined && secret !== '' && code.includes(secret)) return true
    return this.#environment.redact !== undefined && this.#environment.redact(code) !== code
  }

  #retryAfterMs(): number | undefined {
    const [value] = valuesOf(this.#headers, 'retry-after')
    if (value === undefined) return undefined
    const [date] = valuesOf(this.#headers, 'date')
    return parseRetryAfter(value, date, this.#environment.nowMs())
  }

  #failForSize(): void {
    // The headers still say how long to stay away.
    if (this.#status === 200 || this.#status === 201) {
      this.#fail('malformed', 'the answer is larger than 1 MiB')
    } else {
      this.#refuse(undefined)
    }
  }

  #fail(
    result: FetchFailure['result'],
    detail: string,
    more: Pick<FetchFailure, 'error' | 'retryAfterMs'> = {},
  ): void {
    this.#end({ kind: 'failure', result, detail, ...more })
  }

  #end(outcome: FetchOutcome): void {
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
