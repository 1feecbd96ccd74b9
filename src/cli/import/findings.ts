/**
 * What an import has to tell, by kind. Some kinds refuse the import: nothing is written then. Texts hold
 * names and places of the input, never values that may be secret.
 */
import type { Paint } from '../terminal.ts'
import type { SourcePlace } from './source-node.ts'
import { formatPlace } from './source-node.ts'

/** Kinds in the order of the report, each with its heading. */
const headings = {
  problem: 'Refused: what cannot be imported as it stands',
  any: 'Both becomes any: a definition and a group were asked for, one of them is enough now (--confirm-any)',
  public: 'Open to everybody, "security: none" (--confirm-public)',
  closed: 'Closed (404) until you give them a definition that Sidegate knows',
  secret: 'Variables to set before Sidegate loads the configuration',
  lossy: 'Exports leave this out: look it up in Zato',
  unknown: 'Without counterpart in Sidegate',
  empty: 'Groups without members, left out',
  inactive: 'Switched off',
  renamed: 'Names that were fitted',
  limit: 'Rate limits that are lost: nothing bounds these calls now',
  changed: 'Different from now on',
} as const

/** What a finding is about. */
export type FindingKind = keyof typeof headings

interface Finding {
  readonly place: SourcePlace | undefined
  readonly text: string
}

/** Collects findings; the same one at the same place is kept once. */
export class Findings {
  readonly #byKind = new Map<FindingKind, Map<string, Finding>>()

  add(kind: FindingKind, place: SourcePlace | undefined, text: string): void {
    const found = this.#byKind.get(kind) ?? new Map<string, Finding>()
    this.#byKind.set(kind, found)
    const key = `${place === undefined ? '' : formatPlace(place)} ${text}`
    if (!found.has(key)) found.set(key, { place, text })
  }

  count(kind: FindingKind): number {
    return this.#byKind.get(kind)?.size ?? 0
  }

  /** The report; `refused` are the kinds that stand in the way. */
  render(refused: ReadonlySet<FindingKind>, paint: Paint): readonly string[] {
    return Object.entries(headings).flatMap(([name, heading]) => {
      const kind = name as FindingKind
      const found = [...(this.#byKind.get(kind)?.values() ?? [])]
      if (found.length === 0) return []
      const title = `${heading}:`
      return [
        refused.has(kind) ? paint.red(title) : paint.bold(title),
        ...found.map(({ place, text }) => {
          return place === undefined ? `  ${text}` : `  ${formatPlace(place)}: ${text}`
        }),
        '',
      ]
    })
  }
}
