/**
 * What is known of the tokens of each definition: how fetches of them ended, and when the one of the
 * definition's own scopes ends. Definitions that fetched nothing are absent.
 */
import { label, type Family } from './exposition.ts'

const requestsName = 'sidegate_token_requests_total'
const expiryName = 'sidegate_token_expiry_timestamp_seconds'

export class TokenMetrics {
  /** Of a definition: how many fetches ended with which result. */
  readonly #requests = new Map<string, Map<string, number>>()
  readonly #expiriesMs = new Map<string, number>()

  /** A fetch has ended. */
  request(definition: string, result: string): void {
    let results = this.#requests.get(definition)
    if (results === undefined) {
      results = new Map()
      this.#requests.set(definition, results)
    }
    results.set(result, (results.get(result) ?? 0) + 1)
  }

  /** The latest token ends at an instant in milliseconds since 1970. */
  expiry(definition: string, expiresAtMs: number): void {
    this.#expiriesMs.set(definition, expiresAtMs)
  }

  keepDefinitions(isKept: (name: string) => boolean): void {
    for (const name of this.#requests.keys()) if (!isKept(name)) this.#requests.delete(name)
    for (const name of this.#expiriesMs.keys()) if (!isKept(name)) this.#expiriesMs.delete(name)
  }

  families(): Family[] {
    return [
      {
        name: requestsName,
        type: 'counter',
        help: 'Requests to token servers, by definition and result.',
        samples: () => this.#requestSamples(),
      },
      {
        name: expiryName,
        type: 'gauge',
        help: 'When the latest token of the own scopes of a definition ends.',
        samples: () => this.#expirySamples(),
      },
    ]
  }

  *#requestSamples(): Generator<string> {
    // Copies, here and below: while others have their turn, entries may go and come again.
    for (const [definition, results] of [...this.#requests]) {
      const labels = label('definition', definition)
      let text = ''
      for (const [result, count] of results) {
        text += `${requestsName}{${labels},${label('result', result)}} ${count}\n`
      }
      yield text
    }
  }

  *#expirySamples(): Generator<string> {
    for (const [definition, expiresAtMs] of [...this.#expiriesMs]) {
      yield `${expiryName}{${label('definition', definition)}} ${expiresAtMs / 1000}\n`
    }
  }
}
