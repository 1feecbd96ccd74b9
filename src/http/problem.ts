/**
 * The body and headers of an error of ours: RFC 9457 problem documents. Everything but the request
 * id is prepared when the module loads, so that a flood of refusals costs one concatenation each.
 */
import { catalogue } from '../errors.ts'
import type { Code } from '../errors.ts'

/** A whole answer; `headers` is a fresh flat list that the caller may add to. */
export interface ProblemAnswer {
  readonly status: number
  readonly headers: string[]
  readonly body: Buffer
}

interface Prepared {
  readonly status: number
  readonly code: Code
  /** The document up to and including the quote that opens the request id. */
  readonly opening: string
}

const prepared = prepareAll()

function prepareAll(): ReadonlyMap<Code, Prepared> {
  const parts = new Map<Code, Prepared>()
  for (const code of Object.keys(catalogue) as Code[]) {
    const { status, title } = catalogue[code]
    const head = JSON.stringify({ type: problemType(code), title, status, code, request_id: '' })
    parts.set(code, { status, code, opening: head.slice(0, -2) })
  }
  return parts
}

/**
 * The `type` of a problem. A URN, because nobody owns a host that such a name could be looked up
 * at and RFC 9457 3.1.1 asks for an identifier, not for a page; as permanent as the code itself.
 */
export function problemType(code: Code): string {
  return `urn:sidegate:problem:${code}`
}

/**
 * Renders an error of ours. `detail` is for causes that the caller may know; never pass it where
 * reasons must look alike (401). Add `WWW-Authenticate`, `Proxy-Authenticate` or `Allow` to `headers`.
 */
export function renderProblem(
  code: Code,
  requestId: string,
  detail?: string,
  retryAfterS?: number,
): ProblemAnswer {
  const parts = prepared.get(code)
  if (parts === undefined) throw new TypeError(`no such code: "${code}"`)
  const id = isRequestId(requestId) ? requestId : ''
  const closing = detail === undefined ? '"}' : `","detail":${JSON.stringify(detail)}}`
  const headers = [
    'Content-Type',
    'application/problem+json',
    'X-Sidegate-Error',
    parts.code,
    'X-Request-Id',
    id,
    // Without it, caches may keep 404 and 405 (RFC 9111 4.2.2) past a reload.
    'Cache-Control',
    'no-store',
  ]
  if (retryAfterS !== undefined) {
    headers.push('Retry-After', String(Math.max(1, Math.ceil(retryAfterS))))
  }
  return { status: parts.status, headers, body: Buffer.from(parts.opening + id + closing) }
}

/** Whether a text is 1 to 128 of `A-Za-z0-9._-`, so that it can stand in a header and in JSON. */
export function isRequestId(text: string): boolean {
  if (text.length === 0 || text.length > 128) return false
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i)
    const isPlain =
      (char >= 0x61 && char <= 0x7a) ||
      (char >= 0x30 && char <= 0x39) ||
      (char >= 0x41 && char <= 0x5a) ||
      char === 0x2d ||
      char === 0x2e ||
      char === 0x5f
    if (!isPlain) return false
  }
  return true
}
