/**
 * What a request is for, before any rule is asked: the NAME form (origin-form, or whatever names our
 * own address), an absolute URL, a CONNECT, or a request inside a tunnel that ends here, which may
 * name nothing but what the tunnel was opened for. Pure: looks at the head alone.
 *
 * In absolute-form the authority of the target counts and `Host` is ignored and replaced (RFC 9112
 * 3.2.2), save inside a tunnel, where both must agree with it.
 */
import type { Code } from '../errors.ts'
import { defaultPort, findAuthority, findHost } from './authority.ts'
import type { Authority } from './authority.ts'
import type { OwnAddresses } from './own-addresses.ts'

/** The part of an `Exchange` that says what it is for. */
export interface TargetHead {
  readonly method: string
  readonly target: string
  /** The value of `Host`, `''` where there is none. */
  readonly host: string
  /** In lower case; `names[i]` belongs to `headers[2 * i]`. */
  readonly names: readonly string[]
  readonly headers: readonly string[]
}

/** The listener that a request came in through, or the tunnel. */
export interface TargetContext {
  readonly own: OwnAddresses
  /** The ports that egress listens on. */
  readonly ports: ReadonlySet<number>
  readonly isUnix: boolean
  /** Whether the listener ends TLS: a `Host` without port means 443 then. */
  readonly isTls: boolean
  /** Where the request came out of a CONNECT that ends here. */
  readonly tunnel?: Tunnel
}

/** What a CONNECT that ends here was opened for. */
export interface Tunnel {
  /** Canonical. */
  readonly host: string
  readonly port: number
  /** Whether TLS ends here too, or cleartext HTTP followed. */
  readonly isTls: boolean
  /** Whether it names our own address: its requests are in NAME form. */
  readonly isOwn: boolean
}

/** A refusal with what the caller can do about it; never anything secret. */
export interface TargetRefusal {
  readonly kind: 'refused'
  readonly code: Code
  readonly detail: string
}

/** What a request is for. */
export type Target =
  | {
      readonly kind: 'name'
      /** The first segment as written; whether there is such a connection is not known yet. */
      readonly name: string
      /** What follows it: `''`, or begins with `/` or `?`. */
      readonly rest: string
    }
  | {
      readonly kind: 'url'
      readonly scheme: 'http' | 'https'
      readonly authority: Authority
      /** In origin-form, as the upstream will get it; not guarded yet. */
      readonly target: string
    }
  | {
      readonly kind: 'connect'
      readonly host: string
      readonly port: number
      readonly isOwn: boolean
    }
  | TargetRefusal

const refusals = {
  form: refuse(
    'bad_request',
    'Send /NAME/…, an absolute http:// or https:// URL, or CONNECT HOST:PORT',
  ),
  authority: refuse(
    'bad_request',
    'Send HOST or HOST:PORT: ASCII letters, digits, "-", ".", "_", or an address',
  ),
  userinfo: refuse('bad_request', 'Send no userinfo (user:password@) in the target'),
  connectPort: refuse('bad_request', 'Send CONNECT HOST:PORT: the port is needed'),
  nested: refuse('bad_request', 'Send no CONNECT inside a tunnel that ends here'),
  options: refuse('bad_request', 'Send OPTIONS with a path: "OPTIONS *" is not forwarded'),
  browser: refuse(
    'browser_refused',
    'Send neither Origin nor Sec-Fetch-Site: this is not for browsers',
  ),
  notOurs: refuse(
    'authority_mismatch',
    'Send a Host that is ours: localhost, an address or the name of this machine with our port, or one of egress.names',
  ),
  tunnel: refuse(
    'authority_mismatch',
    'Send only requests for the host and port that the tunnel was opened for',
  ),
} as const

/** Says what a request is for. */
export function findTarget(head: TargetHead, context: TargetContext): Target {
  const { method, target } = head
  if (method === 'CONNECT')
    return context.tunnel === undefined ? readConnect(target, context) : refusals.nested
  if (target.startsWith('/')) return readOriginForm(head, context)
  return readAbsoluteForm(head, context)
}

/** Whether the name in SNI (`undefined` where there is none) is that of the tunnel. */
export function isServerNameOf(tunnel: Tunnel, serverName: string | undefined): boolean {
  if (serverName === undefined || serverName === '') return true
  return findHost(serverName)?.host === tunnel.host
}

function readConnect(target: string, context: TargetContext): Target {
  if (target.includes('@')) return refusals.userinfo
  const authority = findAuthority(target)
  if (authority === undefined) return refusals.authority
  const { host, port } = authority
  if (port === undefined) return refusals.connectPort
  return { kind: 'connect', host, port, isOwn: isOwnListener(host, port, context) }
}

