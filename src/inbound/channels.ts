/**
 * Finds the channel of a request: host and path choose first, the most specific wins; only then does
 * the method choose among the channels of that same host and path. A trie by segments, so that a
 * look-up costs the same with three channels and with thirty thousand.
 */
import { SocketAddress, isIPv6 } from 'node:net'
import type { ChannelConfig } from '../config/model.ts'
import { allowedOddities } from '../http/path.ts'
import { decodeReserved, foldCase, hasReserved, parsePattern } from '../http/pattern.ts'

/** What a look-up found. All but `none` are made when the table is. */
export type Match<T> =
  | { readonly kind: 'channel'; readonly channel: ChannelConfig; readonly value: T }
  /** The channel is switched off: it keeps its place and is answered with 404. */
  | { readonly kind: 'inactive'; readonly channel: ChannelConfig; readonly value: T }
  | {
      readonly kind: 'method_refused'
      /** For `Allow`: the methods of the active ones. */
      readonly allow: readonly string[]
      /** All channels of this host and path. */
      readonly channels: readonly ChannelConfig[]
    }
  | { readonly kind: 'none' }

/** The channels of a generation. */
export interface ChannelTable<T> {
  /**
   * Finds by the value of `Host`, the `path` of a `GuardedTarget` and the method. Oddities are not
   * looked at: the caller compares them with what the channel allows.
   */
  find(host: string, path: string, method: string): Match<T>
}

interface Entry<T> {
  readonly channel: ChannelConfig
  readonly value: T
}

/** The channels of one host and path. */
interface Place<T> {
  /** What a method that is in none of `byMethod` gets. */
  rest: Match<T>
  readonly byMethod: Map<string, Match<T>>
  readonly entries: Entry<T>[]
}

/** What lies behind a prefix of segments. */
interface Node<T> {
  readonly literals: Map<string, Node<T>>
  named: Node<T> | undefined
  /** A path that ends here. */
  exact: Place<T> | undefined
  /** A path that ends here or goes on: `*`. */
  below: Place<T> | undefined
}

const NONE: Match<never> = { kind: 'none' }

/** Builds the table; throws if a path cannot be read. */
export function createChannelTable<T>(
  entries: readonly Entry<T>[],
  options: { readonly caseInsensitive: boolean },
): ChannelTable<T> {
  const builder = new TableBuilder<T>(options.caseInsensitive)
  for (const entry of entries) builder.add(entry)
  return builder.build()
}

/** The host of a `Host` value in one spelling: lower case, without port and final dot. */
export function normaliseHost(host: string): string {
  if (host.startsWith('[')) return canonicalIpv6(host.slice(1, host.indexOf(']')))
  if (isIPv6(host)) return canonicalIpv6(host)
  const colon = host.indexOf(':')
  const name = (colon === -1 ? host : host.slice(0, colon)).toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}

function canonicalIpv6(address: string): string {
  return isIPv6(address) ? `[${new SocketAddress({ address, family: 'ipv6' }).address}]` : '[]'
}

class TableBuilder<T> {
  readonly #caseInsensitive: boolean
  readonly #exactHosts = new Map<string, Node<T>>()
  /** By what follows `*.`. */
  readonly #wildcardHosts = new Map<string, Node<T>>()
  #anyHost: Node<T> | undefined
  #hasReserved = false
  readonly #places = new Set<Place<T>>()

  constructor(caseInsensitive: boolean) {
    this.#caseInsensitive = caseInsensitive
  }

