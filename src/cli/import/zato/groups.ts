/** Groups of an enmasse file: members that can call, and what becomes of groups that lose theirs. */
import { quote } from '../../../observe/quote.ts'
import type { NameSpace } from '../names.ts'
import { formatPlace } from '../source-node.ts'
import type { Item } from './item.ts'
import type { ImportedDefinition, ImportedGroup } from './model.ts'
import { reportLimits } from './rate-limits.ts'

/** All groups by their original name. */
export function convertGroups(
  items: readonly Item[],
  definitions: ReadonlyMap<string, ImportedDefinition>,
  names: NameSpace,
  closingTiers: ReadonlySet<string>,
): ReadonlyMap<string, ImportedGroup> {
  const groups = new Map<string, ImportedGroup>()
  const places = new Map<string, string>()
  for (const item of items) {
    const earlier = places.get(item.name)
    if (earlier !== undefined) {
      item.problem(`defined a second time, the first time at ${earlier}`)
      continue
    }
    places.set(item.name, formatPlace(item.place))
    reportLimits(item, closingTiers)
    groups.set(item.name, convertGroup(item, definitions, names))
  }
  return groups
}

function convertGroup(
  item: Item,
  definitions: ReadonlyMap<string, ImportedDefinition>,
  names: NameSpace,
): ImportedGroup {
  const { findings } = item.context
  const wanted = new Set(item.names('members'))
  const members: string[] = []
  const headers = new Set<string>()
  for (const member of wanted) {
    const definition = definitions.get(member)
    if (definition?.canCall === true) {
      members.push(definition.name)
      if (definition.header !== undefined) headers.add(definition.header)
      continue
    }
    const why = definition === undefined ? 'is in none of the files' : 'cannot call here'
    findings.add('unknown', item.place, `member ${quote(member)} of group ${item.shown} ${why}`)
  }
  const hasLost = members.length < wanted.size
  if (members.length === 0) {
    const how = wanted.size === 0 ? 'has no members' : 'has none left'
    const text = `group ${item.shown} ${how} (in Zato 3 a route with only an empty group was open to everybody)`
    findings.add('empty', item.place, text)
    return { name: '', members, headers, hasLost, draft: undefined }
  }
  const name = names.fit(item.name)
  if (name !== item.name) {
    findings.add('renamed', item.place, `group ${item.shown} is ${quote(name)}`)
  }
  return { name, members, headers, hasLost, draft: { place: item.place, entry: { name, members } } }
}
