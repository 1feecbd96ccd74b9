/**
 * One outgoing connection, compiled: what it names, where it leads, and what its own rules (`methods`,
 * `paths`, `is_active`, the path oddities) say about a request that has come to it.
 */
import type { OutgoingConfig } from '../config/model.ts'
import { parseUrl } from '../config/network.ts'
import { allowedOddities } from '../http/path.ts'
import type { GuardedTarget } from '../http/path.ts'
import { matches, parsePattern } from '../http/pattern.ts'
import type { PathPattern } from '../http/pattern.ts'
import { findHost } from './authority.ts'
import { createDestination } from './destination.ts'
import type { Destination } from './destination.ts'
import { refuseInactive, refuseMethod, refuseOddPath, refusePath } from './refusals.ts'
import type { Refusal } from './refusals.ts'

/** What the choice looks at of an outgoing connection. */
export type OutgoingRule = Pick<
  OutgoingConfig,
  | 'name'
  | 'url'
  | 'security'
  | 'allowPlaintext'
  | 'match'
  | 'https'
  | 'paths'
  | 'methods'
  | 'isActive'
  | 'encodedSlashes'
  | 'emptySegments'
  | 'pathParameters'
  | 'doubleEncoding'
>

/** A compiled connection, and what its owner keeps with it. */
export interface Route<T> {
  readonly connection: OutgoingRule
  readonly value: T
  readonly scheme: 'http' | 'https'
  /** Canonical, or `*.x`. */
  readonly host: string
  readonly port: number
  /** The path of `url` as written. */
  readonly urlPath: string
  /** Bit set of path oddities that it lets through. */
  readonly allowed: number
  /** `undefined` for wildcards, which lead wherever the request says. */
  readonly destination: Destination | undefined
  readonly methods: ReadonlySet<string> | undefined
  readonly paths: readonly PathPattern[] | undefined
}

/** Compiles a connection; throws if its `url` or one of its `paths` cannot be read. */
export function createRoute<T>(connection: OutgoingRule, value: T): Route<T> {
  const url = parseUrl(connection.url, { path: true, wildcard: true })
  const isWildcard = url.host.startsWith('*.')
  const host = isWildcard ? url.host : findHost(url.host)?.host
  if (host === undefined) throw new Error(`cannot read the host of "${connection.url}"`)
  const { scheme, port, path: urlPath } = url
  const allowed = allowedOddities(connection)
  const dialled = { scheme, host, port }
  return {
    connection,
    value,
    scheme,
    host,
    port,
    urlPath,
    allowed,
    destination: isWildcard
      ? undefined
      : createDestination('named', host, dialled, isLocalOnly(connection, scheme)),
    methods: connection.methods === undefined ? undefined : methodsOf(connection.methods),
    paths: connection.paths?.map((path) => parsePattern(path, allowed)),
  }
}

/** Where a request for `host` goes that has come to a route. */
export function destinationOf<T>(route: Route<T>, host: string): Destination {
  const { scheme, port, connection } = route
  if (route.destination !== undefined) return route.destination
  const dialled = { scheme, host, port }
  return createDestination('wildcard', route.host, dialled, isLocalOnly(connection, scheme))
}

/** Without `allow_plaintext` it was let pass at load because its host is `localhost` or an address of it. */
function isLocalOnly({ security, allowPlaintext }: OutgoingRule, scheme: string): boolean {
  return scheme === 'http' && security !== 'none' && !allowPlaintext
}

/** Why the rules of a route refuse a request; `undefined` where they let it pass. */
export function findRuleRefusal<T>(
  route: Route<T>,
  method: string,
  guarded: GuardedTarget,
): Refusal | undefined {
  const { connection, methods, paths, allowed } = route
  if (!connection.isActive) return refuseInactive(connection)
  if ((guarded.oddities & ~allowed) !== 0)
    return refuseOddPath(guarded.oddities & ~allowed, connection)
  if (methods?.has(method) === false) return refuseMethod(connection)
  if (paths?.some((pattern) => matches(pattern, guarded.path)) === false) {
    return refusePath(connection)
  }
  return undefined
}

/** GET includes HEAD, as for channels. */
function methodsOf(methods: readonly string[]): ReadonlySet<string> {
  return new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods)
}
