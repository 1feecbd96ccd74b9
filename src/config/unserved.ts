/** What this version validates and does not serve yet. */
import type { Config, DefinitionType } from './model.ts'

const UNSERVED: ReadonlySet<DefinitionType> = new Set(['custom'])

/** The definitions, as `NAME (TYPE)`, whose credentials are neither checked nor sent by this version. */
export function findUnserved({ definitions }: Pick<Config, 'definitions'>): readonly string[] {
  return [...definitions.values()]
    .filter(({ type }) => UNSERVED.has(type))
    .map(({ name, type }) => `${name} (${type})`)
}
