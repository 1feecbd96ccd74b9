/**
 * The metrics of the process. What the request path counts, and what has a series a definition, is
 * kept in plain numbers and made into text by ourselves, see `channel-metrics.ts`; the rest, and
 * Node's own, is prom-client's. Labels come from the configuration, never from a client.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import { AccountMetrics } from './account-metrics.ts'
import { ChannelCounters, channelFamilies } from './channel-metrics.ts'
import type { ChannelMetrics } from './channel-metrics.ts'
import { renderFamilies } from './exposition.ts'
import type { Family } from './exposition.ts'
import { LastUse } from './last-use.ts'
import { NamedCounters } from './named-counters.ts'
import { OutgoingCounters, outgoingFamilies } from './outgoing-metrics.ts'
import type { OutgoingMetrics } from './outgoing-metrics.ts'
import { TokenMetrics } from './token-metrics.ts'

export type { ChannelMetrics } from './channel-metrics.ts'
export type { OutgoingMetrics } from './outgoing-metrics.ts'

/** Whose connections are counted as open. */
export type Side = 'inbound' | 'egress' | 'upstream'

/** What a running configuration still names; a Map and a Set both will do. */
export interface KeptNames {
  readonly channels: { has(name: string): boolean }
  readonly definitions: { has(name: string): boolean }
  /** Outgoing connections; without it all of them stay. */
  readonly outgoing?: { has(name: string): boolean }
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
  readonly #channels = new NamedCounters((name) => new ChannelCounters(name))
  readonly #outgoing = new NamedCounters((name) => new OutgoingCounters(name))
  readonly #tokens = new TokenMetrics()
  /** Handshakes, and accounts that are held back. */
  readonly accounts = new AccountMetrics()
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
    return this.#channels.get(name)
  }

  /** The counters of an outgoing connection, `""` for requests that match none. */
  outgoing(name: string): OutgoingMetrics {
    return this.#outgoing.get(name)
  }

  /** A fetch of a token of a definition has ended. */
  tokenRequest(definition: string, result: string): void {
    this.#tokens.request(definition, result)
  }

  /** The token of a definition's own scopes ends at an instant in milliseconds since 1970. */
  tokenExpiry(definition: string, expiresAtMs: number): void {
    this.#tokens.expiry(definition, expiresAtMs)
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
   * Drops everything about channels, outgoing connections and definitions that are not among these.
   * To be called with every new generation: what requests of the old one still count is dropped
   * with the next.
   */
  forgetAllBut({ channels, definitions, outgoing }: KeptNames): void {
    const isDefinitionKept = (name: string): boolean => definitions.has(name)
    this.#channels.keep((name) => channels.has(name))
    for (const counters of this.#channels.all()) counters.keepDefinitions(isDefinitionKept)
    if (outgoing !== undefined) this.#outgoing.keep((name) => outgoing.has(name))
    this.#lastUse.keepDefinitions(isDefinitionKept)
    this.#tokens.keepDefinitions(isDefinitionKept)
    this.accounts.keepDefinitions(isDefinitionKept)
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
    return [
      ...channelFamilies(this.#channels),
      {
        name: 'sidegate_definition_last_used_timestamp_seconds',
        type: 'gauge',
        help: 'When a secret of a definition was last used; those not used are absent.',
        samples: () => this.#lastUse.samples(),
      },
      ...outgoingFamilies(this.#outgoing),
      ...this.#tokens.families(),
      ...this.accounts.families(),
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
