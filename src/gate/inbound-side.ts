/**
 * The inbound side of the process: its listeners, and what outlives the configurations behind them.
 */
import type { Config, InboundConfig } from '../config/model.ts'
import { PasswordChecker } from '../credentials/checker.ts'
import { NonceMemory } from '../hmac/nonces.ts'
import type { BodyBudget } from '../http/kept-body.ts'
import type { Watchdog } from '../http/watchdog.ts'
import { readWholeBody } from '../http/whole-body.ts'
import type { WebSocketSession } from '../inbound/handler.ts'
import type { InboundGeneration } from '../inbound/route.ts'
import type { AccessLog } from '../observe/access.ts'
import type { Log } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { CustomSchemes } from './custom-schemes.ts'
import type { GenerationServices } from './generation.ts'
import { Listeners } from './listeners.ts'
import { openInbound } from './open.ts'
import { Upstreams } from './upstreams.ts'

/** Names of dropped headers that are remembered as logged. */
const MAX_DROPPED_NAMES = 1000

/** Of a configuration without `inbound`. */
const NO_PASSWORD_CHECKS = { concurrency: 1, queue: 1, cache: 1, cacheTtlMs: 1 }

export interface InboundSideOptions {
  readonly metrics: Metrics
  readonly log: Log
  readonly accessLog: AccessLog
  readonly watchdog: Watchdog
  /** What copies of bodies may take, those of egress too. */
  readonly budget: BodyBudget
  readonly lookupKey: Buffer
  readonly schemes: CustomSchemes
  /** What is served. */
  readonly current: () => InboundGeneration
  readonly onWebSocket: (session: WebSocketSession) => void
}

export class InboundSide {
  readonly #options: InboundSideOptions
  readonly #listeners = new Listeners()
  readonly #upstreams: Upstreams
  readonly #droppedNames = new Set<string>()
  /** By name of the definition: a reload makes no signature good for a second time. */
  readonly #nonces = new Map<string, NonceMemory>()
  #checker: PasswordChecker | undefined

  constructor(options: InboundSideOptions) {
    this.#options = options
    const { metrics } = options
    this.#upstreams = new Upstreams({
      onSocketOpened: () => {
        metrics.connectionOpened('upstream')
      },
      onSocketClosed: () => {
        metrics.connectionClosed('upstream')
      },
    })
  }

  /** What a configuration is built with. */
  servicesFor(config: Config): Omit<GenerationServices, 'egress'> {
    const { metrics, lookupKey, budget, watchdog, schemes } = this.#options
    return {
      metrics,
      lookupKey,
      upstreams: this.#upstreams,
      checker: this.#checkerFor(config),
      readBody: (source, limits) => readWholeBody(source, { ...limits, budget, watchdog }),
      noncesOf: (definition) => this.#noncesOf(definition),
      schemeOf: (definition) => schemes.of(definition),
    }
  }

  /** A configuration is served now. */
  commit(config: Config): void {
    for (const name of this.#nonces.keys()) {
      if (config.definitions.get(name)?.type !== 'hmac') this.#nonces.delete(name)
    }
    if (config.inbound !== undefined) this.#listeners.renewTls(config.inbound.listeners)
  }

  /** Opens what `inbound` asks for; throws `ListenError`. */
  async open(inbound: InboundConfig): Promise<void> {
    const { log, metrics, accessLog, watchdog, current, onWebSocket } = this.#options
    await openInbound(this.#listeners, inbound, {
      log,
      metrics,
      accessLog,
      watchdog,
      unmatchedMetrics: metrics.channel(''),
      current,
      onDroppedNames: (names) => {
        this.#logDroppedNames(names)
      },
      onWebSocket,
    })
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
  }

  destroy(): void {
    this.#listeners.destroy()
  }

  closeUpstreams(): void {
    this.#upstreams.close()
  }

  #noncesOf(definition: string): NonceMemory {
    let memory = this.#nonces.get(definition)
    if (memory === undefined) this.#nonces.set(definition, (memory = new NonceMemory()))
    return memory
  }

  /** One for the life of the process: what it remembers is keyed by definition and generation. */
  #checkerFor(config: Config): PasswordChecker {
    const settings = config.inbound?.passwordChecks ?? NO_PASSWORD_CHECKS
    const { metrics, log, lookupKey } = this.#options
    if (this.#checker === undefined) {
      this.#checker = new PasswordChecker({
        settings,
        secret: lookupKey,
        nowMs: Date.now,
        monotonicMs: () => performance.now(),
        onResult: (result) => {
          metrics.passwordCheck(result)
        },
        onFailure: (error) => {
          log.error('password_check_failed', { detail: String(error) })
        },
      })
    } else {
      this.#checker.configure(settings)
    }
    return this.#checker
  }

  /** Each name once, and not without end. */
  #logDroppedNames(names: readonly string[]): void {
    for (const name of names) {
      if (this.#droppedNames.has(name) || this.#droppedNames.size >= MAX_DROPPED_NAMES) continue
      this.#droppedNames.add(name)
      this.#options.log.warn('header_dropped', {
        name,
        cure: 'name it in allow_header_names to let it pass',
      })
    }
  }
}
