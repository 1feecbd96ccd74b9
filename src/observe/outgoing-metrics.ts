/**
 * What is counted on the request path of one outgoing connection: plain numbers, turned into text
 * only when somebody scrapes.
 */
import { label, type Family } from './exposition.ts'
import { Histogram } from './histogram.ts'
import type { NamedCounters } from './named-counters.ts'
import { StatusCounts } from './status-counts.ts'

/** What handlers count with; resolved once when a generation is loaded. */
export interface OutgoingMetrics {
  /** A request was answered; `mode` is the form it came in, a word of ours and never a client's. */
  request(mode: string, status: number, durationMs: number): void
}

const requestsName = 'sidegate_egress_requests_total'
const durationName = 'sidegate_egress_request_duration_seconds'

/** The numbers of one outgoing connection. */
export class OutgoingCounters implements OutgoingMetrics {
  /** As in `outgoing="NAME"`. */
  readonly #label: string
  readonly #requests = new StatusCounts()
  readonly #durations = new Histogram()

  constructor(name: string) {
    this.#label = label('outgoing', name)
  }

  request(mode: string, status: number, durationMs: number): void {
    this.#requests.count(mode, status)
    this.#durations.observe(durationMs)
  }

  requestSamples(): Iterable<string> {
    return this.#requests.samples(requestsName, this.#label, 'mode')
  }

  durationSamples(): string {
    return this.#durations.render(durationName, this.#label)
  }
}

/** What is said of all outgoing connections at scrape time. */
export function outgoingFamilies(outgoing: NamedCounters<OutgoingCounters>): Family[] {
  return [
    {
      name: requestsName,
      type: 'counter',
      help: 'Requests of the service answered, by outgoing connection, mode and status.',
      samples: outgoing.each((counters) => counters.requestSamples()),
    },
    {
      name: durationName,
      type: 'histogram',
      help: 'From the end of the request head of the service to the end of the answer.',
      samples: outgoing.each((counters) => [counters.durationSamples()]),
    },
  ]
}
