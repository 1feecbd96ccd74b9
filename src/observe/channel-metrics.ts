/**
 * What is counted on the request path of one channel: plain numbers, turned into text only when
 * somebody scrapes.
 */
import { label, type Family } from './exposition.ts'
import { Histogram } from './histogram.ts'
import type { NamedCounters } from './named-counters.ts'
import { StatusCounts } from './status-counts.ts'

/** What handlers count with; resolved once when a generation is loaded. */
export interface ChannelMetrics {
  /** A request was answered; `definition` is `""` where none was verified. */
  request(definition: string, status: number, durationMs: number): void
  authFailure(reason: string): void
  spoofAttempt(): void
}

const requestsName = 'sidegate_inbound_requests_total'
const durationName = 'sidegate_inbound_request_duration_seconds'
const failuresName = 'sidegate_auth_failures_total'
const spoofName = 'sidegate_identity_spoof_attempts_total'

/** The numbers of one channel. */
export class ChannelCounters implements ChannelMetrics {
  /** As in `channel="NAME"`. */
  readonly #label: string
  readonly #requests = new StatusCounts()
  readonly #durations = new Histogram()
  readonly #failures = new Map<string, number>()
  #spoofAttempts = 0

  constructor(name: string) {
    this.#label = label('channel', name)
  }

  request(definition: string, status: number, durationMs: number): void {
    this.#requests.count(definition, status)
    this.#durations.observe(durationMs)
  }

  authFailure(reason: string): void {
    this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1)
  }

  spoofAttempt(): void {
    this.#spoofAttempts++
  }

  /** Drops the counts of definitions that are no more. */
  keepDefinitions(isKept: (name: string) => boolean): void {
    this.#requests.keep(isKept)
  }

  requestSamples(): Iterable<string> {
    return this.#requests.samples(requestsName, this.#label, 'definition')
  }

  durationSamples(): string {
    return this.#durations.render(durationName, this.#label)
  }

  failureSamples(): string {
    let text = ''
    for (const [reason, count] of this.#failures) {
      text += `${failuresName}{${this.#label},${label('reason', reason)}} ${count}\n`
    }
    return text
  }

  spoofSamples(): string {
    return `${spoofName}{${this.#label}} ${this.#spoofAttempts}\n`
  }
}

/** What is said of all channels at scrape time. */
export function channelFamilies(channels: NamedCounters<ChannelCounters>): Family[] {
  return [
    {
      name: requestsName,
      type: 'counter',
      help: 'Requests answered, by channel, verified definition and status.',
      samples: channels.each((counters) => counters.requestSamples()),
    },
    {
      name: durationName,
      type: 'histogram',
      help: 'From the end of the request head to the end of the answer.',
      samples: channels.each((counters) => [counters.durationSamples()]),
    },
    {
      name: failuresName,
      type: 'counter',
      help: 'Requests without valid credentials, by reason.',
      samples: channels.each((counters) => [counters.failureSamples()]),
    },
    {
      name: spoofName,
      type: 'counter',
      help: 'Requests that brought an identity header of their own, which was removed.',
      samples: channels.each((counters) => [counters.spoofSamples()]),
    },
  ]
}
