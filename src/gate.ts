/**
 * The composition root: one configuration becomes running listeners, a changed one is built beside it
 * and takes its place, and the end lets everything finish that has begun.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReloadOptions, ReloadResult } from './admin/handler.ts'
import { Health } from './admin/health.ts'
import { createStatus } from './admin/status.ts'
import { loadInWorker } from './config/load-in-worker.ts'
import type { LoadResult } from './config/load.ts'
import type { Config } from './config/model.ts'
import { findFrozenFiles } from './config/mounts.ts'
import { secretValues } from './config/secret-values.ts'
import { createWatcher, type Watcher } from './config/watch.ts'
import { findRestartRequired, prepareGeneration, type Generation } from './gate/generation.ts'
import { EgressSide } from './gate/egress-side.ts'
import { CustomSchemes } from './gate/custom-schemes.ts'
import { InboundSide } from './gate/inbound-side.ts'
import { Listeners } from './gate/listeners.ts'
import { Reloader, type Applied } from './gate/reloader.ts'
import { openAdmin } from './gate/open.ts'
import { Sessions } from './gate/sessions.ts'
import { BodyBudget, DEFAULT_BUFFERED_BYTES } from './http/kept-body.ts'
import { Watchdog } from './http/watchdog.ts'
import type { InboundGeneration } from './inbound/route.ts'
import { createAccessLog, type AccessLog } from './observe/access.ts'
import { openDestination } from './observe/destination.ts'
import { createLog, resolveFormat, type ProcessLog } from './observe/log.ts'
import { Metrics } from './observe/metrics.ts'
import { createRedactor } from './observe/redact.ts'
import { version } from './version.ts'

export interface GateOptions {
  readonly paths: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** At least 32 random bytes, the same for every load: tells changed definitions from equal ones. */
  readonly fingerprintKey: Buffer
}

/** A configuration without problems. */
export type Loaded = Extract<LoadResult, { readonly config: Config }>

/** The process, from its first configuration to its end. */
export class Gate {
  readonly log: ProcessLog
  readonly #lookupKey = randomBytes(32)
  readonly #health = new Health()
  readonly #metrics = new Metrics({ version })
  readonly #redactor = createRedactor()
  readonly #accessLog: AccessLog
  readonly #watchdog = new Watchdog()
  readonly #sessions = new Sessions()
  readonly #reloader: Reloader
  readonly #watcher: Watcher
  readonly #inbound: InboundSide
  readonly #schemes: CustomSchemes
  readonly #egress: EgressSide
  readonly #admin = new Listeners()
  #generation: Generation | undefined
  /** What the listeners were opened with. */
  #firstConfig: Config | undefined

