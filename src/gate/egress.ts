/** Builds what egress needs of one configuration; the counterpart of the inbound part of a generation. */
import type {
  BearerTokenDefinition,
  ClientTls,
  Config,
  EgressConfig,
  OutgoingConfig,
  ProxyConfig,
  SessionDefinition,
} from '../config/model.ts'
import { parseUrl } from '../config/network.ts'
import type { PasswordChecker } from '../credentials/checker.ts'
import { createCustomInjector } from '../egress/custom.ts'
import { createClients, expandClients } from '../egress/clients.ts'
import { createDestinationPolicy, type OwnListener } from '../egress/destination-policy.ts'
import { createDestination, type Destination } from '../egress/destination.ts'
import { createHeaderRules } from '../egress/forward-headers.ts'
import type { EgressGeneration, OutgoingRoute } from '../egress/generation.ts'
import { createInjector, type Injector } from '../egress/injector.ts'
import type { Interceptor } from '../egress/intercept.ts'
import type { NtlmUpstreams } from '../egress/ntlm/upstreams.ts'
import { createOwnAddresses } from '../egress/own-addresses.ts'
import { createProxyFor } from '../egress/parent-proxy.ts'
import { createRoutes } from '../egress/routes.ts'
import type { DialSettings } from '../egress/upstreams.ts'
import { createSessionInjector } from '../egress/session-injector.ts'
import type { UpstreamTls } from '../http/connector.ts'
import type { Tokens } from '../oauth/tokens.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { SessionCache } from '../session/session-cache.ts'
import type { CustomSchemes } from './custom-schemes.ts'
import { createPeerRule } from './peer-rule.ts'
import { describeUnmatched } from '../egress/unmatched.ts'

export interface EgressParts {
  readonly metrics: Metrics
  readonly checker: PasswordChecker
  readonly keyedHashSecret: Buffer
  readonly tokens: Tokens<BearerTokenDefinition>
  readonly sessions: SessionCache<SessionDefinition>
  readonly schemes: CustomSchemes
  readonly ntlm: NtlmUpstreams
  /** Every TCP listener of ours that is open, of all sides. */
  readonly listeners: () => readonly OwnListener[]
  /** Where egress is reached, for advice: `http://127.0.0.1:3128`. */
  readonly ownUrl: () => string
  readonly interceptorOf: (ca: NonNullable<EgressConfig['ca']>) => Interceptor
}

/** What of a generation egress needs. */
interface Dated {
  readonly number: number
  readonly definitionGenerations: ReadonlyMap<string, number>
}

/** `undefined` where the configuration has no `egress`. */
export function prepareEgress(
  config: Config,
  { number, definitionGenerations }: Dated,
  parts: EgressParts,
): EgressGeneration | undefined {
  const { egress, definitions } = config
  if (egress === undefined) return undefined
  const own = createOwnAddresses({ names: egress.names })
  const dialOf = (tls: ClientTls | undefined, connectMs: number, proxy: OutgoingConfig['proxy']) =>
    createDial(config, parts.ntlm, { tls, connectTimeoutMs: connectMs, proxy })
  const routes = createRoutes<OutgoingRoute>(
    config.outgoing.map((connection) => {
      const injector = injectorOf(config, connection, parts)
      const { tls, timeouts, proxy, headers, clients } = connection
      return {
        connection,
        value: {
          connection,
          injector,
          rules: createHeaderRules(injector?.slots ?? [], headers),
          dial: dialOf(tls, timeouts.connectMs, proxy),
          metrics: parts.metrics.outgoing(connection.name),
          clients: clients === undefined ? undefined : expandClients(clients, config),
        },
      }
    }),
    {
      unmatched: egress.unmatched,
      unmatchedPorts: egress.unmatchedPorts,
      // Asked when it is needed: a port 0 becomes another when the listener opens.
      get ownUrl() {
        return parts.ownUrl()
      },
    },
  )
  return {
    number,
    definitions,
    routes,
    own,
    policy: createDestinationPolicy({
      own,
      listeners: parts.listeners,
      namedAddresses: routes.namedAddresses,
    }),
    clients: createClients(config, {
      checker: parts.checker,
      keyedHashSecret: parts.keyedHashSecret,
      definitionGenerations,
      nowMs: Date.now,
    }),
    isPeerAllowed: createPeerRule(egress),
    interceptor: egress.ca === undefined ? undefined : parts.interceptorOf(egress.ca),
    unmatchedRules: describeUnmatched(config),
    unmatchedDial: dialOf(undefined, egress.timeouts.connectMs, egress.proxy),
    unmatchedTimeouts: egress.timeouts,
    rejected: (token) => parts.tokens.rejected(token),
    expired: (session) => parts.sessions.expired(session),
  }
}

