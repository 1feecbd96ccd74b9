/**
 * Strict HTTP: judges a request head that a parser has split, on its raw pairs. What two programs
 * could frame, route or attribute differently is a fault; the handler answers it and closes.
 * Pure: no sockets, no configuration.
 */
import { isIPv6 } from 'node:net'
import type { Code } from '../errors.ts'
import { ROLE, findName, isDigits, isToken } from './headers.ts'
import type { Role } from './headers.ts'

/** More pairs than this are refused; Node 20 silently cuts at about 1000. */
export const MAX_HEADER_PAIRS = 256

/** A request head as the parser split it. */
export interface RequestHead {
  readonly method: string
  readonly target: string
  readonly versionMajor: number
  readonly versionMinor: number
  /** Flat list name, value, name, value … */
  readonly rawHeaders: readonly string[]
}

/** What a request head means. Where there is a fault, only `fault` and `names` may be used. */
export interface Judgement {
  readonly fault: Code | undefined
  /** The names in lower case, one per pair; empty if there were too many to look at. */
  readonly names: readonly string[]
  readonly contentLength: number | undefined
  readonly isChunked: boolean
  /** The client waits for a 100 before it sends a body. */
  readonly expectsContinue: boolean
  /** An `Expect` other than `100-continue`. */
  readonly hasUnknownExpectation: boolean
  /** GET on 1.1 without a body, `Upgrade: websocket` alone, and `Connection` that lists `upgrade`. */
  readonly isWebSocket: boolean
  /** The value of `Host` as sent; `''` where a CONNECT by HTTP/1.0 has none. */
  readonly host: string
  /** Whether the client wants the connection to stay open after the answer. */
  readonly keepsAlive: boolean
}

/**
 * Which forms of target a listener takes: origin-form alone (RFC 9112 3.2.1), or those of a proxy,
 * which parses the target itself and takes CONNECT.
 */
export type TargetForm = 'origin' | 'any'

const CLOSE = 1
const KEEP_ALIVE = 2
const UPGRADE = 4

/** What one pass over the pairs has seen. */
interface Tally {
  isSound: boolean
  hosts: number
  host: string
  lengths: number
  length: string
  encodings: number
  encoding: string
  connection: number
  upgrades: number
  upgrade: string
  continues: number
  unknownExpectations: number
  authorizations: number
  proxyAuthorizations: number
}

/** Judges a request head: its first fault, and what the transport and the handler need to know. */
export function judgeHead(head: RequestHead, form: TargetForm): Judgement {
  const names: string[] = []
  const tally = createTally()
  const isTooMany = head.rawHeaders.length > 2 * MAX_HEADER_PAIRS
  if (!isTooMany) readPairs(head.rawHeaders, names, tally)
  const isHttp11 = head.versionMajor === 1 && head.versionMinor === 1
  const isChunked = tally.encodings > 0
  const contentLength = tally.lengths > 0 ? Number(tally.length) : undefined
  const isBodiless = !isChunked && contentLength === undefined
  return {
    fault: isTooMany ? 'headers_too_large' : findFault(head, form, tally),
    names,
    contentLength,
    isChunked,
    expectsContinue: tally.continues > 0 && isHttp11 && (isChunked || (contentLength ?? 0) > 0),
    hasUnknownExpectation: tally.unknownExpectations > 0,
    isWebSocket: isHttp11 && isBodiless && head.method === 'GET' && asksForWebSocket(tally),
    host: tally.host,
    keepsAlive: keepsAlive(tally.connection, isHttp11),
  }
}

/**
 * Whether a `Host` value names one host: a registered name or IPv4 address of unreserved characters
 * (no escapes or sub-delimiters, which only help to spell one host in two ways) or an IPv6 address
 * in brackets, and a port if there is a colon.
 */
export function isHost(value: string): boolean {
  if (value.length > 261) return false
  if (value.startsWith('[')) return isIpv6Host(value)
  let labelStart = 0
  let at = 0
  for (; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === 0x3a) break
    if (code === 0x2e) {
      if (at === labelStart) return false
      labelStart = at + 1
    } else if (!isHostCode(code)) {
      return false
    }
  }
  return at > 0 && (at === value.length || isPort(value.slice(at + 1)))
}

function createTally(): Tally {
  return {
    isSound: true,
    hosts: 0,
    host: '',
    lengths: 0,
    length: '',
    encodings: 0,
    encoding: '',
    connection: 0,
    upgrades: 0,
    upgrade: '',
    continues: 0,
    unknownExpectations: 0,
    authorizations: 0,
    proxyAuthorizations: 0,
  }
}

