/**
 * Maps the `Location` of an answer in NAME form back to `/NAME/…`, so that a client that follows it
 * comes to the same connection again. Only what lies within the connection's own origin and base path
 * is mapped; all else, and whatever two programs could read differently (dot segments, backslashes,
 * another spelling of the base path), passes untouched. Relative references are right as they are.
 *
 * `Content-Location`, `Link` and `Refresh` are not mapped: nobody follows them by itself, and what
 * they say (RFC 9110 8.7) is about the upstream's own resource.
 */
import { guardTarget } from '../http/path.ts'
import { defaultPort, findAuthority } from './authority.ts'
import type { Destination } from './destination.ts'

/** The connection that an answer came through. */
export interface LocationScope {
  /** NAME. */
  readonly name: string
  readonly destination: Pick<Destination, 'scheme' | 'host' | 'port'>
  /** The path of `url` as written. */
  readonly urlPath: string
  /** Bit set of oddities that the connection lets through. */
  readonly allowed: number
}

/** The target that `/NAME` + `rest` is for the upstream: `rest` is `''` or begins with `/` or `?`. */
export function joinTarget(urlPath: string, rest: string): string {
  if (!rest.startsWith('/')) return urlPath + rest
  return (urlPath.endsWith('/') ? urlPath.slice(0, -1) : urlPath) + rest
}

/** A `Location` for the client. */
export function mapLocation(location: string, scope: LocationScope): string {
  const pathAt = findPath(location, scope)
  if (pathAt === -1) return location
  const end = findPathEnd(location, pathAt)
  const path = end === pathAt ? '/' : location.slice(pathAt, end)
  const guarded = guardTarget(path)
  if (guarded === undefined || (guarded.oddities & ~scope.allowed) !== 0) return location
  const rest = findRest(path, scope.urlPath)
  return rest === undefined ? location : `/${scope.name}${rest}${location.slice(end)}`
}

/** Where the path begins of what lies within the origin of the connection; -1 where it does not. */
function findPath(location: string, { destination }: LocationScope): number {
  if (location.startsWith('/') && !location.startsWith('//')) return 0
  const match = /^(?:(https?):)?\/\/([^/?#]*)/i.exec(location)
  if (match === null) return -1
  const [prefix, scheme, text = ''] = match
  if (scheme !== undefined && scheme.toLowerCase() !== destination.scheme) return -1
  const authority = findAuthority(text)
  if (authority?.host !== destination.host) return -1
  return (authority.port ?? defaultPort(destination.scheme)) === destination.port
    ? prefix.length
    : -1
}

function findPathEnd(location: string, pathAt: number): number {
  let end = pathAt
  while (end < location.length && location[end] !== '?' && location[end] !== '#') end++
  return end
}

/** What must follow `/NAME` so that the upstream gets this very path; `undefined` where nothing can. */
function findRest(path: string, urlPath: string): string | undefined {
  const base = urlPath.endsWith('/') ? urlPath.slice(0, -1) : urlPath
  if (path.startsWith(`${base}/`)) return path.slice(base.length)
  return path === urlPath ? '' : undefined
}

/** Maps every `Location` of an answer's flat list of headers, in place. */
export function mapLocations(headers: string[], scope: LocationScope): string[] {
  for (let at = 0; at < headers.length; at += 2) {
    if ((headers[at] ?? '').toLowerCase() === 'location') {
      headers[at + 1] = mapLocation(headers[at + 1] ?? '', scope)
    }
  }
  return headers
}
