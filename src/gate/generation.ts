/**
 * Builds what one configuration needs at run time, beside the one that is being served. Nothing is
 * taken over before `commit`.
 */
import type { ChannelConfig, Config, EgressConfig, InboundConfig } from '../config/model.ts'
import { allowedOddities } from '../http/path.ts'
import { createChannelTable } from '../inbound/channels.ts'
import type { PasswordChecker } from '../credentials/checker.ts'
import { createAuthenticate } from '../inbound/authenticate.ts'
import {
  createCredentialIndex,
  type ChannelAccess,
  type CredentialIndex,
} from '../inbound/credential-index.ts'
import type { EgressGeneration } from '../egress/generation.ts'
import { createHeaderPolicy } from '../inbound/forward-headers.ts'
import type { InboundGeneration, Route } from '../inbound/route.ts'
import { createTrustedProxies } from '../inbound/trusted-proxies.ts'
import type { Verification } from '../inbound/verdict.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Upstreams } from './upstreams.ts'

export interface Generation {
  readonly number: number
  readonly config: Config
  readonly loadedAtMs: number
  /** In which generation each definition got its present content. */
  readonly definitionGenerations: ReadonlyMap<string, number>
  /** Without channels where the configuration has no `inbound` (any more). */
  readonly inbound: InboundGeneration
  /** `undefined` where the configuration has no `egress` (any more). */
  readonly egress: EgressGeneration | undefined
}

/** Builds the egress part beside the one that is served. */
export interface EgressBuilder {
  prepare(
    config: Config,
    dated: Pick<Generation, 'number' | 'definitionGenerations'>,
    checker: PasswordChecker,
  ): EgressGeneration | undefined
  /** The configuration is served now. */
  commit(config: Config): void
}

export interface GenerationServices {
  readonly metrics: Metrics
  readonly upstreams: Upstreams
  readonly checker: PasswordChecker
  /** For those who have to see a body before they let somebody in. */
  readonly readBody: Verification['readBody']
  readonly noncesOf: Verification['noncesOf']
  readonly schemeOf: Verification['schemeOf']
  /** Per process; keys are looked up by their HMAC under it. */
  readonly lookupKey: Buffer
  /** Absent where nothing is sent out, as in `explain`. */
  readonly egress?: EgressBuilder
}

/** A generation that is not served yet. */
export interface PreparedGeneration {
  readonly generation: Generation
  /** Lets go of what only the previous one needed. */
  readonly commit: () => void
}

export async function prepareGeneration(
  config: Config,
  previous: Generation | undefined,
  loadedAtMs: number,
  services: GenerationServices,
): Promise<PreparedGeneration> {
  const number = (previous?.number ?? 0) + 1
  const definitionGenerations = dateDefinitions(config, previous, number)
  const { inbound } = config
  const index = await createCredentialIndex(config, definitionGenerations, services.lookupKey)
  const upstreams = services.upstreams.prepare(config.channels, inbound)
  const channels = createChannelTable<Route>(
    config.channels.map((channel) => ({
      channel,
      value: {
        channel,
        access: accessOf(channel, index),
        headerPolicy: createHeaderPolicy(channel),
        upstream: upstreams.of(channel),
        metrics: services.metrics.channel(channel.name),
        allowedOddities: allowedOddities(channel),
      },
    })),
    { caseInsensitive: inbound?.caseInsensitivePaths ?? false },
  )
  const served: InboundGeneration = {
    number,
    channels,
    authenticate: createAuthenticate({
      index,
      checker: services.checker,
      readBody: services.readBody,
      noncesOf: services.noncesOf,
      schemeOf: services.schemeOf,
      nowMs: Date.now,
      onUsed: (definition, label, nowMs) => {
        services.metrics.lastUsed(definition, label, nowMs)
      },
    }),
    watchedHeaders: index.watchedHeaders,
    definitions: config.definitions,
    proxies: createTrustedProxies(inbound?.trustedProxies ?? { cidrs: [], unix: false }),
  }
  return {
    generation: {
      number,
      config,
      loadedAtMs,
      definitionGenerations,
      inbound: served,
      egress: services.egress?.prepare(config, { number, definitionGenerations }, services.checker),
    },
    commit: () => {
      upstreams.commit()
      services.egress?.commit(config)
    },
  }
}

function accessOf(channel: ChannelConfig, index: CredentialIndex): ChannelAccess {
  const access = index.channels.get(channel.name)
  if (access === undefined) throw new Error(`channel "${channel.name}" is not in the index`)
  return access
}

/** A definition that has not changed keeps what was derived from it: caches go by this number. */
function dateDefinitions(
  config: Config,
  previous: Generation | undefined,
  number: number,
): ReadonlyMap<string, number> {
  const dates = new Map<string, number>()
  for (const [name, { fingerprint }] of config.definitions) {
    const before = previous?.config.definitions.get(name)
    const date = previous?.definitionGenerations.get(name)
    dates.set(name, before?.fingerprint === fingerprint && date !== undefined ? date : number)
  }
  return dates
}

/** The settings of listeners that only a restart changes, as paths of the configuration. */
export function findRestartRequired(running: Config, next: Config): string[] {
  const changed: string[] = []
  const compare = (path: string, before: unknown, after: unknown): void => {
    if (JSON.stringify(before) !== JSON.stringify(after)) changed.push(path)
  }
  compare('inbound.listen', addressesOf(running.inbound), addressesOf(next.inbound))
  compare('egress.listen', addressesOf(running.egress), addressesOf(next.egress))
  compare('egress.limits', running.egress?.limits, next.egress?.limits)
  compare(
    'egress.timeouts.header',
    running.egress?.timeouts.headerMs,
    next.egress?.timeouts.headerMs,
  )
  compare(
    'egress.timeouts.keep_alive',
    running.egress?.timeouts.keepAliveMs,
    next.egress?.timeouts.keepAliveMs,
  )
  compare('inbound.limits', running.inbound?.limits, next.inbound?.limits)
  compare(
    'inbound.timeouts.header',
    running.inbound?.timeouts.headerMs,
    next.inbound?.timeouts.headerMs,
  )
  compare(
    'inbound.timeouts.keep_alive',
    running.inbound?.timeouts.keepAliveMs,
    next.inbound?.timeouts.keepAliveMs,
  )
  compare('admin', running.admin, next.admin)
  compare('log.format', running.log.format, next.log.format)
  return changed
}

/** Certificates are renewed while running; whether there are any, and client_ca, is not. */
function addressesOf(side: Pick<InboundConfig | EgressConfig, 'listeners'> | undefined): unknown {
  return side?.listeners.map(({ address, tls }) => ({
    address,
    isTls: tls !== undefined,
    needsClientCert: tls?.clientCa !== undefined,
  }))
}
