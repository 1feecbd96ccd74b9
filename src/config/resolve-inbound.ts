/**
 * `inbound` and the channels, with what a channel inherits written out.
 */
import type { ResolveContext } from './context.ts'
import { checkRealm } from './credential-rules.ts'
import { resolveListeners, resolveSocketPath } from './listeners.ts'
import type { PlacedListen } from './listeners.ts'
import type {
  ChannelConfig,
  ClientTls,
  InboundConfig,
  InboundTimeouts,
  UpstreamConfig,
} from './model.ts'
import { parseCidr, parseHostPattern, parseSocketPath, parseUrl } from './network.ts'
import { resolveClientTls } from './resolve-tls.ts'
import type { ParsedChannel, ParsedInbound } from './schema.ts'
import type { Path } from './tree.ts'

/** `inbound`, resolved, and what channels inherit from it. */
export interface ResolvedInbound {
  readonly config: InboundConfig
  readonly parsed: ParsedInbound
  readonly upstreamTls: ClientTls | undefined
  readonly places: readonly PlacedListen[]
}

/** Resolves `inbound`. */
export function resolveInbound(context: ResolveContext, parsed: ParsedInbound): ResolvedInbound {
  const path = ['inbound']
  const { listeners, places } = resolveListeners(context, [...path, 'listen'], parsed.listen)
  const trusted = new Set(parsed.trusted_proxies)
  const isUnixTrusted = trusted.delete('unix')
  const { limits, password_checks: checks } = parsed
  const config: InboundConfig = {
    listeners,
    trustedProxies: { cidrs: [...trusted].map(parseCidr), unix: isUnixTrusted },
    caseInsensitivePaths: parsed.case_insensitive_paths,
    upstreamKeepAliveMs: parsed.upstream_keep_alive,
    timeouts: mapTimeouts(parsed.timeouts),
    limits: {
      connections: limits.connections,
      headerBytes: limits.header_bytes,
      responseHeaderBytes: limits.response_header_bytes,
      bufferedBytes: limits.buffered_bytes,
    },
    passwordChecks: {
      concurrency: checks.concurrency,
      queue: checks.queue,
      cache: checks.cache,
      cacheTtlMs: checks.cache_ttl,
    },
  }
  const upstreamTls = resolveClientTls(context, [...path, 'upstream_tls'], parsed.upstream_tls)
  return { config, parsed, upstreamTls, places }
}

function mapTimeouts(parsed: ParsedInbound['timeouts']): InboundTimeouts {
  return {
    headerMs: parsed.header,
    bodyIdleMs: parsed.body_idle,
    keepAliveMs: parsed.keep_alive,
    connectMs: parsed.connect,
    firstByteMs: parsed.first_byte,
    websocketIdleMs: parsed.websocket_idle,
  }
}

/** Resolves a channel; `undefined` when it has no upstream, which is reported. */
export function resolveChannel(
  context: ResolveContext,
  path: Path,
  parsed: ParsedChannel,
  inbound: ResolvedInbound,
): ChannelConfig | undefined {
  if (parsed.realm !== undefined) checkRealm(context, [...path, 'realm'], parsed.realm)
  checkMethods(context, path, parsed.methods)
  const upstream = resolveUpstream(context, path, parsed, inbound)
  if (upstream === undefined) return undefined
  const { timeouts } = parsed
  const inherited = inbound.config.timeouts
  const common = inbound.parsed
  return {
    name: parsed.name,
    path: parsed.path,
    host: parsed.host === undefined ? undefined : parseHostPattern(parsed.host),
    methods: parsed.methods,
    upstream,
    security: listSecurity(parsed.security),
    groups: parsed.groups,
    realm: parsed.realm,
    encodedSlashes: parsed.encoded_slashes,
    emptySegments: parsed.empty_segments,
    pathParameters: parsed.path_parameters,
    doubleEncoding: parsed.double_encoding,
    accessLog: parsed.access_log,
    isActive: parsed.is_active,
    identityHeader: parsed.identity_header ?? common.identity_header,
    forwardIdentity: parsed.forward_identity ?? common.forward_identity,
    forwardCredentials: parsed.forward_credentials ?? common.forward_credentials,
    allowHeaderNames: parsed.allow_header_names ?? common.allow_header_names,
    upstreamHost: mapUpstreamHost(parsed.upstream_host ?? common.upstream_host),
    timeouts: {
      headerMs: timeouts.header ?? inherited.headerMs,
      bodyIdleMs: timeouts.body_idle ?? inherited.bodyIdleMs,
      keepAliveMs: timeouts.keep_alive ?? inherited.keepAliveMs,
      connectMs: timeouts.connect ?? inherited.connectMs,
      firstByteMs: timeouts.first_byte ?? inherited.firstByteMs,
      websocketIdleMs: timeouts.websocket_idle ?? inherited.websocketIdleMs,
    },
  }
}

/** Names of definitions, or `none`. */
export function listSecurity(security: ParsedChannel['security']): readonly string[] | 'none' {
  if (security === undefined) return []
  if (typeof security !== 'string') return security
  return security === 'none' ? 'none' : [security]
}

function mapUpstreamHost(text: string): ChannelConfig['upstreamHost'] {
  return text === 'keep' || text === 'upstream' ? text : { value: text }
}

/** Reports a method that is listed twice. */
export function checkMethods(
  context: ResolveContext,
  path: Path,
  methods: readonly string[] | undefined,
): void {
  for (const [index, method] of (methods ?? []).entries()) {
    if (methods?.indexOf(method) === index) continue
    context.report([...path, 'methods', index], 'a method that stands before already')
  }
}

function resolveUpstream(
  context: ResolveContext,
  path: Path,
  parsed: ParsedChannel,
  inbound: ResolvedInbound,
): UpstreamConfig | undefined {
  const isOwn = parsed.upstream !== undefined
  const text = parsed.upstream ?? inbound.parsed.upstream
  if (text === undefined) {
    context.report(path, 'missing "upstream", wanted one here or in inbound')
    return undefined
  }
  const isOwnTls = parsed.upstream_tls !== undefined
  const tls = isOwnTls
    ? resolveClientTls(context, [...path, 'upstream_tls'], parsed.upstream_tls)
    : inbound.upstreamTls
  if (text.startsWith('unix:')) {
    if (isOwnTls) reportUselessTls(context, path)
    const at = isOwn ? [...path, 'upstream'] : ['inbound', 'upstream']
    const socket = resolveSocketPath(context, at, parseSocketPath(text))
    return { address: { kind: 'unix', path: socket }, authority: 'localhost', tls: undefined }
  }
  const { scheme, host, port, authority } = parseUrl(text, { path: false })
  if (isOwnTls && scheme === 'http') reportUselessTls(context, path)
  return {
    address: { kind: 'tcp', scheme, host, port },
    authority,
    tls: scheme === 'https' ? tls : undefined,
  }
}

function reportUselessTls(context: ResolveContext, path: Path): void {
  context.reportKey(
    [...path, 'upstream_tls'],
    'the upstream is not https://, so that this has no effect',
  )
}