  add(entry: Entry<T>): void {
    const pattern = parsePattern(entry.channel.path, allowedOddities(entry.channel))
    let node = this.#rootOf(entry.channel.host)
    for (const segment of pattern.segments) {
      if (segment === undefined) {
        node = node.named ??= createNode()
      } else {
        this.#hasReserved ||= hasReserved(segment)
        node = childOf(node.literals, this.#caseInsensitive ? foldCase(segment) : segment)
      }
    }
    const place = pattern.hasRest
      ? (node.below ??= createPlace<T>())
      : (node.exact ??= createPlace<T>())
    place.entries.push(entry)
    this.#places.add(place)
  }

  build(): ChannelTable<T> {
    for (const place of this.#places) settle(place)
    const exactHosts = this.#exactHosts
    const wildcardHosts = this.#wildcardHosts
    const anyHost = this.#anyHost
    const hasHosts = exactHosts.size > 0 || wildcardHosts.size > 0
    const hasReserved = this.#hasReserved
    const caseInsensitive = this.#caseInsensitive

    function findByHost(host: string, path: string): Place<T> | undefined {
      const name = normaliseHost(host)
      const place = findPlace(exactHosts.get(name), path, 1)
      if (place !== undefined || wildcardHosts.size === 0) return place
      const dot = name.indexOf('.')
      return dot < 1 ? undefined : findPlace(wildcardHosts.get(name.slice(dot + 1)), path, 1)
    }

    return {
      find(host, path, method) {
        let key = hasReserved ? decodeReserved(path) : path
        if (caseInsensitive) key = foldCase(key)
        const place = (hasHosts ? findByHost(host, key) : undefined) ?? findPlace(anyHost, key, 1)
        if (place === undefined) return NONE
        return place.byMethod.get(method) ?? place.rest
      },
    }
  }

  #rootOf(host: string | undefined): Node<T> {
    if (host === undefined) return (this.#anyHost ??= createNode())
    if (host.startsWith('*.')) return childOf(this.#wildcardHosts, normaliseHost(host.slice(2)))
    return childOf(this.#exactHosts, normaliseHost(host))
  }
}

/**
 * The most specific place for a path from `start` on, which is where a segment begins. Trying literal,
 * `{name}` and `*` in this order at each segment, and going back where a branch has no place, gives
 * the first in the order of the rule. Branches are as many as channels allow, whatever the path.
 */
function findPlace<T>(
  node: Node<T> | undefined,
  path: string,
  start: number,
): Place<T> | undefined {
  if (node === undefined) return undefined
  if (start > path.length) return node.exact ?? node.below
  if (node.literals.size > 0 || node.named !== undefined) {
    const slash = path.indexOf('/', start)
    const end = slash === -1 ? path.length : slash
    if (node.literals.size > 0) {
      const place = findPlace(node.literals.get(path.slice(start, end)), path, end + 1)
      if (place !== undefined) return place
    }
    if (end > start) {
      const place = findPlace(node.named, path, end + 1)
      if (place !== undefined) return place
    }
  }
  return node.below
}

function createNode<T>(): Node<T> {
  return { literals: new Map(), named: undefined, exact: undefined, below: undefined }
}

function createPlace<T>(): Place<T> {
  return { rest: NONE, byMethod: new Map(), entries: [] }
}

function childOf<T>(children: Map<string, Node<T>>, key: string): Node<T> {
  const existing = children.get(key)
  if (existing !== undefined) return existing
  const child = createNode<T>()
  children.set(key, child)
  return child
}

/** Decides beforehand what each method gets. */
function settle<T>(place: Place<T>): void {
  for (const entry of place.entries) {
    for (const method of entry.channel.methods ?? []) {
      if (!place.byMethod.has(method)) place.byMethod.set(method, matchOf(entry))
    }
  }
  const get = place.byMethod.get('GET')
  if (get !== undefined && !place.byMethod.has('HEAD')) place.byMethod.set('HEAD', get)
  place.rest = restOf(place)
}

function restOf<T>(place: Place<T>): Match<T> {
  const open = place.entries.find((entry) => entry.channel.methods === undefined)
  if (open !== undefined) return matchOf(open)
  const allow = [...place.byMethod].flatMap(([method, match]) =>
    match.kind === 'channel' ? [method] : [],
  )
  const [first] = place.entries
  // Nothing is served here: 405 with an empty Allow would say that something is.
  if (allow.length === 0 && first !== undefined) return matchOf(first)
  return { kind: 'method_refused', allow, channels: place.entries.map((entry) => entry.channel) }
}

function matchOf<T>(entry: Entry<T>): Match<T> {
  const { channel, value } = entry
  return { kind: channel.isActive ? 'channel' : 'inactive', channel, value }
}
