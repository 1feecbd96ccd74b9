/** Targets side by side: rounds in turn, so that a busy minute of the machine hits all alike. */
import type { Round } from './load.ts'
import { type Spread, formatSpread, formatTable, summariseFields } from './statistics.ts'

/** How long everything takes. */
export interface Effort {
  readonly rounds: number
  /** Seconds of a round. */
  readonly seconds: number
  /** How often the program is started for the figures of its start. */
  readonly starts: number
}

/** One round of load on one subject. */
export type RunRound = (seconds: number) => Promise<Round>

const FIELDS = ['microsPerRequest', 'requestsPerSecond', 'p50Ms', 'p99Ms', 'residentMib'] as const
const HEAD = ['µs CPU/request', 'requests/s', 'p50 ms', 'p99 ms', 'RSS MiB']
const WARM_UP_S = 2

/** Medians of all rounds, by the names of `FIELDS`. */
export type Summary = Record<(typeof FIELDS)[number], Spread>

/** A table of the report, as numbers. */
export type Table = ReadonlyMap<string, Summary>

/** Loads all targets in turn, round after round, after one round each that does not count. */
export async function compare(
  { rounds, seconds }: Effort,
  targets: ReadonlyMap<string, RunRound>,
): Promise<Table> {
  const results = new Map<string, Round[]>()
  for (const runRound of targets.values()) await runRound(WARM_UP_S)
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, runRound] of targets) {
      const result = await runRound(seconds)
      results.set(name, [...(results.get(name) ?? []), result])
    }
  }
  return new Map([...results].map(([name, all]) => [name, summariseFields(all, FIELDS)]))
}

/** What was found: printed at once, and kept as Markdown for `docs/performance.md`. */
export class Page {
  readonly #parts: string[] = []

  say(text: string): void {
    this.#parts.push(text)
    console.log(`\n${text}`)
  }

  /** A table under its title; `column` is the head of the first column. */
  report(title: string, column: string, table: Table): void {
    const rows = [...table].map(([name, summary]) => [
      name,
      ...FIELDS.map((field) => formatSpread(summary[field])),
    ])
    this.say(`## ${title}`)
    this.say(formatTable([column, ...HEAD], rows))
  }

  toString(): string {
    return this.#parts.join('\n\n')
  }
}
