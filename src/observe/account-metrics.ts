/** What is known of accounts that log in by a handshake: how handshakes ended, and who is held back. */
import { label, type Family } from './exposition.ts'

const handshakesName = 'sidegate_ntlm_handshakes_total'
const heldName = 'sidegate_credential_held'

/** An account that has been used, and whether it is held at this moment. */
export interface AccountState {
  readonly definition: string
  /** In a row, while it is held. */
  readonly refusals: number | undefined
}

export class AccountMetrics {
  /** Of a definition: how many handshakes ended with which result. */
  readonly #handshakes = new Map<string, Map<string, number>>()
  /** Asked at scrape time: a hold ends by itself. */
  states: () => Iterable<AccountState> = () => []

  /** A handshake has ended. */
  handshake(definition: string, result: string): void {
    let results = this.#handshakes.get(definition)
    if (results === undefined) {
      results = new Map()
      this.#handshakes.set(definition, results)
    }
    results.set(result, (results.get(result) ?? 0) + 1)
  }

  keepDefinitions(isKept: (name: string) => boolean): void {
    for (const name of this.#handshakes.keys()) if (!isKept(name)) this.#handshakes.delete(name)
  }

  families(): Family[] {
    return [
      {
        name: handshakesName,
        type: 'counter',
        help: 'NTLM handshakes, by definition and result.',
        samples: () => this.#handshakeSamples(),
      },
      {
        name: heldName,
        type: 'gauge',
        help: 'Whether the credential of a definition was refused and is held back.',
        samples: () => this.#heldSamples(),
      },
    ]
  }

  *#handshakeSamples(): Generator<string> {
    // Copies: while others have their turn, entries may go and come again.
    for (const [definition, results] of [...this.#handshakes]) {
      const labels = label('definition', definition)
      let text = ''
      for (const [result, count] of results) {
        text += `${handshakesName}{${labels},${label('result', result)}} ${count}\n`
      }
      yield text
    }
  }

  *#heldSamples(): Generator<string> {
    // Requests of an earlier generation may have an account of their own.
    const values = new Map<string, number>()
    for (const { definition, refusals } of this.states()) {
      values.set(definition, Math.max(values.get(definition) ?? 0, refusals === undefined ? 0 : 1))
    }
    for (const [definition, value] of values) {
      yield `${heldName}{${label('definition', definition)}} ${value}\n`
    }
  }
}
