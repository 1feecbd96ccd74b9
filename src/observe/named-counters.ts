/**
 * The counters of everything of one kind, channels or outgoing connections, by name: found once a
 * generation, kept from one generation to the next, dropped when the name is gone.
 */

export class NamedCounters<T> {
  readonly #create: (name: string) => T
  readonly #counters = new Map<string, T>()

  constructor(create: (name: string) => T) {
    this.#create = create
  }

  /** The same ones for one name. */
  get(name: string): T {
    let counters = this.#counters.get(name)
    if (counters === undefined) {
      counters = this.#create(name)
      this.#counters.set(name, counters)
    }
    return counters
  }

  /** A copy: while it is rendered others have their turn, and entries may go and come again. */
  all(): readonly T[] {
    return [...this.#counters.values()]
  }

  /** Drops those that are no more; `""`, where nothing matched, stays. */
  keep(isKept: (name: string) => boolean): void {
    for (const name of this.#counters.keys()) {
      if (name !== '' && !isKept(name)) this.#counters.delete(name)
    }
  }

  /** What makes the samples of a family at scrape time: those of each, one after the other. */
  each(samples: (counters: T) => Iterable<string>): () => Iterable<string> {
    const all = this.all.bind(this)
    return function* () {
      for (const counters of all()) yield* samples(counters)
    }
  }
}
