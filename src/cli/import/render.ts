/** Writes a configuration as YAML. Comments hold names of the input, made printable. */
import { Document, YAMLMap, YAMLSeq } from 'yaml'
import type { Draft, Written } from './zato/model.ts'

/** The lists of a configuration. */
export type Lists = Readonly<
  Record<'security' | 'groups' | 'channels' | 'outgoing', readonly Draft[]>
>

/** YAML of settings and lists; empty lists are left out. `about` stands above everything. */
export function renderConfiguration(
  about: string,
  settings: Readonly<Record<string, Written>>,
  lists: Lists,
): string {
  const filled = Object.entries(lists).filter(([, drafts]) => drafts.length > 0)
  const entries = filled.map(([key, drafts]) => [key, drafts.map(({ entry }) => entry)] as const)
  const document = new Document(
    { ...settings, ...Object.fromEntries(entries) },
    { aliasDuplicateObjects: false },
  )
  document.commentBefore = about
    .split('\n')
    .map((line) => ` ${line}`)
    .join('\n')
  for (const [key, drafts] of filled) {
    const list = document.get(key)
    if (!(list instanceof YAMLSeq)) continue
    for (const [index, { comment }] of drafts.entries()) {
      const item: unknown = list.items[index]
      if (comment !== undefined && item instanceof YAMLMap) item.commentBefore = ` ${comment}`
    }
  }
  return document.toString({ lineWidth: 0 })
}
