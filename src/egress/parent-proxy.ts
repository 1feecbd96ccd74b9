/** The parent proxy on the way to a host, if there is one (design, section 2: `proxy`). */
import { BlockList, isIP } from 'node:net'
import type { Definition, ProxyConfig } from '../config/model.ts'
import { isLoopbackHost, parseUrl } from '../config/network.ts'
import type { ParentProxy, ProxyCredential } from '../http/connector.ts'
import type { RequestSender } from '../http/upstream-call.ts'
import type { UpstreamOptions } from '../http/upstream-connection.ts'
import { findHost } from './authority.ts'
import { createDestination, type Destination } from './destination.ts'
import { createInjector } from './injector.ts'
import type { NtlmUpstreams } from './ntlm/upstreams.ts'

/** A sender whose free connections can be let go. */
export interface ClosableSender extends RequestSender {
  close(): void
}

/** A parent proxy, as egress knows it. */
export interface EgressProxy extends ParentProxy {
  /** What it is judged as: it must not be a listener of ours. */
  readonly destination: Destination
  /** Sends cleartext requests over connections that log in; for a proxy that asks for NTLM. */
  readonly createSender?: (origin: string, options: UpstreamOptions) => ClosableSender
}

/** Gives the proxy for a canonical host. Loopback is never asked of a proxy: to it, that is itself. */
export function createProxyFor(
  config: ProxyConfig | 'none' | undefined,
  definitions: ReadonlyMap<string, Definition>,
  nowMs: () => number,
  ntlm: NtlmUpstreams,
): (host: string) => EgressProxy | undefined {
  if (config === undefined || config === 'none') return () => undefined
  const { scheme, host: proxyHost, port } = parseUrl(config.url, { path: false, wildcard: false })
  const tls = { ca: undefined, cert: undefined, key: undefined, serverName: undefined }
  const definition = definitions.get(config.security ?? '')
  const login =
    definition?.type === 'ntlm' ? ntlm.createProxyLogin(definition, proxyHost) : undefined
  const proxy: EgressProxy = {
    destination: createDestination('named', proxyHost, { scheme, host: proxyHost, port }),
    host: proxyHost,
    port,
    tls: scheme === 'https' ? tls : undefined,
    credential:
      definition === undefined ? undefined : { ...createCredential(definition, nowMs), login },
    ...(definition?.type === 'ntlm' && {
      createSender: (origin, options) =>
        ntlm.createProxySender(definition, proxyHost, origin, options),
    }),
  }
  const isDirect = createNoProxy(config.noProxy)
  return (host) => (isLoopbackHost(host) || isDirect(host) ? undefined : proxy)
}

/** Read anew each time: a password that has ended is not shown any more. */
function createCredential(definition: Definition, nowMs: () => number): ProxyCredential {
  const injector = createInjector(
    definition,
    () => {
      throw new Error('a parent proxy takes no tokens')
    },
    nowMs,
  )
  return {
    definition: definition.name,
    fingerprint: definition.fingerprint,
    read() {
      if (!definition.isActive) return undefined
      try {
        const credential = injector?.obtain(undefined)
        return credential instanceof Promise ? undefined : credential?.headers[1]
      } catch {
        return undefined
      }
    },
  }
}

/** Entries are hosts, `.suffix`es (the domain itself too), `*`, addresses and networks. */
function createNoProxy(entries: readonly string[]): (host: string) => boolean {
  const networks = new BlockList()
  const exact = new Set<string>()
  const suffixes: string[] = []
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const version = isIP(address)
    if (bits !== undefined && version !== 0) {
      networks.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6')
    } else if (entry.startsWith('.') || entry.startsWith('*.')) {
      // Hosts are in lower case.
      suffixes.push(entry.slice(entry.indexOf('.')).toLowerCase())
    } else {
      exact.add(findHost(entry)?.host ?? entry)
    }
  }
  return (host) => {
    if (exact.has('*') || exact.has(host)) return true
    const version = isIP(host)
    if (version !== 0) return networks.check(host, version === 4 ? 'ipv4' : 'ipv6')
    return suffixes.some((suffix) => host.endsWith(suffix) || host === suffix.slice(1))
  }
}
