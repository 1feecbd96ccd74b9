/** The signature over a request: its parts, in their order, as they stand on the wire. */
import { createHash, createHmac } from 'node:crypto'
import type { HmacPart, HmacSettings } from './settings.ts'

/** What can be signed of a request. Strings are Latin-1: one char is one byte of the wire. */
export interface SignedRequest {
  readonly method: string
  /** Path and query, as on the wire. */
  readonly target: string
  readonly host: string
  /** Flat list name, value … of the wire. */
  readonly headers: readonly string[]
  /** Empty where there is none. */
  readonly body: Buffer
}

/** What belongs to one signature alone, as it is sent. */
export interface SignatureMarks {
  readonly timestamp: string
  readonly nonce: string
}

/** Bytes of a signature. */
export const signatureBytes = { sha1: 20, sha256: 32, sha512: 64 } as const satisfies Record<
  HmacSettings['algorithm'],
  number
>

type Signing = ReturnType<typeof createHmac>

/** Computes the signature of a request under one key. */
export function computeSignature(
  settings: Pick<HmacSettings, 'algorithm' | 'stringToSign' | 'separator'>,
  key: Buffer,
  request: SignedRequest,
  marks: SignatureMarks,
): Buffer {
  const hmac = createHmac(settings.algorithm, key)
  for (const [index, part] of settings.stringToSign.entries()) {
    if (index > 0 && settings.separator !== '') hmac.update(settings.separator, 'utf8')
    addPart(hmac, part, request, marks)
  }
  return hmac.digest()
}

function addPart(
  hmac: Signing,
  part: HmacPart,
  request: SignedRequest,
  marks: SignatureMarks,
): void {
  switch (part.kind) {
    case 'literal':
      hmac.update(part.text, 'utf8')
      break
    case 'body':
      hmac.update(request.body)
      break
    case 'body_sha256':
      hmac.update(createHash('sha256').update(request.body).digest('hex'), 'latin1')
      break
    default:
      hmac.update(textOf(part, request, marks), 'latin1')
  }
}

function textOf(
  part: Exclude<HmacPart, { readonly kind: 'literal' }>,
  { method, target, host, headers }: SignedRequest,
  marks: SignatureMarks,
): string {
  switch (part.kind) {
    case 'method':
      return method
    case 'target':
      return target
    case 'host':
      return host
    case 'path':
      return splitTarget(target).path
    case 'query':
      return splitTarget(target).query
    case 'header':
      return part.name.toLowerCase() === 'host' ? host : joinAll(headers, part.name)
    case 'timestamp':
      return marks.timestamp
    case 'nonce':
      return marks.nonce
    default:
      throw new Error(`sign a request: "${part.kind}" is no text`)
  }
}

function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const at = target.indexOf('?')
  return at < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, at), query: target.slice(at + 1) }
}

/** All values of a header, as RFC 9110, section 5.3, joins them; `""` where it is absent. */
function joinAll(headers: readonly string[], name: string): string {
  const wanted = name.toLowerCase()
  const values: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() === wanted) values.push(headers[at + 1] ?? '')
  }
  return values.join(', ')
}

/** The value of a header; `undefined` where it is absent, and where several would be one to a reader. */
export function findOne(headers: readonly string[], name: string): string | undefined {
  const wanted = name.toLowerCase()
  let found: string | undefined
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() !== wanted) continue
    if (found !== undefined) return undefined
    found = headers[at + 1]
  }
  return found
}
