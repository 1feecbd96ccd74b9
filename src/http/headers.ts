/**
 * What is known about header fields whoever handles them: spellings, hop-by-hop fields, fields that
 * `Connection` nominates (RFC 9110 7.6.1), and what must not pass from an upstream's answer.
 */

/** What a header means to the transport. */
export const ROLE = {
  OTHER: 0,
  HOST: 1,
  CONTENT_LENGTH: 2,
  TRANSFER_ENCODING: 3,
  CONNECTION: 4,
  UPGRADE: 5,
  EXPECT: 6,
  AUTHORIZATION: 7,
  PROXY_AUTHORIZATION: 8,
} as const

/** A value of `ROLE`. */
export type Role = (typeof ROLE)[keyof typeof ROLE]

/** What one spelling of a header name comes to; shared by all requests. */
export interface KnownName {
  /** In lower case. */
  readonly lower: string
  /** See `foldName`. */
  readonly folded: string
  readonly role: Role
  readonly isHopByHop: boolean
}

/** The fields that end at the next hop, in lower case, whatever `Connection` says. */
export const hopByHopNames: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'trailer',
  'http2-settings',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
])

const roles: ReadonlyMap<string, Role> = new Map([
  ['host', ROLE.HOST],
  ['content-length', ROLE.CONTENT_LENGTH],
  ['transfer-encoding', ROLE.TRANSFER_ENCODING],
  ['connection', ROLE.CONNECTION],
  ['upgrade', ROLE.UPGRADE],
  ['expect', ROLE.EXPECT],
  ['authorization', ROLE.AUTHORIZATION],
  ['proxy-authorization', ROLE.PROXY_AUTHORIZATION],
])

/**
 * A bounded memory for what can be computed anew: two generations, the older dropped when the
 * younger is full. A flooder makes it forget, never grow, and what is in use comes back at once.
 */
export class BoundedMemory<V extends object | string | number | boolean> {
  readonly #maxPerGeneration: number
  #young = new Map<string, V>()
  #old = new Map<string, V>()

  constructor(maxPerGeneration: number) {
    this.#maxPerGeneration = maxPerGeneration
  }

  get(key: string): V | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const older = this.#old.get(key)
    if (older !== undefined) this.set(key, older)
    return older
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#maxPerGeneration) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }
}

const MAX_NAMES = 1024
const MAX_REMEMBERED_NAME = 64
const knownNames = new BoundedMemory<KnownName>(MAX_NAMES)

const isTokenByte = new Uint8Array(128).map((_, byte) =>
  /[A-Za-z0-9!#$%&'*+.^_`|~-]/.test(String.fromCharCode(byte)) ? 1 : 0,
)

/** Whether a text is a token (RFC 9110 5.6.2), as names and methods must be. */
export function isToken(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    if (isTokenByte[text.charCodeAt(at)] !== 1) return false
  }
  return text.length > 0
}

/** What a header name, in the spelling of the wire, comes to; `undefined` if it is not a token. */
export function findName(name: string): KnownName | undefined {
  const known = knownNames.get(name)
  if (known !== undefined) return known
  if (!isToken(name)) return undefined
  const lower = name.toLowerCase()
  const fresh: KnownName = {
    lower,
    folded: foldName(lower),
    role: roles.get(lower) ?? ROLE.OTHER,
    isHopByHop: hopByHopNames.has(lower),
  }
  if (name.length <= MAX_REMEMBERED_NAME) knownNames.set(name, fresh)
  return fresh
}

/**
 * The one form of all spellings that some service takes for the same header: lower case, with `-`
 * for `_` and `.` (CGI, WSGI and PHP know no difference between them).
 */
export function foldName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-').replaceAll('.', '-')
}

/** The value of the first header with a lower-case name; `undefined` if there is none. */
export function findHeader(
  names: readonly string[],
  headers: readonly string[],
  name: string,
): string | undefined {
  const at = names.indexOf(name)
  return at === -1 ? undefined : headers[2 * at + 1]
}

/**
 * Whether one of the watched names, both in lower case, is there twice. Where it decides who is calling
 * nobody could say which of the two counts.
 */
export function hasRepeated(names: readonly string[], watched: ReadonlySet<string>): boolean {
  for (let at = 0; at < names.length; at++) {
    const name = names[at] ?? ''
    if (watched.has(name) && names.includes(name, at + 1)) return true
  }
  return false
}

/**
 * The names, in lower case, that the `Connection` headers nominate beyond those that are hop-by-hop
 * anyway; `undefined` where there are none, which is nearly always.
 */
export function findNominated(
  names: readonly string[],
  headers: readonly string[],
): ReadonlySet<string> | undefined {
  let nominated: Set<string> | undefined
  for (let at = names.indexOf('connection'); at !== -1; at = names.indexOf('connection', at + 1)) {
    nominated = addNominated(headers[2 * at + 1] ?? '', nominated)
  }
  return nominated
}

function addNominated(value: string, nominated: Set<string> | undefined): Set<string> | undefined {
  if (value === 'keep-alive' || value === 'close' || value === 'Keep-Alive') return nominated
  let all = nominated
  for (const item of value.split(',')) {
    const name = item.trim().toLowerCase()
    if (name === '' || name === 'close' || hopByHopNames.has(name)) continue
    all ??= new Set()
    all.add(name)
  }
  return all
}

/** What passes of an upstream's headers, and what its `Content-Length` said. */
export interface FilteredHeaders {
  /** Flat list without hop-by-hop and framing headers, in the order and the case of the upstream. */
  readonly headers: string[]
  /** `undefined` where there was none, or not exactly one of plain digits. */
  readonly contentLength: string | undefined
}

/**
 * What passes to the client of an answer's headers or trailers: not what is hop-by-hop, nominated,
 * framing, or `X-Sidegate-Error` in any spelling. With `requestId` ours replaces the upstream's.
 */
export function filterResponseHeaders(
  rawHeaders: readonly string[],
  requestId?: string,
): FilteredHeaders {
  const headers: string[] = []
  let nominated: Set<string> | undefined
  let contentLength: string | undefined
  let lengths = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    const known = findName(name)
    if (known === undefined) continue
    if (known.role === ROLE.CONTENT_LENGTH) {
      contentLength = value
      lengths++
    } else if (known.role === ROLE.CONNECTION) {
      nominated = addNominated(value, nominated)
    } else if (!isWithheld(known, requestId !== undefined)) {
      headers.push(name, value)
    }
  }
  const passing = nominated === undefined ? headers : withoutNominated(headers, nominated)
  if (requestId !== undefined) passing.push('X-Request-Id', requestId)
  return {
    headers: passing,
    contentLength: lengths === 1 && isDigits(contentLength ?? '') ? contentLength : undefined,
  }
}

function isWithheld(known: KnownName, hasOwnRequestId: boolean): boolean {
  if (known.isHopByHop || known.folded === 'x-sidegate-error') return true
  return hasOwnRequestId && known.folded === 'x-request-id'
}

/** `Connection` may come after what it nominates, so this is a second pass, seldom needed. */
function withoutNominated(headers: readonly string[], nominated: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!nominated.has(name.toLowerCase())) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}

/** Whether a text is digits and nothing else, at least one. */
export function isDigits(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x30 || code > 0x39) return false
  }
  return text.length > 0
}
