/**
 * Chooses the outgoing connection of a request: exact host over `*.host`, then the port, then the
 * longest base path; or by NAME. What the chosen connection does not allow is refused, never given to
 * a less specific one; a host that a connection names is never reached without its rules, whatever
 * `egress.unmatched` says. All look-ups are by map, whatever the number of connections.
 */
import { isIP } from 'node:net'
import { guardTarget } from '../http/path.ts'
import type { GuardedTarget } from '../http/path.ts'
import { embeddedAddresses } from './addresses.ts'
import { defaultPort } from './authority.ts'
import type { Authority } from './authority.ts'
import type { Destination } from './destination.ts'
import { createHostRoutes } from './host-routes.ts'
import type { HostRoutes, PortRoutes } from './host-routes.ts'
import { joinTarget } from './location.ts'
import * as refusals from './refusals.ts'
import type { Refusal } from './refusals.ts'
import { createRoute, destinationOf, findRuleRefusal } from './route.ts'
import type { OutgoingRule, Route } from './route.ts'
import { chooseUnmatched, chooseUnmatchedTunnel } from './unmatched.ts'
import type { UnmatchedRules } from './unmatched.ts'

/** Where one request goes. */
export type Choice<T> =
  | {
      readonly kind: 'outgoing'
      readonly route: Route<T>
      readonly destination: Destination
      /** What the upstream gets in its request line, in the client's own bytes. */
      readonly target: string
      /** The path of it without query, for the log. */
      readonly path: string
    }
  | {
      readonly kind: 'unmatched'
      readonly destination: Destination
      readonly target: string
      readonly path: string
    }
  | Refusal

/** What becomes of a CONNECT. `routes`: all that the tunnel can reach, never empty. */
export type TunnelChoice<T> =
  /** It ends here. With `intercept` TLS ends here too; without, only cleartext HTTP may follow. */
  | {
      readonly kind: 'ends_here'
      readonly intercepts: boolean
      readonly routes: readonly Route<T>[]
    }
  /** TLS passes untouched; cleartext HTTP ends here, as what does not begin with 0x16. */
  | {
      readonly kind: 'passes'
      readonly routes: readonly Route<T>[]
      readonly destination: Destination
    }
  /** As `passes`, to a host that no connection names; on port 80 only cleartext HTTP may follow. */
  | {
      readonly kind: 'unmatched'
      readonly endsHere: boolean
      readonly destination: Destination
    }
  | Refusal

/** The outgoing connections of a generation. */
export interface Routes<T> {
  /** By NAME; `rest` is `''` or begins with `/` or `?`. */
  findByName(name: string, rest: string, method: string): Choice<T>
  /** By authority; `target` is in origin-form. */
  findByAuthority(
    scheme: 'http' | 'https',
    authority: Authority,
    target: string,
    method: string,
  ): Choice<T>
  /** For CONNECT, by canonical host and port. */
  findTunnel(host: string, port: number): TunnelChoice<T>
  /** The canonical addresses that connections name. */
  readonly namedAddresses: ReadonlySet<string>
}

/** A connection and what its owner keeps with it. */
export interface RouteEntry<T> {
  readonly connection: OutgoingRule
  readonly value: T
}

/** What holds for all connections. */
export interface RoutesOptions extends UnmatchedRules {
  /** The origin of a listener of ours, for advice: `http://127.0.0.1:3128`. */
  readonly ownUrl: string
}

/** Builds the table of a generation; throws if a connection cannot be read. */
export function createRoutes<T>(
  entries: readonly RouteEntry<T>[],
  options: RoutesOptions,
): Routes<T> {
  const table = new RouteTable(
    entries.map(({ connection, value }) => createRoute(connection, value)),
    options,
  )
  return {
    findByName: (name, rest, method) => table.findByName(name, rest, method),
    findByAuthority: (scheme, authority, target, method) =>
      table.findByAuthority(scheme, authority, target, method),
    findTunnel: (host, port) => table.findTunnel(host, port),
    namedAddresses: table.namedAddresses,
  }
}

class RouteTable<T> {
  readonly #options: RoutesOptions
  readonly #byName: ReadonlyMap<string, Route<T>>
  readonly #exact: ReadonlyMap<string, HostRoutes<T>>
  /** By what follows `*.`. */
  readonly #wildcard: ReadonlyMap<string, HostRoutes<T>>
  readonly namedAddresses: ReadonlySet<string>

