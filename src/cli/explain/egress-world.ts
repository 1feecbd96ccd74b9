/**
 * The generation of egress that `serve` would build of a configuration, for commands that ask it.
 * Nothing of it connects anywhere by itself, and no token is fetched.
 */
import { randomBytes } from 'node:crypto'
import type {
  BearerTokenDefinition,
  Config,
  Listen,
  SessionDefinition,
} from '../../config/model.ts'
import { PasswordChecker } from '../../credentials/checker.ts'
import type { EgressGeneration } from '../../egress/generation.ts'
import { Interceptor } from '../../egress/intercept.ts'
import { NtlmUpstreams } from '../../egress/ntlm/upstreams.ts'
import { CustomSchemes } from '../../gate/custom-schemes.ts'
import { prepareEgress } from '../../gate/egress.ts'
import type { Log } from '../../observe/log.ts'
import { Metrics } from '../../observe/metrics.ts'
import { Tokens } from '../../oauth/tokens.ts'
import { SessionCache } from '../../session/session-cache.ts'
import { Leaves } from '../../tls/leaves.ts'
import { version } from '../../version.ts'
import { CommandError } from '../command.ts'

const PASSWORD_CHECKS = { concurrency: 1, queue: 1, cache: 1, cacheTtlMs: 1 }

/** Egress as it would be served, and where. */
export interface EgressWorld {
  readonly config: Config
  readonly generation: EgressGeneration
  /** Connections that log in; none is made unless something is sent. */
  readonly ntlm: NtlmUpstreams
  /** The ports that egress would listen on. */
  readonly ports: ReadonlySet<number>
  /** Where the NAME form would be asked for on this machine: `http://127.0.0.1:3128`. */
  readonly ownUrl: string
}

/** Throws `CommandError` where the configuration has no `egress`. */
export function createEgressWorld(config: Config): EgressWorld {
  const ownUrl = findOwnUrl(config)
  const secret = randomBytes(32)
  const monotonicMs = () => performance.now()
  const ntlm = new NtlmUpstreams({ monotonicMs, onHandshake: ignore, onHeld: ignore })
  const generation = prepareEgress(
    config,
    { number: 1, definitionGenerations: new Map() },
    {
      metrics: new Metrics({ version }),
      checker: new PasswordChecker({
        settings: config.inbound?.passwordChecks ?? PASSWORD_CHECKS,
        secret,
        nowMs: Date.now,
        monotonicMs,
      }),
      keyedHashSecret: secret,
      ntlm,
      tokens: new Tokens<BearerTokenDefinition>({
        monotonicMs,
        nowMs: Date.now,
        log: silentLog,
        onResult: ignore,
        onExpiry: ignore,
        upstreamOf: () => {
          throw new Error('tokens are not fetched here')
        },
      }),
      sessions: new SessionCache<SessionDefinition>({
        monotonicMs,
        nowMs: Date.now,
        log: silentLog,
        onResult: ignore,
        upstreamOf: () => {
          throw new Error('nobody logs in here')
        },
      }),
      schemes: new CustomSchemes(silentLog),
      listeners: () => listListeners(config),
      ownUrl: () => ownUrl,
      interceptorOf: ({ cert, key }) =>
        new Interceptor(new Leaves({ certPem: cert, keyPem: key.reveal() })),
    },
  )
  if (generation === undefined) throw new CommandError('the configuration has no egress')
  return { config, generation, ntlm, ports: listPorts(config), ownUrl }
}

/** What stands in where `listen` asks for any free port. */
const UNKNOWN_PORT = 3128

function listPorts({ egress }: Config): ReadonlySet<number> {
  const ports = (egress?.listeners ?? []).flatMap(({ address }) =>
    address.kind === 'unix' ? [] : [address.port === 0 ? UNKNOWN_PORT : address.port],
  )
  return new Set(ports)
}

function findOwnUrl(config: Config): string {
  for (const { address, tls } of config.egress?.listeners ?? []) {
    if (address.kind === 'unix') continue
    const isEvery = address.host === '0.0.0.0' || address.host === '::'
    const host = isEvery ? '127.0.0.1' : address.host
    const bracketed = host.includes(':') ? `[${host}]` : host
    const port = address.port === 0 ? UNKNOWN_PORT : address.port
    return `${tls === undefined ? 'http' : 'https'}://${bracketed}:${port}`
  }
  return 'http://localhost'
}

/** The addresses that a connection must not lead to. */
function listListeners({ inbound, egress, admin }: Config) {
  const all: readonly (Listen | undefined)[] = [
    ...(inbound?.listeners ?? []).map(({ address }) => address),
    ...(egress?.listeners ?? []).map(({ address }) => address),
    admin?.listen,
    admin?.probes,
  ]
  return all.flatMap((listen) => (listen?.kind === 'tcp' && listen.port !== 0 ? [listen] : []))
}

const silentLog: Log = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore }

function ignore(): void {
  // Nobody asks.
}
