/**
 * How long requests took, in plain numbers: counted without allocation, turned into text only when
 * somebody scrapes.
 */

/** Upper bounds of the buckets, in milliseconds. */
const boundsMs = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000]
const boundLabels = [...boundsMs.map((ms) => String(ms / 1000)), '+Inf']

export class Histogram {
  readonly #buckets = new Float64Array(boundsMs.length + 1)
  #sumMs = 0

  observe(durationMs: number): void {
    this.#sumMs += durationMs
    let bucket = 0
    while (bucket < boundsMs.length && durationMs > (boundsMs[bucket] ?? 0)) bucket++
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
  }

  /** In seconds, and in one piece, so that the count and the buckets of a scrape agree. */
  render(name: string, labels: string): string {
    let text = ''
    let count = 0
    for (let i = 0; i < boundLabels.length; i++) {
      count += this.#buckets[i] ?? 0
      text += `${name}_bucket{${labels},le="${boundLabels[i] ?? ''}"} ${count}\n`
    }
    text += `${name}_sum{${labels}} ${this.#sumMs / 1000}\n`
    return `${text}${name}_count{${labels}} ${count}\n`
  }
}
