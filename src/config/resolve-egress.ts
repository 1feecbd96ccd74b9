/**
 * `egress` and the outgoing connections, with what a connection inherits written out.
 */
import type { ResolveContext } from './context.ts'
import { checkPlaintext } from './credential-rules.ts'
import { computeFingerprint } from './fingerprint.ts'
import { findHeaderValueFault } from './header-rules.ts'
import { isLocalListen, resolveListeners } from './listeners.ts'
import type { PlacedListen } from './listeners.ts'
import type { EgressConfig, EgressTimeouts, OutgoingConfig } from './model.ts'
import { parseCidr, parseHost } from './network.ts'
import { checkMethods } from './resolve-inbound.ts'
import { resolveOwnProxy, resolveProxy } from './resolve-proxy.ts'
import { resolveClientTls, resolvePair } from './resolve-tls.ts'
import type { ParsedEgress, ParsedOutgoing } from './schema.ts'
import type { Path } from './tree.ts'

/** `egress`, resolved. */
export interface ResolvedEgress {
  readonly config: EgressConfig
  readonly places: readonly PlacedListen[]
}

/** Resolves `egress`. */
export function resolveEgress(context: ResolveContext, parsed: ParsedEgress): ResolvedEgress {
  const path = ['egress']
  const common = parsed.tls === undefined ? undefined : { path: [...path, 'tls'], tls: parsed.tls }
  const { listeners, places } = resolveListeners(
    context,
    [...path, 'listen'],
    parsed.listen,
    common,
  )
  const clients = typeof parsed.clients === 'string' ? listClients(parsed.clients) : parsed.clients
  const open = places.find(({ listen }) => !isLocalListen(listen))
  if (clients === undefined && open !== undefined) {
    context.report(
      open.path,
      'others than this machine can connect, wanted egress.clients (a list, or none)',
    )
  }
  if (clients !== 'none' && parsed.client_networks.length > 0) {
    context.reportKey([...path, 'client_networks'], 'only has a meaning with clients: none')
  }
  const config: EgressConfig = {
    listeners,
    unmatched: parsed.unmatched,
    unmatchedPorts: parsed.unmatched_ports,
    clients,
    clientNetworks: parsed.client_networks.map(parseCidr),
    names: parsed.names.map(parseHost),
    proxy:
      parsed.proxy === undefined
        ? undefined
        : resolveOwnProxy(context, [...path, 'proxy'], parsed.proxy),
    ca:
      parsed.ca === undefined ? undefined : resolvePair(context, [...path, 'ca'], parsed.ca, true),
    timeouts: mapTimeouts(parsed.timeouts),
    limits: {
      connections: parsed.limits.connections,
      headerBytes: parsed.limits.header_bytes,
      responseHeaderBytes: parsed.limits.response_header_bytes,
    },
  }
  return { config, places }
}

function listClients(client: string): readonly string[] | 'none' {
  return client === 'none' ? 'none' : [client]
}

function mapTimeouts(parsed: ParsedEgress['timeouts']): EgressTimeouts {
  return {
    headerMs: parsed.header,
    bodyIdleMs: parsed.body_idle,
    keepAliveMs: parsed.keep_alive,
    connectMs: parsed.connect,
    firstByteMs: parsed.first_byte,
    tunnelIdleMs: parsed.tunnel_idle,
  }
}

/** Resolves an outgoing connection. */
export function resolveOutgoing(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOutgoing,
  egress: EgressConfig,
): OutgoingConfig {
  const { timeouts } = parsed
  checkMethods(context, path, parsed.methods)
  if (parsed.security !== 'none') {
    checkPlaintext(context, [...path, 'url'], parsed.url, parsed.allow_plaintext)
  }
  const settings = {
    name: parsed.name,
    url: parsed.url,
    security: parsed.security,
    match: parsed.match,
    https: parsed.https,
    paths: parsed.paths,
    methods: parsed.methods,
    onExisting: parsed.on_existing,
    headers: resolveHeaders(context, [...path, 'headers'], parsed.headers),
    clients: typeof parsed.clients === 'string' ? [parsed.clients] : parsed.clients,
    allowPlaintext: parsed.allow_plaintext,
    encodedSlashes: parsed.encoded_slashes,
    emptySegments: parsed.empty_segments,
    pathParameters: parsed.path_parameters,
    doubleEncoding: parsed.double_encoding,
    tls: resolveClientTls(context, [...path, 'tls'], parsed.tls),
    proxy: resolveProxy(context, [...path, 'proxy'], parsed.proxy, egress.proxy),
    isActive: parsed.is_active,
  }
  return {
    ...settings,
    fingerprint: computeFingerprint(context.fingerprintKey, settings),
    timeouts: {
      headerMs: timeouts.header ?? egress.timeouts.headerMs,
      bodyIdleMs: timeouts.body_idle ?? egress.timeouts.bodyIdleMs,
      keepAliveMs: timeouts.keep_alive ?? egress.timeouts.keepAliveMs,
      connectMs: timeouts.connect ?? egress.timeouts.connectMs,
      firstByteMs: timeouts.first_byte ?? egress.timeouts.firstByteMs,
      tunnelIdleMs: timeouts.tunnel_idle ?? egress.timeouts.tunnelIdleMs,
    },
  }
}

/** Names and values in their order; a list is a header that stands several times. */
function resolveHeaders(
  context: ResolveContext,
  path: Path,
  parsed: Readonly<Record<string, unknown>>,
): readonly (readonly [string, string])[] {
  context.markReferred(path)
  return Object.entries(parsed).flatMap(([name, value]) => {
    const paths = Array.isArray(value)
      ? value.map((_, index) => [...path, name, index])
      : [[...path, name]]
    return paths.map((at) => {
      const text = context.verbatimAt(at)
      const fault = findHeaderValueFault(text)
      if (fault !== undefined) context.report(at, `the value goes into a header, ${fault}`)
      return [name, text] as const
    })
  })
}
