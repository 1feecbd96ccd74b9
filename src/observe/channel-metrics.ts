/**
 * What is counted on the request path of one channel: plain numbers, turned into text only when
 * somebody scrapes.
 */
import { label } from './exposition.ts'

/** What handlers count with; resolved once when a generation is loaded. */
export interface ChannelMetrics {
  /** A request was answered; `definition` is `""` where none was verified. */
  request(definition: string, status: number, durationMs: number): void
  authFailure(reason: string): void
  spoofAttempt(): void
}

/** Upper bounds of the buckets, in milliseconds. */
const boundsMs = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000]
const boundLabels = [...boundsMs.map((ms) => String(ms / 1000)), '+Inf']

/** The numbers of one channel. */
export class ChannelCounters implements ChannelMetrics {
  /** As in `channel="NAME"`. */
  readonly #label: string
  /** Of a definition: status, count, status, count … since most see two or three. */
  readonly #requests = new Map<string, number[]>()
  readonly #failures = new Map<string, number>()
  readonly #buckets = new Float64Array(boundsMs.length + 1)
  #sumMs = 0
  #spoofAttempts = 0

  constructor(name: string) {
    this.#label = label('channel', name)
  }

  request(definition: string, status: number, durationMs: number): void {
    const counts = this.#requests.get(definition)
    if (counts === undefined) this.#requests.set(definition, [status, 1])
    else countStatus(counts, status)
    this.#sumMs += durationMs
    let bucket = 0
    while (bucket < boundsMs.length && durationMs > (boundsMs[bucket] ?? 0)) bucket++
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
  }

  authFailure(reason: string): void {
    this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1)
  }

  spoofAttempt(): void {
    this.#spoofAttempts++
  }

  /** Drops the counts of definitions that are no more. */
  keepDefinitions(isKept: (name: string) => boolean): void {
    for (const name of this.#requests.keys()) {
      if (name !== '' && !isKept(name)) this.#requests.delete(name)
    }
  }

  *requestSamples(): Generator<string> {
    // A copy: while others have their turn, entries may go and come again.
    for (const definition of [...this.#requests.keys()]) {
      const counts = this.#requests.get(definition) ?? []
      const labels = `${this.#label},${label('definition', definition)}`
      let text = ''
      for (let i = 0; i + 1 < counts.length; i += 2) {
        text += `sidegate_inbound_requests_total{${labels},status="${counts[i] ?? 0}"} ${counts[i + 1] ?? 0}\n`
      }
      yield text
    }
  }

  /** In one piece, so that the count and the buckets of a scrape agree. */
  durationSamples(): string {
    const name = 'sidegate_inbound_request_duration_seconds'
    let text = ''
    let count = 0
    for (let i = 0; i < boundLabels.length; i++) {
      count += this.#buckets[i] ?? 0
      text += `${name}_bucket{${this.#label},le="${boundLabels[i] ?? ''}"} ${count}\n`
    }
    text += `${name}_sum{${this.#label}} ${this.#sumMs / 1000}\n`
    return `${text}${name}_count{${this.#label}} ${count}\n`
  }

  failureSamples(): string {
    let text = ''
    for (const [reason, count] of this.#failures) {
      text += `sidegate_auth_failures_total{${this.#label},${label('reason', reason)}} ${count}\n`
    }
    return text
  }

  spoofSamples(): string {
    return `sidegate_identity_spoof_attempts_total{${this.#label}} ${this.#spoofAttempts}\n`
  }
}

function countStatus(counts: number[], status: number): void {
  for (let i = 0; i < counts.length; i += 2) {
    if (counts[i] === status) {
      counts[i + 1] = (counts[i + 1] ?? 0) + 1
      return
    }
  }
  counts.push(status, 1)
}
