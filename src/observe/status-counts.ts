/**
 * How many requests ended with which status, by one more label: the definition on a channel, the
 * mode on an outgoing connection. What was counted before is counted again without allocation.
 */
import { label } from './exposition.ts'

export class StatusCounts {
  /** Of a value: status, count, status, count … since most see two or three. */
  readonly #counts = new Map<string, number[]>()

  count(value: string, status: number): void {
    const counts = this.#counts.get(value)
    if (counts === undefined) this.#counts.set(value, [status, 1])
    else countStatus(counts, status)
  }

  /** Drops the counts of values that are no more; those of `""` stay. */
  keep(isKept: (value: string) => boolean): void {
    for (const value of this.#counts.keys()) {
      if (value !== '' && !isKept(value)) this.#counts.delete(value)
    }
  }

  /** Lines of `metric{labels,labelName="VALUE",status="STATUS"}`, a text a value. */
  *samples(metric: string, labels: string, labelName: string): Generator<string> {
    // A copy: while others have their turn, entries may go and come again.
    for (const value of [...this.#counts.keys()]) {
      const counts = this.#counts.get(value) ?? []
      const allLabels = `${labels},${label(labelName, value)}`
      let text = ''
      for (let i = 0; i + 1 < counts.length; i += 2) {
        text += `${metric}{${allLabels},status="${counts[i] ?? 0}"} ${counts[i + 1] ?? 0}\n`
      }
      yield text
    }
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
