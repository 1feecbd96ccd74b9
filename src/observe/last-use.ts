/**
 * When which secret of which definition was last used. Only those that were used take any room.
 */
import { label as formatLabel } from './exposition.ts'

/** One secret; the definition's other ones follow. Most definitions have one. */
interface Use {
  readonly label: string
  atMs: number
  readonly next: Use | undefined
}

export class LastUse {
  readonly #uses = new Map<string, Use>()

  record(definition: string, label: string, atMs: number): void {
    const first = this.#uses.get(definition)
    const use = findUse(first, label)
    if (use === undefined) this.#uses.set(definition, { label, atMs, next: first })
    else if (atMs > use.atMs) use.atMs = atMs
  }

  /** Milliseconds since 1970, or `undefined` where it was not used since the start. */
  at(definition: string, label: string): number | undefined {
    return findUse(this.#uses.get(definition), label)?.atMs
  }

  /** Drops definitions that are no more, and labels of those that stay only with their definition. */
  keepDefinitions(isKept: (name: string) => boolean): void {
    for (const name of this.#uses.keys()) if (!isKept(name)) this.#uses.delete(name)
  }

  *samples(): Generator<string> {
    // A copy: while others have their turn, entries may go and come again.
    for (const definition of [...this.#uses.keys()]) {
      const labels = formatLabel('definition', definition)
      for (let use = this.#uses.get(definition); use !== undefined; use = use.next) {
        yield `sidegate_definition_last_used_timestamp_seconds{${labels},${formatLabel('label', use.label)}} ${use.atMs / 1000}\n`
      }
    }
  }
}

function findUse(first: Use | undefined, label: string): Use | undefined {
  let use = first
  while (use !== undefined && use.label !== label) use = use.next
  return use
}
