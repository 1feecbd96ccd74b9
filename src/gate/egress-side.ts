/**
 * Egress as a whole: its listeners, and what outlives generations, which is tokens, connections and
 * the leaves of the authority.
 */
import { randomBytes } from 'node:crypto'
import type { HeldStatus, TokenStatus } from '../admin/status.ts'
import type {
  BearerTokenDefinition,
  Config,
  EgressConfig,
  SessionDefinition,
} from '../config/model.ts'
import type { PasswordChecker } from '../credentials/checker.ts'
import { checkDestination } from '../egress/destination-lookup.ts'
import type { OwnListener } from '../egress/destination-policy.ts'
import type { EgressGeneration } from '../egress/generation.ts'
import { createEgressHandler } from '../egress/handler.ts'
import { Interceptor } from '../egress/intercept.ts'
import { NtlmUpstreams } from '../egress/ntlm/upstreams.ts'
import type { EgressServices } from '../egress/services.ts'
import { describeUnmatched } from '../egress/unmatched.ts'
import { DestinationUpstreams } from '../egress/upstreams.ts'
import { Tokens } from '../oauth/tokens.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Redactor } from '../observe/redact.ts'
import { SessionCache } from '../session/session-cache.ts'
import { Leaves } from '../tls/leaves.ts'
import {
  prepareEgress,
  sessionDialOf,
  sessionServerOf,
  tokenDialOf,
  tokenServerOf,
} from './egress.ts'
import type { CustomSchemes } from './custom-schemes.ts'
import type { EgressBuilder, Generation } from './generation.ts'
import { Listeners } from './listeners.ts'
import { boundConnections, countConnections } from './open.ts'

const DEFAULT_HEADER_BYTES = 64 * 1024

export interface EgressSideOptions extends Pick<
  EgressServices,
  'watchdog' | 'log' | 'accessLog' | 'budget' | 'onSession'
> {
  readonly metrics: Metrics
  readonly redactor: Redactor
  readonly schemes: CustomSchemes
  readonly lookupKey: Buffer
  /** The generation that is served; `undefined` before the first. */
  readonly current: () => Generation | undefined
  /** Bound addresses of the other sides. */
  readonly otherAddresses: () => readonly string[]
}

export class EgressSide implements EgressBuilder {
  readonly #options: EgressSideOptions
  readonly #listeners = new Listeners()
  readonly #upstreams: DestinationUpstreams
  readonly #ntlm: NtlmUpstreams
  /** What we are called in `Via`: by it we know what comes back to us. */
  readonly #pseudonym = `sidegate-${randomBytes(6).toString('hex')}`
  readonly #tokens: Tokens<BearerTokenDefinition>
  readonly #sessions: SessionCache<SessionDefinition>
  /** What a definition came with: its session is logged out after that is served no more. */
  readonly #configOf = new WeakMap<SessionDefinition, Config>()
  #ports: ReadonlySet<number> = new Set()
  #interceptor: { readonly cert: string; readonly interceptor: Interceptor } | undefined