function injectorOf(
  config: Config,
  { security }: OutgoingConfig,
  { tokens, sessions, schemes }: EgressParts,
): Injector | undefined {
  if (security === 'none') return undefined
  const definition = config.definitions.get(security)
  if (definition === undefined) throw new Error(`no definition "${security}"`)
  if (definition.type === 'session') {
    return createSessionInjector(definition, (one) => sessions.get(one))
  }
  if (definition.type === 'custom') {
    return createCustomInjector(definition, schemes.of(definition), () => performance.now())
  }
  const injector = createInjector(
    definition,
    (bearer, scopes) => tokens.get(bearer, scopes),
    Date.now,
  )
  // Without one the request would leave bare.
  if (injector === undefined) throw new Error(`nothing can be sent of type ${definition.type}`)
  return injector
}

interface DialRules {
  readonly tls: ClientTls | undefined
  readonly connectTimeoutMs: number
  readonly proxy: ProxyConfig | 'none' | undefined
}

function createDial(
  config: Config,
  ntlm: NtlmUpstreams,
  { tls, connectTimeoutMs, proxy }: DialRules,
): DialSettings {
  return {
    tls: tls === undefined ? undefined : revealTls(tls),
    connectTimeoutMs,
    proxyFor: createProxyFor(proxy, config.definitions, Date.now, ntlm),
  }
}

/** The token server of a definition. */
export function tokenServerOf(definition: BearerTokenDefinition): Destination {
  const rules = { path: true, query: true, wildcard: false }
  const { scheme, host, port } = parseUrl(definition.authServerUrl, rules)
  const staysLocal = scheme === 'http' && !definition.allowPlaintext
  return createDestination('named', host, { scheme, host, port }, staysLocal)
}

/** How it is dialled. */
export function tokenDialOf(
  config: Config,
  definition: BearerTokenDefinition,
  ntlm: NtlmUpstreams,
): DialSettings {
  const { tls, timeoutMs } = definition
  const proxy = definition.proxy ?? config.egress?.proxy
  return createDial(config, ntlm, { tls, connectTimeoutMs: timeoutMs, proxy })
}

/** The server of a URL of a session: its login, a step, its log-out. */
export function sessionServerOf({ settings }: SessionDefinition, url: URL): Destination {
  const { scheme, host, port } = parseUrl(url.href, { path: true, query: true, wildcard: false })
  const staysLocal = scheme === 'http' && !settings.allowPlaintext
  return createDestination('named', host, { scheme, host, port }, staysLocal)
}

/**
 * How it is dialled: as the outgoing connection that uses the session and leads to the same place, for
 * a server that wants a certificate wants it of logins too; else as anything else is.
 */
export function sessionDialOf(
  config: Config,
  definition: SessionDefinition,
  { scheme, host, port }: Destination,
  ntlm: NtlmUpstreams,
): DialSettings {
  const connection = config.outgoing.find(({ security, url }) => {
    const origin = parseUrl(url, { path: true, wildcard: true })
    const isThere = origin.scheme === scheme && origin.host === host && origin.port === port
    return security === definition.name && isThere
  })
  const connectTimeoutMs = definition.settings.timeoutMs
  return connection === undefined
    ? createDial(config, ntlm, { tls: undefined, connectTimeoutMs, proxy: config.egress?.proxy })
    : createDial(config, ntlm, { tls: connection.tls, connectTimeoutMs, proxy: connection.proxy })
}

function revealTls({ ca, cert, key, serverName }: ClientTls): UpstreamTls {
  return { ca, cert, key: key?.reveal(), serverName }
}