  /** `first` decides how lines are written; all else can be changed by a reload. */
  constructor(options: GateOptions, first: Config) {
    const format = resolveFormat(first.log.format, process.stdout.isTTY)
    const redactor = this.#redactor
    const nowMs = Date.now
    this.log = createLog({ level: 'info', format, stream: openDestination(1), redactor, nowMs })
    this.#accessLog = createAccessLog({ log: this.log, redactor, mode: true, nowMs })
    const budget = new BodyBudget(first.inbound?.limits.bufferedBytes ?? DEFAULT_BUFFERED_BYTES)
    this.#schemes = new CustomSchemes(this.log)
    this.#inbound = new InboundSide({
      schemes: this.#schemes,
      metrics: this.#metrics,
      log: this.log,
      accessLog: this.#accessLog,
      watchdog: this.#watchdog,
      budget,
      lookupKey: this.#lookupKey,
      current: () => this.#currentInbound(),
      onWebSocket: (session) => {
        // The configuration may have changed between the request and the answer.
        if (this.#generation !== undefined) {
          this.#sessions.addInbound(session, this.#generation.config)
        }
      },
    })
    this.#egress = new EgressSide({
      schemes: this.#schemes,
      metrics: this.#metrics,
      redactor,
      log: this.log,
      accessLog: this.#accessLog,
      watchdog: this.#watchdog,
      budget,
      lookupKey: this.#lookupKey,
      current: () => this.#generation,
      otherAddresses: () => [...this.#inbound.addresses, ...this.#admin.addresses],
      onSession: (session) => {
        if (this.#generation !== undefined) {
          this.#sessions.addEgress(session, this.#generation.config)
        }
      },
    })
    this.#watcher = createWatcher({
      onChange: () => {
        void this.reload()
      },
      onEventsLost: (error) => {
        this.log.warn('file_events_lost', { detail: String(error) })
      },
    })
    this.#reloader = new Reloader({
      load: () => loadForStart(options),
      apply: (config, atMs) => this.#apply(config, atMs),
      watcher: this.#watcher,
      log: this.log,
      metrics: this.#metrics,
      nowMs,
    })
  }

  /**
   * Serves a configuration whose load began at `loadedAtMs`; throws `ListenError` where an address
   * cannot be had.
   */
  async start(loaded: Loaded, loadedAtMs: number): Promise<void> {
    const { config } = loaded
    await this.#reloader.begin(loaded, loadedAtMs)
    if (config.inbound !== undefined) await this.#inbound.open(config.inbound)
    if (config.egress !== undefined) await this.#egress.open(config.egress)
    await this.#openAdmin(config)
    this.#health.becomeReady()
    this.log.info('ready', { generation: this.#generation?.number, version, node: process.version })
    sayEndOfLife(this.log)
    for (const { file, reason } of await findFrozenFiles(config.files)) {
      this.log.warn('file_never_changes', { file, reason })
    }
  }

  /** Loads the files once more. */
  async reload({ release }: ReloadOptions = {}): Promise<ReloadResult> {
    if (release !== undefined) this.#egress.release(release)
    const result = await this.#reloader.reload()
    return result
  }

  /**
   * Ends: no longer ready at once; after `drain_delay` nothing new is accepted, and what is under way
   * has `drain_timeout`. Resolves when all is over.
   */
  async stop(options: { readonly skipsDelay: boolean }): Promise<void> {
    const shutdown = this.#generation?.config.shutdown
    this.#health.drain()
    this.log.info('draining')
    await this.#watcher.close()
    if (!options.skipsDelay) await sleep(shutdown?.drainDelayMs ?? 0)
    this.#inbound.drain()
    this.#sessions.closeAll()
    const cut = setTimeout(() => {
      this.log.warn('drain_timeout')
      this.#inbound.destroy()
      this.#egress.destroy()
    }, shutdown?.drainTimeoutMs ?? 0)
    await this.#inbound.close()
    // The app's last calls come while its own requests end.
    await this.#egress.close()
    clearTimeout(cut)
    this.#schemes.close()
    this.#inbound.closeUpstreams()
    this.#watchdog.close()
    this.#admin.destroy()
    await this.#admin.close()
    this.log.info('stopped')
    await this.log.flush()
  }

  /** Builds the new generation beside the old one and swaps one reference. */
  async #apply(config: Config, loadedAtMs: number): Promise<Applied> {
    const before = this.#generation
    const secrets = [...secretValues(config)]
    if (before !== undefined) secrets.push(...secretValues(before.config))
    await this.#redactor.setSecrets(secrets)
    const { generation, commit } = await prepareGeneration(config, before, loadedAtMs, {
      ...this.#inbound.servicesFor(config),
      egress: this.#egress,
    })
    this.#generation = generation
    commit()
    this.log.setLevel(config.log.level)
    this.#accessLog.setMode(config.log.access)
    this.#metrics.generation(generation.number)
    this.#metrics.forgetAllBut({
      channels: new Set(config.channels.map((channel) => channel.name)),
      definitions: config.definitions,
      outgoing: new Set(config.outgoing.map(({ name }) => name)),
    })
    this.#sessions.closeStale(config)
    this.#inbound.commit(config)
    this.#schemes.commit(config)
    this.#firstConfig ??= config
    const restartRequired = findRestartRequired(this.#firstConfig, config)
    return { generation: generation.number, restartRequired }
  }

  #currentInbound(): InboundGeneration {
    if (this.#generation === undefined) throw new Error('a request came before a generation')
    return this.#generation.inbound
  }

  async #openAdmin(config: Config): Promise<void> {
    const redact = (text: string): string => this.#redactor.redact(text)
    await openAdmin(this.#admin, config.admin, {
      log: this.log,
      metrics: this.#metrics,
      health: this.#health,
      reload: (options) => this.reload(options),
      redact,
      onFailure: (error) => {
        this.log.error('admin_failed', { detail: String(error) })
      },
      status: () =>
        createStatus({
          version,
          isReady: this.#health.isReady,
          generation: this.#generation?.number ?? 0,
          loadedAtMs: this.#generation?.loadedAtMs,
          config: this.#generation?.config,
          reload: this.#reloader.state,
          lastUsedAt: (definition, label) => this.#metrics.lastUsedAt(definition, label),
          source: { tokens: () => this.#egress.tokens(), held: () => this.#egress.held() },
          redact,
        }),
    })
  }
}

/** Loads the configuration off the event loop; never rejects. */
export function loadForStart(options: GateOptions): Promise<LoadResult> {
  return loadInWorker({ ...options, nowMs: Date.now() })
}

function sayEndOfLife(log: ProcessLog): void {
  if (process.version.startsWith('v20.')) {
    log.warn('node_end_of_life', {
      node: process.version,
      detail: 'Node 20 gets no security fixes since 2026-04-30, run 24',
    })
  }
}