  constructor(options: EgressSideOptions) {
    this.#options = options
    const { metrics, log, redactor } = options
    this.#upstreams = new DestinationUpstreams({
      policy: () => this.#serving().policy,
      maxHeaderBytes: () =>
        options.current()?.config.egress?.limits.responseHeaderBytes ?? DEFAULT_HEADER_BYTES,
      via: this.#pseudonym,
      onSocketOpened: () => {
        metrics.connectionOpened('upstream')
      },
      onSocketClosed: () => {
        metrics.connectionClosed('upstream')
      },
    })
    this.#ntlm = new NtlmUpstreams({
      monotonicMs: () => performance.now(),
      onHandshake: (definition, result) => {
        metrics.accounts.handshake(definition, result)
      },
      onHeld: (definition, refusals) => {
        log.warn('credential_held', { definition, refusals })
      },
    })
    metrics.accounts.states = () => this.#ntlm.accounts()
    this.#tokens = new Tokens({
      monotonicMs: () => performance.now(),
      nowMs: Date.now,
      redact: (text) => redactor.redact(text),
      log,
      onResult: (definition, result) => {
        metrics.tokenRequest(definition, result)
      },
      onExpiry: (definition, expiresAtMs) => {
        metrics.tokenExpiry(definition, expiresAtMs)
      },
      onToken: (value) => {
        redactor.addSecret(value)
      },
      upstreamOf: (definition) => this.#tokenServerOf(definition),
    })
    this.#sessions = new SessionCache({
      monotonicMs: () => performance.now(),
      nowMs: Date.now,
      log,
      onResult: (definition, result) => {
        metrics.tokenRequest(definition, result)
      },
      onSecret: (value) => {
        redactor.addSecret(value)
      },
      upstreamOf: (definition, url) => this.#sessionServerOf(definition, url),
    })
  }

  /** What a configuration needs; nothing is taken over yet. */
  prepare(
    config: Config,
    dated: Pick<Generation, 'number' | 'definitionGenerations'>,
    checker: PasswordChecker,
  ): EgressGeneration | undefined {
    const { metrics, lookupKey, schemes } = this.#options
    return prepareEgress(config, dated, {
      metrics,
      checker,
      keyedHashSecret: lookupKey,
      tokens: this.#tokens,
      sessions: this.#sessions,
      schemes,
      ntlm: this.#ntlm,
      listeners: () => this.#ownListeners(),
      ownUrl: () => ownUrlOf(config.egress, this.#listeners.addresses),
      interceptorOf: (ca) => this.#interceptorOf(ca),
    })
  }

  /** A configuration is served now: tokens of what changed are dropped, others prefetched. */
  commit(config: Config): void {
    const names = new Set(config.outgoing.map(({ security }) => security))
    const used = [...config.definitions.values()].filter(({ name }) => names.has(name))
    this.#ntlm.configure([...config.definitions.values()].filter((one) => one.type === 'ntlm'))
    this.#upstreams.commit(describeUnmatched(config))
    this.#tokens.configure(used.filter((one) => one.type === 'bearer_token'))
    const sessions = used.filter((one) => one.type === 'session')
    for (const definition of sessions) this.#configOf.set(definition, config)
    this.#sessions.configure(sessions)
    if (config.egress !== undefined) this.#listeners.renewTls(config.egress.listeners)
  }

  /** Opens what `egress` asks for; throws `ListenError`. */
  async open(egress: EgressConfig): Promise<void> {
    const { metrics, log, accessLog, watchdog, budget, onSession } = this.#options
    const handler = createEgressHandler({
      current: () => this.#serving(),
      upstreams: this.#upstreams,
      ntlm: this.#ntlm,
      watchdog,
      log,
      accessLog,
      metricsOf: (outgoing) => metrics.outgoing(outgoing),
      budget,
      pseudonym: this.#pseudonym,
      ports: () => this.#ports,
      onUsed: (definition, label) => {
        metrics.lastUsed(definition, label, Date.now())
      },
      onSession,
    })
    for (const listener of egress.listeners) {
      const address = await this.#listeners.open(listener, {
        form: 'any',
        headerBytes: egress.limits.headerBytes,
        headerTimeoutMs: egress.timeouts.headerMs,
        keepAliveMs: egress.timeouts.keepAliveMs,
        maxConnections: boundConnections(egress.limits.connections),
        handler,
        ...countConnections(metrics, 'egress'),
      })
      log.info('listening', { side: 'egress', address, tls: listener.tls !== undefined })
    }
    this.#ports = new Set(parseAddresses(this.#listeners.addresses).map(({ port }) => port))
  }

  /** Tokens, and sessions, which have no scopes. */
  *tokens(): Generator<TokenStatus> {
    yield* this.#tokens.list()
    for (const session of this.#sessions.list()) yield { ...session, scopes: [] }
  }

  /** Credentials that were refused and are not shown for a while. */
  *held(): Generator<HeldStatus> {
    for (const { definition, refusals, leftMs } of this.#ntlm.accounts()) {
      if (refusals === undefined) continue
      const until = leftMs === undefined ? null : new Date(Date.now() + leftMs).toISOString()
      yield { definition, until, refusals }
    }
  }

  /** Lets the held credential of a definition be shown again. */
  release(definition: string): void {
    this.#ntlm.release(definition)
  }

  get addresses(): readonly string[] {
    return this.#listeners.addresses
  }

  drain(): void {
    this.#listeners.drain()
  }

  /** Stops accepting; resolves when the last connection has gone. */
  async close(): Promise<void> {
    await this.#listeners.close()
    this.#tokens.close()
    await this.#sessions.close()
    this.#upstreams.close()
    this.#ntlm.close()
  }

  destroy(): void {
    this.#listeners.destroy()
  }

  #serving(): EgressGeneration {
    const egress = this.#options.current()?.egress
    if (egress === undefined) throw new Error('there is no egress in this configuration')
    return egress
  }

  #tokenServerOf(definition: BearerTokenDefinition): ReturnType<DestinationUpstreams['of']> {
    const config = this.#options.current()?.config
    if (config === undefined) throw new Error('a token was asked for before a generation')
    const destination = tokenServerOf(definition)
    // An address is never looked up, so that nothing else would judge it.
    checkDestination(this.#serving().policy, destination)
    return this.#upstreams.of(destination, tokenDialOf(config, definition, this.#ntlm))
  }

  #sessionServerOf(
    definition: SessionDefinition,
    url: URL,
  ): ReturnType<DestinationUpstreams['of']> {
    const config = this.#configOf.get(definition)
    if (config === undefined) throw new Error('a session of a definition that was never served')
    const destination = sessionServerOf(definition, url)
    checkDestination(this.#serving().policy, destination)
    const dial = sessionDialOf(config, definition, destination, this.#ntlm)
    return this.#upstreams.of(destination, dial)
  }

  #interceptorOf({ cert, key }: NonNullable<EgressConfig['ca']>): Interceptor {
    if (this.#interceptor?.cert !== cert) {
      const leaves = new Leaves({ certPem: cert, keyPem: key.reveal() })
      this.#interceptor = { cert, interceptor: new Interceptor(leaves) }
    }
    return this.#interceptor.interceptor
  }

  #ownListeners(): readonly OwnListener[] {
    return parseAddresses([...this.#options.otherAddresses(), ...this.#listeners.addresses])
  }
}

/** Unix sockets have no port that anybody could dial. */
function parseAddresses(addresses: readonly string[]): OwnListener[] {
  return addresses.flatMap((address) => {
    if (address.startsWith('unix:')) return []
    const colon = address.lastIndexOf(':')
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
    return [{ host, port: Number(address.slice(colon + 1)) }]
  })
}

/** Where the first TCP listener is reached from this machine; `bound` are the addresses once opened. */
function ownUrlOf(egress: EgressConfig | undefined, bound: readonly string[]): string {
  for (const [i, { address, tls }] of (egress?.listeners ?? []).entries()) {
    if (address.kind === 'unix') continue
    const isEvery = address.host === '0.0.0.0' || address.host === '::'
    const host = isEvery ? '127.0.0.1' : address.host
    const bracketed = host.includes(':') ? `[${host}]` : host
    const port = parseAddresses([bound[i] ?? ''])[0]?.port
    const scheme = tls === undefined ? 'http' : 'https'
    return `${scheme}://${bracketed}:${port === undefined || port === 0 ? address.port : port}`
  }
  return 'http://localhost'
}
