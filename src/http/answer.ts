/**
 * How the answer of an upstream is framed, judged on its raw header pairs: undici's parser accepts
 * framings that could be taken for another (`chunked` with a tab behind it, both lengths at once).
 */
import type { RawHeaders } from './exchange.ts'
import { foldName, hopByHopNames } from './headers.ts'

export interface AnswerFraming {
  readonly hasBody: boolean
  /** `undefined` for chunked answers and for those that end with the connection. */
  readonly contentLength: number | undefined
  /** Server-sent events: an answer without an end, silent at times. */
  readonly isEventStream: boolean
}

/** `undefined` where the framing is ambiguous: such an answer must not be passed on. */
export function findFraming(
  method: string,
  status: number,
  headers: RawHeaders,
): AnswerFraming | undefined {
  let contentLength: number | undefined
  let isChunked = false
  let isEventStream = false
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const value = headers[i + 1] ?? ''
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (contentLength !== undefined || !/^\d{1,15}$/.test(value)) return undefined
      contentLength = Number(value)
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (isChunked || value.toLowerCase() !== 'chunked') return undefined
      isChunked = true
    } else if (name.length === 12 && name.toLowerCase() === 'content-type') {
      isEventStream = value.slice(0, 17).toLowerCase() === 'text/event-stream'
    }
  }
  if (isChunked && contentLength !== undefined) return undefined
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304
  return { hasBody, contentLength, isEventStream }
}

/** Whether a 101 switches to WebSocket and to nothing else (RFC 6455 4.1). */
export function isToWebSocket(headers: RawHeaders): boolean {
  const upgrades = headers.filter(
    (_, i) => headers[i - 1]?.toLowerCase() === 'upgrade' && i % 2 === 1,
  )
  return upgrades.length === 1 && upgrades[0]?.toLowerCase() === 'websocket'
}

/** Header pairs as undici hands them over, one char a byte. */
export function latin1Headers(raw: readonly Buffer[]): string[] {
  return raw.map((bytes) => bytes.toString('latin1'))
}

const FORBIDDEN_TRAILERS = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'host',
  'trailer',
  'upgrade',
  'te',
  'keep-alive',
  'proxy-authenticate',
  'www-authenticate',
  'set-cookie',
  'content-encoding',
  'content-type',
  'content-range',
])

function isForbiddenTrailer(folded: string): boolean {
  return FORBIDDEN_TRAILERS.has(folded) || hopByHopNames.has(folded)
}

/** Trailers that nobody can mistake for framing, routing or authentication (RFC 9110 6.5.1). */
export function safeTrailers(trailers: RawHeaders): string[] {
  const safe: string[] = []
  for (let i = 0; i + 1 < trailers.length; i += 2) {
    const name = trailers[i] ?? ''
    const folded = foldName(name)
    if (!isForbiddenTrailer(folded) && !folded.startsWith('x-sidegate-')) {
      safe.push(name, trailers[i + 1] ?? '')
    }
  }
  return safe
}
