/** The parent proxy on the way to a host, if there is one (design, section 2: `proxy`). */
import { BlockList, isIP } from 'node:net'
import type { Definition, ProxyConfig } from '../config/model.ts'
import { isLoopbackHost, parseUrl } from '../config/network.ts'
import type { ParentProxy, ProxyCredential } from '../http/connector.ts'
import { findHost } from './authority.ts'
import { createInjector } from './injector.ts'

/** Gives the proxy for a canonical host. Loopback is never asked of a proxy: to it, that is itself. */
export function createProxyFor(
  config: ProxyConfig | 'none' | undefined,
  definitions: ReadonlyMap<string, Definition>,
  nowMs: () => number,
): (host: string) => ParentProxy | undefined {
  if (config === undefined || config === 'none') return () => undefined
  const { scheme, host: proxyHost, port } = parseUrl(config.url, { path: false, wildcard: false })
  const tls = { ca: undefined, cert: undefined, key: undefined, serverName: undefined }
  const definition = definitions.get(config.security ?? '')
  const proxy: ParentProxy = {
    host: proxyHost,
    port,
    tls: scheme === 'https' ? tls : undefined,
    credential: definition === undefined ? undefined : createCredential(definition, nowMs),
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
        return credential instanceof Promise ? undefined : credential?.value
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
      suffixes.push(entry.slice(entry.indexOf('.')))
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
