/**
 * Warnings about what egress would refuse, call by call: tunnels that nobody looks into beside rules
 * that only a look inside can hold, and an authority whose certificates no client would accept. They
 * are no errors, because other forms of the same connections, and all of inbound, work. And about
 * parent proxies that are shown a credential in cleartext, for many networks have no other.
 */
import { checkAuthority } from '../tls/check-authority.ts'
import type { ResolveContext } from './context.ts'
import type { Config, OutgoingConfig, ProxyConfig } from './model.ts'
import { isSurelyLoopback, parseUrl } from './network.ts'
import type { DefinitionPlaces } from './places.ts'

/** Adds the warnings about outgoing connections. */
export function lintOutgoing(
  context: ResolveContext,
  { egress, outgoing, definitions }: Pick<Config, 'egress' | 'outgoing' | 'definitions'>,
  places: DefinitionPlaces,
): void {
  if (egress === undefined) return
  warnBlindTunnels(context, outgoing)
  warnProxy(definitions, egress.proxy, undefined, (problem) => {
    context.warn(['egress', 'proxy', 'url'], problem)
  })
  for (const [index, { proxy }] of outgoing.entries()) {
    warnProxy(definitions, proxy, egress.proxy, (problem) => {
      context.warn(['outgoing', index, 'proxy', 'url'], problem)
    })
  }
  for (const definition of definitions.values()) {
    if (definition.type !== 'bearer_token') continue
    warnProxy(definitions, definition.proxy, egress.proxy, (problem) => {
      places.warn(context, definition.name, ['proxy', 'url'], problem)
    })
  }
  const { ca } = egress
  if (ca !== undefined) warnAuthority(context, ca.cert, ca.key.reveal(), outgoing)
}

/** NTLM shows no password, and no proxy that asks for it speaks TLS. */
function warnProxy(
  definitions: Config['definitions'],
  proxy: ProxyConfig | 'none' | undefined,
  inherited: ProxyConfig | undefined,
  warn: (problem: string) => void,
): void {
  if (proxy === undefined || proxy === 'none' || proxy === inherited) return
  const { scheme, host } = parseUrl(proxy.url, { path: false, wildcard: false })
  if (proxy.security === undefined || scheme === 'https' || isSurelyLoopback(host)) return
  if (definitions.get(proxy.security)?.type === 'ntlm') return
  warn(`"${proxy.security}" travels to this proxy in cleartext, wanted https://`)
}

function isByHost({ isActive, match }: OutgoingConfig): boolean {
  return isActive && match === 'host'
}

function warnBlindTunnels(context: ResolveContext, outgoing: readonly OutgoingConfig[]): void {
  const looking = new Map<string, OutgoingConfig>()
  for (const connection of outgoing) {
    if (!isByHost(connection) || connection.https === 'tunnel') continue
    looking.set(authorityOf(connection), connection)
  }
  for (const [index, connection] of outgoing.entries()) {
    if (!isByHost(connection) || connection.https !== 'tunnel') continue
    const at = ['outgoing', index, 'https']
    if (connection.paths !== undefined || connection.methods !== undefined) {
      const what = connection.paths === undefined ? 'methods' : 'paths'
      context.warn(
        at,
        `nobody sees ${what} in a tunnel, so that CONNECT to this host is refused: wanted https: intercept, or no ${what}`,
      )
    }
    const beside = looking.get(authorityOf(connection))
    if (beside !== undefined) {
      context.warn(
        at,
        `"${beside.name}", on the same host and port, does not say https: tunnel, and a tunnel would reach it too`,
      )
    }
  }
}

function authorityOf({ url }: OutgoingConfig): string {
  const { host, port } = parseUrl(url, { path: true, wildcard: true })
  return `${host}:${port}`
}

function warnAuthority(
  context: ResolveContext,
  cert: string,
  key: string,
  outgoing: readonly OutgoingConfig[],
): void {
  const hosts = outgoing
    .filter((connection) => isByHost(connection) && connection.https === 'intercept')
    .map(({ url }) => parseUrl(url, { path: true, wildcard: true }).host)
  if (hosts.length === 0) return
  for (const fault of checkAuthority(cert, key, [...new Set(hosts)], context.nowMs)) {
    context.warn(['egress', 'ca', 'cert'], fault)
  }
}