function readOriginForm(head: TargetHead, context: TargetContext): Target {
  const { tunnel } = context
  const authority = findAuthority(head.host)
  if (authority === undefined) return refusals.authority
  if (tunnel === undefined) {
    return isOurs(authority, context) ? readName(head, head.target) : refusals.notOurs
  }
  if (!isOfTunnel(authority, tunnel, tunnel.isTls ? 'https' : 'http')) return refusals.tunnel
  return readInner(head, tunnel, authority, head.target)
}

function readAbsoluteForm(head: TargetHead, context: TargetContext): Target {
  const { tunnel } = context
  const scheme = findScheme(head.target)
  if (scheme === undefined) return refusals.form
  const start = scheme.length + '://'.length
  const end = findAuthorityEnd(head.target, start)
  const text = head.target.slice(start, end)
  if (text.includes('@')) return refusals.userinfo
  const authority = findAuthority(text)
  if (authority === undefined) return refusals.authority
  const path = head.target.slice(end)
  // The last proxy would have to say `*` (RFC 9112 3.2.4), which no rule can match.
  if (path === '' && head.method === 'OPTIONS') return refusals.options
  const target = path.startsWith('/') ? path : `/${path}`
  if (tunnel !== undefined) {
    const host = findAuthority(head.host)
    const isAgreed =
      isOfTunnel(authority, tunnel, scheme) &&
      host !== undefined &&
      isOfTunnel(host, tunnel, tunnel.isTls ? 'https' : 'http')
    return isAgreed ? readInner(head, tunnel, authority, target) : refusals.tunnel
  }
  if (isOwnListener(authority.host, authority.port ?? defaultPort(scheme), context)) {
    return readName(head, target)
  }
  return { kind: 'url', scheme, authority, target }
}

/** A request whose authority has been found to be the tunnel's. */
function readInner(
  head: TargetHead,
  tunnel: Tunnel,
  { family }: Authority,
  target: string,
): Target {
  if (tunnel.isOwn) return readName(head, target)
  const scheme = tunnel.isTls ? 'https' : 'http'
  // The tunnel's own port, said or not: it has been chosen by that one.
  return {
    kind: 'url',
    scheme,
    authority: { host: tunnel.host, port: tunnel.port, family },
    target,
  }
}

function readName(head: TargetHead, target: string): Target {
  if (hasBrowserHeader(head)) return refusals.browser
  let end = 1
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  return { kind: 'name', name: target.slice(1, end), rest: target.slice(end) }
}

/** Any `Origin`, `null` and empty too; any `Sec-Fetch-Site` but `none` (typed by the user). */
function hasBrowserHeader({ names, headers }: TargetHead): boolean {
  for (let at = 0; at < names.length; at++) {
    if (names[at] === 'origin') return true
    if (names[at] === 'sec-fetch-site' && headers[2 * at + 1] !== 'none') return true
  }
  return false
}

/** Whether absolute-form or CONNECT means us: the port decides between us and our neighbours. */
function isOwnListener(host: string, port: number, { own, ports }: TargetContext): boolean {
  return ports.has(port) && own.isOwnHost(host)
}

/**
 * Whether a `Host` in origin-form is ours. Names that the operator gave us may come with any port:
 * in front of a container stands a service that maps ports. The rest needs a port of ours; through
 * a unix socket ports mean nothing.
 */
function isOurs({ host, port }: Authority, context: TargetContext): boolean {
  const { own, ports, isUnix, isTls } = context
  if (own.isGivenName(host)) return true
  if (!isUnix && !ports.has(port ?? defaultPort(isTls ? 'https' : 'http'))) return false
  return own.isOwnHost(host)
}

function isOfTunnel({ host, port }: Authority, tunnel: Tunnel, scheme: 'http' | 'https'): boolean {
  return host === tunnel.host && (port ?? defaultPort(scheme)) === tunnel.port
}

/** Schemes are case-insensitive (RFC 3986 3.1). */
function findScheme(target: string): 'http' | 'https' | undefined {
  const prefix = target.slice(0, 'https://'.length).toLowerCase()
  if (prefix === 'https://') return 'https'
  return prefix.startsWith('http://') ? 'http' : undefined
}

function findAuthorityEnd(target: string, start: number): number {
  let end = start
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  return end
}

function refuse(code: Code, detail: string): TargetRefusal {
  return { kind: 'refused', code, detail }
}
