/**
 * The connections to destinations: kept by what they were dialled with, so that a reload that leaves
 * it alone keeps them, and bounded, because applications choose hosts.
 */
import type { Socket } from 'node:net'
import { LRUCache } from 'lru-cache'
import { authorizationFor, openSocket } from '../http/connector.ts'
import type { ConnectorOptions, ParentProxy, UpstreamTls } from '../http/connector.ts'
import { digestTls } from '../http/tls-identity.ts'
import type { RequestSender } from '../http/upstream-call.ts'
import type { UpstreamOptions } from '../http/upstream-connection.ts'
import { Upstream } from '../http/upstream.ts'
import { checkDestination, createLookup } from './destination-lookup.ts'
import type { DestinationPolicy } from './destination-policy.ts'
import type { Destination } from './destination.ts'
import type { ClosableSender, EgressProxy } from './parent-proxy.ts'

const MAX_KEPT = 1024
/** Free connections are kept this long: shorter than most servers keep theirs. */
const KEEP_ALIVE_MS = 4000

/** How a connection, or egress as a whole, dials. */
export interface DialSettings {
  readonly tls: UpstreamTls | undefined
  readonly connectTimeoutMs: number
  /** The parent proxy on the way to a host; `undefined`: none. */
  readonly proxyFor: (host: string) => EgressProxy | undefined
}

export interface DestinationUpstreamsOptions {
  /** Of the generation that is served at that moment. */
  readonly policy: () => DestinationPolicy
  readonly maxHeaderBytes: () => number
  /** What we call ourselves in `Via` to parent proxies; nothing is said unless given. */
  readonly via?: string
  readonly onSocketOpened: () => void
  readonly onSocketClosed: () => void
}

/** The CONNECT that a tunnel is dialled for. */
export interface TunnelRequest {
  /** Aborted when nobody waits for the socket any more. */
  readonly signal?: AbortSignal
  /** The values of its `Via`: a parent proxy must know it when it comes around. */
  readonly via?: readonly string[]
}

interface Kept {
  readonly upstream: ClosableSender
  readonly kind: Destination['kind']
}

/** The upstream of a destination, and what it is kept by. */
interface Found {
  readonly key: string
  readonly upstream: ClosableSender
  readonly proxy: ParentProxy | undefined
}

export class DestinationUpstreams {
  readonly #options: DestinationUpstreamsOptions
  readonly #policy: DestinationPolicy
  #unmatchedRules = ''
  readonly #kept = new LRUCache<string, Kept>({
    max: MAX_KEPT,
    dispose: ({ upstream }) => {
      upstream.close()
    },
  })
  /** Those of a connection with one host are found without putting a key together. */
  readonly #found = new WeakMap<Destination, Found>()

  constructor(options: DestinationUpstreamsOptions) {
    this.#options = options
    // A socket may be opened long after the request's generation: what counts is the present one.
    this.#policy = {
      findHostRefusal: (destination) => options.policy().findHostRefusal(destination),
      findAddressRefusal: (destination, address) =>
        options.policy().findAddressRefusal(destination, address),
    }
  }

  /** Throws a `SidegateError` where a parent proxy could be shown nothing that is valid now. */
  of(destination: Destination, settings: DialSettings): RequestSender {
    const found = this.#find(destination) ?? this.#create(destination, settings)
    if (found.proxy !== undefined) authorizationFor(found.proxy)
    return found.upstream
  }

  /** One that was pushed out has been closed, and would keep no connection. */
  #find(destination: Destination): Found | undefined {
    const found = this.#found.get(destination)
    // Asked for, it counts as used.
    return found !== undefined && this.#kept.get(found.key)?.upstream === found.upstream
      ? found
      : undefined
  }

  #create(destination: Destination, settings: DialSettings): Found {
    const options = this.optionsFor(destination, settings)
    // Functions are left out of it. What the look-up judges by is not.
    const { kind, authority, staysLocal } = destination
    // Short, where `ca` is a bundle and the hosts are many.
    const tls = options.tls === undefined ? [] : [digestTls(options.tls), options.tls.serverName]
    const key = JSON.stringify([kind, authority, staysLocal, { ...options, tls }])
    let upstream = this.#kept.get(key)?.upstream
    if (upstream === undefined) {
      upstream = createSender(destination, options, settings)
      this.#kept.set(key, { upstream, kind })
    }
    const found = { key, upstream, proxy: options.proxy }
    this.#found.set(destination, found)
    return found
  }

  /** How connections to a destination are opened and kept. */
  optionsFor(destination: Destination, settings: DialSettings): UpstreamOptions {
    return {
      ...this.#connectorOptions(destination, settings),
      keepAliveMs: KEEP_ALIVE_MS,
      maxHeaderBytes: this.#options.maxHeaderBytes(),
      onSocketOpened: this.#options.onSocketOpened,
      onSocketClosed: this.#options.onSocketClosed,
    }
  }

  /** A socket of its own, in cleartext, for a tunnel. */
  dial(
    destination: Destination,
    settings: DialSettings,
    { signal, via = [] }: TunnelRequest = {},
  ): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const options = this.#connectorOptions(destination, settings)
      const chain = [...via, ...(options.via === undefined ? [] : [options.via])].join(', ')
      const ofTunnel = { tls: undefined, isTunnel: true, via: chain === '' ? undefined : chain }
      const dialling = openSocket({ ...options, ...ofTunnel }, (error, socket) => {
        if (error === null) resolve(socket)
        else reject(error)
      })
      signal?.addEventListener('abort', () => {
        dialling.abort()
      })
    })
  }

  /**
   * A configuration is served now. Where it says anything else about hosts that are not named, theirs are
   * dialled anew: an address may be somebody's since, or forbidden.
   */
  commit(unmatchedRules: string): void {
    if (unmatchedRules === this.#unmatchedRules) return
    this.#unmatchedRules = unmatchedRules
    for (const [key, { kind }] of this.#kept) if (kind !== 'named') this.#kept.delete(key)
  }

  close(): void {
    this.#kept.clear()
  }

  #connectorOptions(destination: Destination, settings: DialSettings): ConnectorOptions {
    const { scheme, host, port, serverName } = destination
    const proxy = settings.proxyFor(host)
    const { tls } = settings
    const { via } = this.#options
    if (proxy !== undefined) checkDestination(this.#policy, proxy.destination)
    return {
      address: { kind: 'tcp', host, port },
      tls:
        scheme === 'http'
          ? undefined
          : {
              ca: tls?.ca,
              cert: tls?.cert,
              key: tls?.key,
              serverName: tls?.serverName ?? serverName,
            },
      connectTimeoutMs: settings.connectTimeoutMs,
      // A parent proxy resolves for itself, and is judged where it leads to itself.
      lookup: createLookup(this.#policy, proxy?.destination ?? destination),
      ...(proxy === undefined ? {} : { proxy, via: via === undefined ? via : `1.1 ${via}` }),
    }
  }
}

function createSender(
  { scheme, authority, host }: Destination,
  options: UpstreamOptions,
  settings: DialSettings,
): ClosableSender {
  const proxy = settings.proxyFor(host)
  // Inside TLS the proxy sees a tunnel, which logs in by itself.
  return proxy?.createSender === undefined || scheme === 'https'
    ? new Upstream(options)
    : proxy.createSender(`${scheme}://${authority}`, options)
}
