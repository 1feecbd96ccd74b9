/**
 * The metrics of the process. What the request path counts is kept in plain numbers and made into
 * text by ourselves, see `channel-metrics.ts`; what is rare, and Node's own, is prom-client's.
 * Labels come from the configuration, never from a client.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import { ChannelCounters } from './channel-metrics.ts'
import type { ChannelMetrics } from './channel-metrics.ts'
import { renderFamilies } from './exposition.ts'
import type { Family } from './exposition.ts'
import { LastUse } from './last-use.ts'

export type { ChannelMetrics } from './channel-metrics.ts'

/** Whose connections are counted as open. */
export type Side = 'inbound' | 'egress' | 'upstream'

/** What a running configuration still names; a Map and a Set both will do. */
export interface KeptNames {
  readonly channels: { has(name: string): boolean }
  readonly definitions: { has(name: string): boolean }
}

export interface MetricsOptions {
  readonly version: string
  /** Node's own metrics too. Default: true. */
  readonly isNodeIncluded?: boolean
}

/** promtool objects to gauges that end in `_total`; each has a namesake with labels that stays. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

export class Metrics {
  readonly #registry = new Registry()
  readonly #channels = new Map<string, ChannelCounters>()
  readonly #lastUse = new LastUse()
  readonly #open: Record<Side, number> = { inbound: 0, egress: 0, upstream: 0 }
  readonly #families: Family[]
  readonly #passwordChecks: Counter<'result'>
  readonly #reloads: Counter<'result'>
  readonly #generation: Gauge
  readonly #isLastReloadGood: Gauge
  readonly #lastGoodReload: Gauge
  #rendering: Promise<readonly Buffer[]> | undefined

  constructor({ version, isNodeIncluded = true }: MetricsOptions) {
    const registers = [this.#registry]
    this.#families = this.#createFamilies()
    this.#passwordChecks = new Counter({
      name: 'sidegate_password_checks_total',
      help: 'Checks of a password or key against a slow hash, by result.',
      labelNames: ['result'],
      registers,
    })
    this.#reloads = new Counter({
      name: 'sidegate_config_reloads_total',
      help: 'Attempts to load a configuration, by result.',
      labelNames: ['result'],
      registers,
    })
    this.#reloads.inc({ result: 'success' }, 0)
    this.#reloads.inc({ result: 'failure' }, 0)
    this.#generation = new Gauge({
      name: 'sidegate_config_generation',
      help: 'Number of the running configuration, 0 before the first.',
      registers,
    })
    this.#isLastReloadGood = new Gauge({
      name: 'sidegate_config_last_reload_successful',
      help: 'Whether the last attempt to load a configuration succeeded.',
      registers,
    })
    this.#lastGoodReload = new Gauge({
      name: 'sidegate_config_last_reload_success_timestamp_seconds',
      help: 'When a configuration was last loaded.',
      registers,
    })
    this.#registerProcess(version, isNodeIncluded)
  }

  /** The content type of `render()`. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** The counters of a channel, `""` for requests that match none; the same ones for one name. */
  channel(name: string): ChannelMetrics {
    let counters = this.#channels.get(name)
    if (counters === undefined) {
      counters = new ChannelCounters(name)
      this.#channels.set(name, counters)
    }
    return counters
  }

  passwordCheck(result: string): void {
    this.#passwordChecks.inc({ result })
  }

  /** A secret of a definition was used, at an instant in milliseconds since 1970. */
  lastUsed(definition: string, label: string, atMs: number): void {
    this.#lastUse.record(definition, label, atMs)
  }

  /** When that was, in milliseconds since 1970; `undefined` if not since the start. */
  lastUsedAt(definition: string, label: string): number | undefined {
    return this.#lastUse.at(definition, label)
  }

  connectionOpened(side: Side): void {
    this.#open[side]++
  }

  connectionClosed(side: Side): void {
    this.#open[side]--
  }

  /** A generation is running. */
  generation(number: number): void {
    this.#generation.set(number)
  }

  /** The first configuration was loaded, which is not a reload. */
  loaded(atMs: number): void {
    this.#isLastReloadGood.set(1)
    this.#lastGoodReload.set(atMs / 1000)
  }

  /** A configuration was loaded in place of another, or refused. */
  reload(result: 'success' | 'failure', atMs: number): void {
    this.#reloads.inc({ result })
    if (result === 'success') this.loaded(atMs)
    else this.#isLastReloadGood.set(0)
  }

  /**
   * Drops everything about channels and definitions that are not among these. To be called with
   * every new generation: what requests of the old one still count is dropped with the next.
   */
  forgetAllBut({ channels, definitions }: KeptNames): void {
    for (const [name, counters] of this.#channels) {
      if (name !== '' && !channels.has(name)) this.#channels.delete(name)
      else counters.keepDefinitions((definition) => definitions.has(definition))
    }
    this.#lastUse.keepDefinitions((definition) => definitions.has(definition))
  }

  /** Adds metrics of others that are made at scrape time. */
  register(family: Family): void {
    this.#families.push(family)
  }

  /**
   * Everything in the text format, in pieces: with 100,000 callers it is many megabytes. Those who
   * ask while it is being made share it.
   */
  renderChunks(): Promise<readonly Buffer[]> {
    this.#rendering ??= this.#render().finally(() => {
      this.#rendering = undefined
    })
    return this.#rendering
  }

  /** The same as one text. */
  async render(): Promise<string> {
    return Buffer.concat(await this.renderChunks()).toString()
  }

  async #render(): Promise<readonly Buffer[]> {
    const chunks = await renderFamilies(this.#families)
    chunks.push(Buffer.from(await this.#registry.metrics()))
    return chunks
  }

  #createFamilies(): Family[] {
    const channels = this.#channels
    const each = (samples: (counters: ChannelCounters) => Iterable<string>) =>
      function* () {
        for (const counters of [...channels.values()]) yield* samples(counters)
      }
    return [
      {
        name: 'sidegate_inbound_requests_total',
        type: 'counter',
        help: 'Requests answered, by channel, verified definition and status.',
        samples: each((counters) => counters.requestSamples()),
      },
      {
        name: 'sidegate_inbound_request_duration_seconds',
        type: 'histogram',
        help: 'From the end of the request head to the end of the answer.',
        samples: each((counters) => [counters.durationSamples()]),
      },
      {
        name: 'sidegate_auth_failures_total',
        type: 'counter',
        help: 'Requests without valid credentials, by reason.',
        samples: each((counters) => [counters.failureSamples()]),
      },
      {
        name: 'sidegate_identity_spoof_attempts_total',
        type: 'counter',
        help: 'Requests that brought an identity header of their own, which was removed.',
        samples: each((counters) => [counters.spoofSamples()]),
      },
      {
        name: 'sidegate_definition_last_used_timestamp_seconds',
        type: 'gauge',
        help: 'When a secret of a definition was last used; those not used are absent.',
        samples: () => this.#lastUse.samples(),
      },
    ]
  }

  #registerProcess(version: string, isNodeIncluded: boolean): void {
    const registers = [this.#registry]
    const open = this.#open
    new Gauge({
      name: 'sidegate_open_connections',
      help: 'Connections that are open now, by side.',
      labelNames: ['side'],
      registers,
      collect() {
        for (const side of Object.keys(open) as Side[]) this.set({ side }, open[side])
      },
    })
    new Gauge({
      name: 'sidegate_build_info',
      help: 'Always 1; the version is in the label.',
      labelNames: ['version'],
      registers,
    }).set({ version }, 1)
    if (!isNodeIncluded) return
    collectDefaultMetrics({ register: this.#registry })
    for (const name of misnamed) this.#registry.removeSingleMetric(name)
  }
}
