/**
 * Names of others become names of ours: 1 to 128 of A-Za-z0-9._-, a letter or digit first. Two that
 * become the same are numbered; what is referred to is found by its own, unchanged name.
 */

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const MAX_LENGTH = 128

/** One name space. */
export class NameSpace {
  readonly #taken = new Set<string>(['none'])
  readonly #reserved = new Set<string>()
  /** How often a name was numbered: thousands of equal ones must not cost their square. */
  readonly #counts = new Map<string, number>()
  readonly #fallback: string

  /** `fallback` is the name of what has no usable character. */
  constructor(fallback: string) {
    this.#fallback = fallback
  }

  /** Keeps names as they are: first, so that no fitted one takes them. */
  reserve(names: Iterable<string>): void {
    for (const name of names) if (NAME.test(name)) this.#reserved.add(name)
  }

  /** A name that fits and is not taken. */
  fit(name: string): string {
    const isOwn = NAME.test(name) && !this.#taken.has(name)
    const fitted = isOwn ? name : this.#number(fitName(name) || this.#fallback)
    this.#taken.add(fitted)
    return fitted
  }

  #number(base: string): string {
    for (let count = this.#counts.get(base) ?? 1; ; count++) {
      this.#counts.set(base, count)
      const suffix = count === 1 ? '' : `-${count}`
      const name = base.slice(0, MAX_LENGTH - suffix.length) + suffix
      if (!this.#taken.has(name) && !this.#reserved.has(name)) return name
    }
  }
}

function fitName(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
    .replace(/-+$/, '')
    .slice(0, MAX_LENGTH)
}
