/**
 * The grammar of addresses: hosts, ports, listeners, URLs, networks. Pure; what is wrong is said as
 * `wanted …`, without the value, which the caller may not show.
 */
import { isIP, isIPv4, isIPv6, BlockList } from 'node:net'
import type { Listen } from './model.ts'

export const HOST_WANTED = 'wanted a host name (letters, digits, "-" and "."), or an IP address'
export const LISTEN_WANTED = 'wanted HOST:PORT such as 127.0.0.1:8000 or [::1]:8000, or unix:/path'

/** What is wrong with a value: `wanted …`. */
export class WantedError extends Error {}

function fail(wanted: string): never {
  throw new WantedError(wanted)
}

const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/

/** A host name or IP address in lower case, without final dot; IPv6 without brackets. Throws. */
export function parseHost(text: string): string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIPv6(bare)) return normalizeIpv6(bare)
  const host = text.toLowerCase().replace(/\.$/, '')
  if (isIPv4(host)) return host
  const labels = host.split('.')
  if (host === '' || host.length > 253 || !labels.every((label) => LABEL.test(label))) {
    fail(HOST_WANTED)
  }
  // Programs disagree on what `127.1` or `0x7f.1` is; a name never ends in a number.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) {
    fail('wanted an IPv4 address as four decimal numbers, or a host name')
  }
  return host
}

/** A host or `*.x`, which stands for one label. Throws. */
export function parseHostPattern(text: string): string {
  if (!text.startsWith('*.')) return parseHost(text)
  const rest = parseHost(text.slice(2))
  if (isIP(rest) !== 0) fail('wanted a host name after "*."')
  return `*.${rest}`
}

function normalizeIpv6(address: string): string {
  if (address.includes('%')) fail('wanted an IPv6 address without zone')
  return new URL(`http://[${address}]/`).hostname.slice(1, -1)
}

/** A port, 0 to 65535. Throws. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) fail('wanted a port from 0 to 65535')
  return port
}

/** Splits `HOST:PORT`, IPv6 in brackets. Throws. */
export function parseHostAndPort(text: string): { host: string; port: number } {
  const match = /^(\[[^\]]*\]|[^:[\]]+):(\d+)$/.exec(text)
  const host = match?.[1]
  const port = match?.[2]
  if (host === undefined || port === undefined) fail(LISTEN_WANTED)
  return { host: parseHost(host), port: parsePort(port) }
}

/** The address of a listener; the path of a unix socket as written. Throws. */
export function parseListen(text: string): Listen {
  if (text.startsWith('unix:')) return { kind: 'unix', path: parseSocketPath(text) }
  return { kind: 'tcp', ...parseHostAndPort(text) }
}

/** The path behind `unix:`, as written. Throws. */
export function parseSocketPath(text: string): string {
  const path = text.slice('unix:'.length)
  if (path === '' || path.startsWith('//') || path.includes('\0')) {
    fail('wanted the path of a socket after "unix:", such as unix:/run/app.sock')
  }
  return path
}

/** The most that the kernel takes (sun_path, with its final zero). */
export const MAX_SOCKET_PATH_BYTES = 107

/** What our URLs may have besides scheme, host and port. */
export interface UrlRules {
  readonly path: boolean
  readonly query?: boolean
  readonly wildcard?: boolean
}

/** A URL that has been checked. */
export interface CheckedUrl {
  readonly scheme: 'http' | 'https'
  /** Lower case; IPv6 without brackets; `*.x` where that is allowed. */
  readonly host: string
  readonly port: number
  /** `host[:port]`, without the default port, IPv6 in brackets. */
  readonly authority: string
  /** As written, `/` where there is none. */
  readonly path: string
}

/** Reads an http or https URL without userinfo and fragment. Throws. */
export function parseUrl(text: string, rules: UrlRules): CheckedUrl {
  const match = /^(https?):\/\/([^/?#\\]*)(\/[^?#\\]*)?(\?[^#]*)?(#.*)?$/s.exec(text)
  if (match === null) fail('wanted a URL that starts with http:// or https://')
  const [, scheme = '', authority = '', path = '/', query, fragment] = match
  if (authority.includes('@')) fail('wanted a URL without userinfo (user:password@)')
  if (fragment !== undefined) fail('wanted a URL without fragment (#)')
  if (query !== undefined && rules.query !== true) fail('wanted a URL without query (?)')
  if (path !== '/' && !rules.path) fail('wanted a URL without path')
  if (/[^\x21-\x7e]/.test(text)) fail('wanted a URL of printable ASCII (others percent-encoded)')
  const isHttps = scheme === 'https'
  const defaultPort = isHttps ? 443 : 80
  const withPort = /:\d*$/.test(authority) && !/^\[[^\]]*$/.test(authority)
  const colon = withPort ? authority.lastIndexOf(':') : authority.length
  const hostText = authority.slice(0, colon)
  const portText = authority.slice(colon + 1)
  const host = rules.wildcard === true ? parseHostPattern(hostText) : parseUrlHost(hostText)
  const port = portText === '' ? defaultPort : parsePort(portText)
  if (port === 0) fail('wanted a port from 1 to 65535')
  const bracketed = isIPv6(host) ? `[${host}]` : host
  return {
    scheme: isHttps ? 'https' : 'http',
    host,
    port,
    authority: port === defaultPort ? bracketed : `${bracketed}:${port}`,
    path,
  }
}

function parseUrlHost(text: string): string {
  if (isIPv6(text)) fail('wanted brackets around the IPv6 address')
  return parseHost(text)
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Whether a host is `localhost` or a loopback address. */
export function isLoopbackHost(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host === 'localhost' || host.endsWith('.localhost')
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

/** Whether what is sent to a host stays on this machine; names below `localhost` may be looked up. */
export function isSurelyLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && isLoopbackHost(host))
}

/** A network as `ADDRESS/BITS`; an address alone is a network of one. Throws. */
export function parseCidr(text: string): string {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  const max = family === 6 ? 128 : 32
  if (family === 0 || rest.length > 0 || address.includes('%')) {
    fail('wanted a network such as 10.0.0.0/8 or fd00::/8')
  }
  const width = bits === undefined ? max : Number(bits)
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || width > max)) {
    fail(`wanted a prefix length from 0 to ${max}`)
  }
  return `${address}/${width}`
}
