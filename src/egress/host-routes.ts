/**
 * The connections of one host: by port, and there by base path. The longest base path on segment
 * boundaries wins, found by walking down a trie whose depth is that of the base paths, so that a
 * request costs the same with one connection and with a thousand.
 */
import { guardTarget } from '../http/path.ts'
import { decodeReserved } from '../http/pattern.ts'
import { defaultPort } from './authority.ts'
import type { Route } from './route.ts'

/** The connections of a host and a port, or of what no port and port 80 select. */
export interface PortRoutes<T> {
  /** In the order of the configuration; never empty. */
  readonly routes: readonly Route<T>[]
  /** What CONNECT means here. */
  readonly tunnelMode: TunnelMode
  /** The route with the longest base path, by the `path` of a `GuardedTarget`. */
  find(path: string): Route<T> | undefined
}

/**
 * What CONNECT means, of all connections of one authority. `mixed`: not all say what would be needed
 * for a tunnel that nobody looks into; `inactive`: all are switched off, or one is and could be
 * reached through such a tunnel.
 */
export type TunnelMode = 'cleartext' | 'intercept' | 'tunnel' | 'mixed' | 'inactive'

/** The connections that have one host, or one `*.x`. */
export interface HostRoutes<T> {
  readonly byPort: ReadonlyMap<number, PortRoutes<T>>
  /** What no port and port 80 select; `undefined` where that would be ambiguous. */
  readonly onDefault: PortRoutes<T> | undefined
  /** Of all connections with `match: host`, in ascending order; empty where there are none. */
  readonly ports: readonly number[]
  /** The names of those with `match: name`. */
  readonly nameOnly: readonly string[]
}

/** Groups the connections of one host. */
export function createHostRoutes<T>(routes: readonly Route<T>[]): HostRoutes<T> {
  const matching = routes.filter(({ connection }) => connection.match === 'host')
  const ports = [...new Set(matching.map(({ port }) => port))].sort((a, b) => a - b)
  const byPort = new Map(
    ports.map((port) => [port, createPortRoutes(matching.filter((each) => each.port === port))]),
  )
  const usual = matching.filter(({ scheme, port }) => port === defaultPort(scheme))
  const only = ports.length === 1 ? ports[0] : undefined
  return {
    byPort,
    // `https://host:80` is odd, but it is what port 80 says when nothing has its default port.
    onDefault: usual.length > 0 ? createPortRoutes(usual) : byPort.get(only ?? 80),
    ports,
    nameOnly: routes
      .filter(({ connection }) => connection.match === 'name')
      .map(({ connection }) => connection.name),
  }
}

interface Node<T> {
  readonly children: Map<string, Node<T>>
  route: Route<T> | undefined
}

function createPortRoutes<T>(routes: readonly Route<T>[]): PortRoutes<T> {
  const root: Node<T> = { children: new Map(), route: undefined }
  for (const route of routes) {
    let node = root
    for (const segment of baseSegments(route.urlPath)) {
      let child = node.children.get(segment)
      if (child === undefined) {
        child = { children: new Map(), route: undefined }
        node.children.set(segment, child)
      }
      node = child
    }
    // The configuration refuses two of equal rank.
    node.route ??= route
  }
  return {
    routes,
    tunnelMode: tunnelModeOf(routes),
    find: (path) => (root.children.size === 0 ? root.route : findLongest(root, path)),
  }
}

function findLongest<T>(root: Node<T>, guardedPath: string): Route<T> | undefined {
  const path = decodeReserved(guardedPath)
  let node = root
  let found = root.route
  for (let start = 1; start <= path.length;) {
    const slash = path.indexOf('/', start)
    const end = slash === -1 ? path.length : slash
    const child = node.children.get(path.slice(start, end))
    if (child === undefined) break
    found = child.route ?? found
    node = child
    start = end + 1
  }
  return found
}

/** In the spelling in which requests are compared; final slashes do not count. */
function baseSegments(urlPath: string): readonly string[] {
  const guarded = guardTarget(urlPath)
  if (guarded === undefined) throw new Error(`cannot read the base path "${urlPath}"`)
  const bare = decodeReserved(guarded.path).replace(/\/+$/, '')
  return bare === '' ? [] : bare.slice(1).split('/')
}

function tunnelModeOf<T>(routes: readonly Route<T>[]): TunnelMode {
  const connections = routes.map(({ connection }) => connection)
  if (connections.every(({ isActive }) => !isActive)) return 'inactive'
  const secure = routes.filter(({ scheme }) => scheme === 'https')
  if (secure.length === 0) return 'cleartext'
  if (secure.some(({ connection }) => connection.isActive && connection.https === 'intercept')) {
    return 'intercept'
  }
  // Through a tunnel everything on the port is reached, so that each of its connections must say so.
  if (connections.some(({ https }) => https !== 'tunnel')) return 'mixed'
  return connections.some(({ isActive }) => !isActive) ? 'inactive' : 'tunnel'
}
