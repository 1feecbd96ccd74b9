/**
 * Reads `host[:port]` as targets, `Host` and URLs name it, into one spelling: names in lower case
 * without final dot, IPv4 as four decimal numbers however it was written (decimal, octal, hex, short),
 * IPv6 compressed, and IPv4 where IPv6 only wraps it. Two spellings that reach one host are one host
 * here, or they are refused: rules are found by this spelling, and it is also what is dialled.
 */
import { isIPv6 } from 'node:net'
import { BoundedMemory, isDigits } from '../http/headers.ts'

/** A host and, where it was said, a port. */
export interface Authority {
  /** Canonical; IPv6 without brackets. */
  readonly host: string
  /** 1 to 65535; `undefined` where none was said. */
  readonly port: number | undefined
  /** 4 or 6 where the host is an address, 0 where it is a name. */
  readonly family: 0 | 4 | 6
}

/** A canonical host and what it is. */
export interface CanonicalHost {
  readonly host: string
  readonly family: 0 | 4 | 6
}

/** 253 of a name, its final dot, a colon and five digits. */
const MAX_AUTHORITY = 260
const MAX_NAME = 253
const MAX_REMEMBERED = 1024

const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/
const NUMBER = /^(?:[0-9]+|0[xX][0-9A-Fa-f]*)$/
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

// The hosts that an application calls are few, and reading one costs more than finding it here.
const remembered = new BoundedMemory<Authority>(MAX_REMEMBERED)

/**
 * Reads `host[:port]`; `undefined` where it must be refused: userinfo, percent-escapes, whitespace,
 * non-ASCII, an empty host or port, port 0 or above 65535, a zone, a name that ends in a number
 * without being an address (programs disagree on what such a one is).
 */
export function findAuthority(text: string): Authority | undefined {
  if (text.length > MAX_AUTHORITY) return undefined
  const known = remembered.get(text)
  if (known !== undefined) return known
  const authority = readAuthority(text)
  // A slice of a target would keep the whole target alive.
  if (authority !== undefined) {
    remembered.set(Buffer.from(text, 'latin1').toString('latin1'), authority)
  }
  return authority
}

/** The canonical spelling of a host, IPv6 with or without brackets; `undefined` as above. */
export function findHost(text: string): CanonicalHost | undefined {
  if (text.startsWith('[')) return text.endsWith(']') ? findIpv6(text.slice(1, -1)) : undefined
  return text.includes(':') ? findIpv6(text) : findNameOrIpv4(text)
}

/** `host[:port]` as `Host` says it: IPv6 in brackets, without the default port of the scheme. */
export function formatAuthority(host: string, port: number, scheme: 'http' | 'https'): string {
  const bracketed = host.includes(':') ? `[${host}]` : host
  return port === defaultPort(scheme) ? bracketed : `${bracketed}:${port}`
}

/** `host:port`, whatever the port is; IPv6 in brackets. */
export function formatHostAndPort({
  host,
  port,
}: {
  readonly host: string
  readonly port: number
}): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The port that a URL of this scheme means when it names none. */
export function defaultPort(scheme: 'http' | 'https'): number {
  return scheme === 'https' ? 443 : 80
}

function readAuthority(text: string): Authority | undefined {
  const end = text.startsWith('[') ? text.indexOf(']') + 1 : findColon(text)
  const found = findHost(text.slice(0, end))
  if (found === undefined) return undefined
  if (end === text.length) return { ...found, port: undefined }
  const port = text[end] === ':' ? readPort(text.slice(end + 1)) : 0
  return port === 0 ? undefined : { ...found, port }
}

function findColon(text: string): number {
  const colon = text.indexOf(':')
  return colon === -1 ? text.length : colon
}

/** 0 where it is not a port. */
function readPort(text: string): number {
  if (text.length > 5 || !isDigits(text)) return 0
  const port = Number(text)
  return port > 65_535 ? 0 : port
}

function findIpv6(text: string): CanonicalHost | undefined {
  // A zone (`fe80::1%eth0`) means something on one machine only.
  if (!isIPv6(text) || text.includes('%')) return undefined
  const host = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const mapped = MAPPED.exec(host)
  if (mapped === null) return { host, family: 6 }
  const [, high = '', low = ''] = mapped
  return { host: formatIpv4(parseInt(high, 16) * 65_536 + parseInt(low, 16)), family: 4 }
}

function findNameOrIpv4(text: string): CanonicalHost | undefined {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text
  if (bare === '' || bare.length > MAX_NAME) return undefined
  const labels = bare.split('.')
  if (NUMBER.test(labels.at(-1) ?? '')) {
    const value = readIpv4(labels)
    return value === undefined ? undefined : { host: formatIpv4(value), family: 4 }
  }
  // Checked before it is folded: some letters beyond ASCII become ASCII in lower case.
  if (!labels.every((label) => LABEL.test(label))) return undefined
  return { host: bare.toLowerCase(), family: 0 }
}

/** As `inet_aton` reads it: one to four numbers, of which the last fills the bytes that are left. */
function readIpv4(parts: readonly string[]): number | undefined {
  if (parts.length > 4) return undefined
  const last = parts.length - 1
  let value = 0
  for (const [at, part] of parts.entries()) {
    const number = readNumber(part)
    const bytes = at === last ? 4 - last : 1
    if (number === undefined || number >= 256 ** bytes) return undefined
    value = value * 256 ** bytes + number
  }
  return value
}

function readNumber(text: string): number | undefined {
  if (/^0[xX][0-9A-Fa-f]+$/.test(text)) return parseInt(text.slice(2), 16)
  if (/^0[0-7]+$/.test(text)) return parseInt(text, 8)
  return /^(?:0|[1-9][0-9]*)$/.test(text) ? Number(text) : undefined
}

function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
}