  constructor(routes: readonly Route<T>[], options: RoutesOptions) {
    this.#options = options
    this.#byName = new Map(routes.map((route) => [route.connection.name, route]))
    const byHost = groupByHost(routes)
    const isWildcard = ([host]: readonly [string, unknown]): boolean => host.startsWith('*.')
    this.#exact = new Map(byHost.filter((each) => !isWildcard(each)))
    this.#wildcard = new Map(
      byHost.filter(isWildcard).map(([host, found]) => [host.slice(2), found]),
    )
    this.namedAddresses = new Set([...this.#exact.keys()].filter((host) => isIP(host) !== 0))
  }

  findByName(name: string, rest: string, method: string): Choice<T> {
    const route = this.#byName.get(name)
    if (route === undefined) {
      const isSafe = guardTarget(`/${name}${rest}`) !== undefined
      return isSafe ? refusals.refuseName(name) : refusals.refuseUnsafePath(undefined)
    }
    const { connection, destination, urlPath } = route
    if (destination === undefined) return refusals.refuseWildcardName(connection)
    const target = joinTarget(urlPath, rest)
    const guarded = guardTarget(target)
    if (guarded === undefined) return refusals.refuseUnsafePath(connection)
    return admit(route, destination, target, guarded, method)
  }

  findByAuthority(
    scheme: 'http' | 'https',
    { host, port }: Authority,
    target: string,
    method: string,
  ): Choice<T> {
    const routes = this.#findHost(host)
    if (routes === undefined) {
      return this.#findUnmatched(scheme, host, port ?? defaultPort(scheme), target)
    }
    const onPort = selectPort(routes, port)
    if (onPort === undefined) return refusePortOf(routes, host, port)
    const guarded = guardTarget(target)
    if (guarded === undefined) return refusals.refuseUnsafePath(undefined)
    const route = onPort.find(guarded.path)
    if (route === undefined) {
      return refusals.refuseBasePath(
        host,
        onPort.routes.map(({ urlPath }) => urlPath),
      )
    }
    // The application wanted nobody to read along; the connection would send it in the clear.
    if (scheme === 'https' && route.scheme === 'http') {
      return refusals.refuseDowngrade(route.connection)
    }
    return admit(route, destinationOf(route, host), target, guarded, method)
  }

  findTunnel(host: string, port: number): TunnelChoice<T> {
    const routes = this.#findHost(host)
    if (routes === undefined) return this.#findUnmatchedTunnel(host, port)
    const onPort = selectPort(routes, port)
    const first = onPort?.routes[0]
    if (onPort === undefined || first === undefined) return refusePortOf(routes, host, port)
    const { routes: reached, tunnelMode } = onPort
    // What is meant for port 80 is cleartext HTTP; each request in it is then chosen by itself.
    const isAnyActive = reached.some(({ connection }) => connection.isActive)
    const mode = port === 80 && isAnyActive ? 'cleartext' : tunnelMode
    switch (mode) {
      case 'inactive':
        return refuseInactiveOf(reached, first)
      case 'mixed':
        return refuseMixed(reached, first, this.#options.ownUrl)
      case 'cleartext':
      case 'intercept':
        return { kind: 'ends_here', intercepts: mode === 'intercept', routes: reached }
      case 'tunnel': {
        const hidden = reached.find(
          ({ methods, paths }) => methods !== undefined || paths !== undefined,
        )
        if (hidden !== undefined) return refusals.refuseBlindTunnel(hidden.connection)
        return { kind: 'passes', routes: reached, destination: destinationOf(first, host) }
      }
    }
  }

  #findHost(host: string): HostRoutes<T> | undefined {
    const exact = this.#exact.get(host)
    if (exact !== undefined || this.#wildcard.size === 0) return exact
    const dot = host.indexOf('.')
    return dot < 1 ? undefined : this.#wildcard.get(host.slice(dot + 1))
  }

  #findUnmatched(scheme: 'http' | 'https', host: string, port: number, target: string): Choice<T> {
    const chosen =
      this.#findEmbeddedRefusal(host) ?? chooseUnmatched(this.#options, scheme, host, port)
    if (chosen.kind === 'refused') return chosen
    const guarded = guardTarget(target)
    if (guarded === undefined) return refusals.refuseUnsafePath(undefined)
    // Nobody allows these here; a connection for the host can.
    if (guarded.oddities !== 0) return refusals.refuseOddPath(guarded.oddities, undefined)
    return { kind: 'unmatched', destination: chosen, target, path: guarded.rawPath }
  }

  #findUnmatchedTunnel(host: string, port: number): TunnelChoice<T> {
    const chosen =
      this.#findEmbeddedRefusal(host) ?? chooseUnmatchedTunnel(this.#options, host, port)
    if (chosen.kind === 'refused') return chosen
    return { kind: 'unmatched', endsHere: port === 80, destination: chosen }
  }

  /** An IPv6 spelling of an IPv4 address that a connection names would get around its rules. */
  #findEmbeddedRefusal(host: string): Refusal | undefined {
    if (!host.includes(':')) return undefined
    const embedded = embeddedAddresses(host).find((each) => this.#exact.has(each))
    return embedded === undefined ? undefined : refusals.refuseEmbedded(host, embedded)
  }
}

function groupByHost<T>(routes: readonly Route<T>[]): (readonly [string, HostRoutes<T>])[] {
  const byHost = new Map<string, Route<T>[]>()
  for (const route of routes) {
    const others = byHost.get(route.host)
    if (others === undefined) byHost.set(route.host, [route])
    else others.push(route)
  }
  return [...byHost].map(([host, all]) => [host, createHostRoutes(all)] as const)
}

/** No port and port 80 say nothing: applications cannot know the scheme of the connection. */
function selectPort<T>(routes: HostRoutes<T>, port: number | undefined): PortRoutes<T> | undefined {
  return port === undefined || port === 80 ? routes.onDefault : routes.byPort.get(port)
}

function admit<T>(
  route: Route<T>,
  destination: Destination,
  target: string,
  guarded: GuardedTarget,
  method: string,
): Choice<T> {
  const refusal = findRuleRefusal(route, method, guarded)
  if (refusal !== undefined) return refusal
  return { kind: 'outgoing', route, destination, target, path: guarded.rawPath }
}

function refusePortOf<T>(
  { ports, nameOnly }: HostRoutes<T>,
  host: string,
  port: number | undefined,
): Refusal {
  return ports.length === 0
    ? refusals.refuseNameOnly(host, nameOnly)
    : refusals.refusePort(host, port, ports)
}

function refuseInactiveOf<T>(reached: readonly Route<T>[], first: Route<T>): Refusal {
  const inactive = reached.find(({ connection }) => !connection.isActive) ?? first
  return refusals.refuseInactive(inactive.connection)
}

function refuseMixed<T>(reached: readonly Route<T>[], first: Route<T>, ownUrl: string): Refusal {
  const silent = reached.find(({ connection }) => connection.https === undefined) ?? first
  return refusals.refuseHttpsMode(silent.connection, ownUrl)
}