function readPairs(rawHeaders: readonly string[], names: string[], tally: Tally): void {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const value = rawHeaders[at + 1] ?? ''
    const name = findName(rawHeaders[at] ?? '')
    if (name === undefined || !isFieldValue(value)) tally.isSound = false
    names.push(name === undefined ? '' : name.lower)
    if (name !== undefined && name.role !== ROLE.OTHER) readRole(name.role, value, tally)
  }
}

function readRole(role: Role, value: string, tally: Tally): void {
  switch (role) {
    case ROLE.HOST:
      tally.hosts++
      tally.host = value
      break
    case ROLE.CONTENT_LENGTH:
      tally.lengths++
      tally.length = value
      break
    case ROLE.TRANSFER_ENCODING:
      tally.encodings++
      tally.encoding = value
      break
    case ROLE.CONNECTION:
      tally.connection |= readConnection(value)
      break
    case ROLE.UPGRADE:
      tally.upgrades++
      tally.upgrade = value
      break
    case ROLE.EXPECT:
      if (value.toLowerCase() === '100-continue') tally.continues++
      else tally.unknownExpectations++
      break
    case ROLE.AUTHORIZATION:
      tally.authorizations++
      break
    case ROLE.PROXY_AUTHORIZATION:
      tally.proxyAuthorizations++
      break
    case ROLE.OTHER:
  }
}

function findFault(head: RequestHead, form: TargetForm, tally: Tally): Code | undefined {
  const isOrigin = form === 'origin'
  if (head.versionMajor !== 1 || (head.versionMinor !== 1 && head.versionMinor !== 0)) {
    return 'bad_request'
  }
  if (!tally.isSound || !isToken(head.method)) return 'bad_request'
  if (!hasSoundFraming(head, tally) || !hasSoundHost(head, form, tally)) return 'bad_request'
  // Egress replaces a repeated Authorization of the app's; inbound could not say whose it is.
  if (tally.proxyAuthorizations > 1 || (isOrigin && tally.authorizations > 1)) return 'bad_request'
  // TRACE would show the app, or a script in a browser, the credentials that were added.
  if (head.method === 'TRACE' || (isOrigin && head.method === 'CONNECT')) return 'method_refused'
  return isOrigin && !head.target.startsWith('/') ? 'bad_request' : undefined
}

function hasSoundFraming(head: RequestHead, tally: Tally): boolean {
  if (tally.encodings > 0) {
    // With a body, what follows a CONNECT would be body to one program and tunnel to another.
    if (tally.lengths > 0 || head.versionMinor !== 1 || head.method === 'CONNECT') return false
    return tally.encodings === 1 && tally.encoding.toLowerCase() === 'chunked'
  }
  if (tally.lengths === 0) return true
  if (tally.lengths > 1 || !isDigits(tally.length)) return false
  const length = Number(tally.length)
  return Number.isSafeInteger(length) && (length === 0 || head.method !== 'CONNECT')
}

function hasSoundHost(head: RequestHead, form: TargetForm, tally: Tally): boolean {
  if (tally.hosts === 1) return isHost(tally.host)
  // Python, pip and others open tunnels with HTTP/1.0 and no Host.
  const needsNone = form === 'any' && head.method === 'CONNECT' && head.versionMinor === 0
  return tally.hosts === 0 && needsNone
}

function asksForWebSocket(tally: Tally): boolean {
  return (
    tally.upgrades === 1 &&
    (tally.connection & UPGRADE) !== 0 &&
    tally.upgrade.toLowerCase() === 'websocket'
  )
}

/** No control characters but the tab, nothing beyond Latin-1. */
function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code >= 0x20 && code < 0x7f) continue
    if (code !== 0x09 && (code < 0x80 || code > 0xff)) return false
  }
  return true
}

function readConnection(value: string): number {
  if (value === 'keep-alive') return KEEP_ALIVE
  if (value === 'close') return CLOSE
  let options = 0
  for (const item of value.split(',')) {
    const option = item.trim().toLowerCase()
    if (option === 'close') options |= CLOSE
    else if (option === 'keep-alive') options |= KEEP_ALIVE
    else if (option === 'upgrade') options |= UPGRADE
  }
  return options
}

function isHostCode(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    code === 0x2d ||
    code === 0x5f ||
    code === 0x7e
  )
}

function isIpv6Host(value: string): boolean {
  const end = value.indexOf(']')
  const address = value.slice(1, Math.max(end, 1))
  // A zone (`fe80::1%eth0`) means something on one machine only.
  if (!isIPv6(address) || address.includes('%')) return false
  return end === value.length - 1 || (value[end + 1] === ':' && isPort(value.slice(end + 2)))
}

function isPort(text: string): boolean {
  return text.length <= 5 && isDigits(text) && Number(text) <= 65_535
}

function keepsAlive(connection: number, isHttp11: boolean): boolean {
  if ((connection & CLOSE) !== 0) return false
  return isHttp11 || (connection & KEEP_ALIVE) !== 0
}
