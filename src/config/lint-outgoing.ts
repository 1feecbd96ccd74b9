/**
 * Warnings about what egress would refuse, call by call: tunnels that nobody looks into beside rules
 * that only a look inside can hold, and an authority whose certificates no client would accept. They
 * are no errors, because other forms of the same connections, and all of inbound, work.
 */
import { checkAuthority } from '../tls/check-authority.ts'
import type { ResolveContext } from './context.ts'
import type { Config, OutgoingConfig } from './model.ts'
import { parseUrl } from './network.ts'

/** Adds the warnings about outgoing connections. */
export function lintOutgoing(
  context: ResolveContext,
  { egress, outgoing }: Pick<Config, 'egress' | 'outgoing'>,
): void {
  if (egress === undefined) return
  warnBlindTunnels(context, outgoing)
  const { ca } = egress
  if (ca !== undefined) warnAuthority(context, ca.cert, ca.key.reveal(), outgoing)
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
