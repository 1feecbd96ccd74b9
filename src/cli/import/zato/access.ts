/**
 * Who may call a channel. Zato asks for a definition *and* the groups; here any of them is enough, so
 * that such a pair needs a word of its own. What cannot be said stays closed, in its place: left
 * out, its requests would fall to a wider channel.
 */
import { quote } from '../../../observe/quote.ts'
import type { Item } from './item.ts'
import type { ImportedDefinition, ImportedGroup } from './model.ts'

/** Who may call, by the names of Sidegate. */
export type Access =
  | { readonly kind: 'public' }
  /** Nobody, and why. */
  | { readonly kind: 'closed'; readonly why: string }
  | {
      readonly kind: 'known'
      readonly security: string | undefined
      readonly groups: readonly string[]
      /** Everybody whom these let in. */
      readonly members: ReadonlySet<string>
    }

/** What the names on a channel mean. */
export interface Known {
  readonly definitions: ReadonlyMap<string, ImportedDefinition>
  readonly groups: ReadonlyMap<string, ImportedGroup>
}

const SECURITY_KEYS = ['security', 'security_name', 'sec_name', 'sec_def'] as const
const LEGACY_KEYS = ['security_name', 'sec_name', 'sec_def', 'security_groups'] as const
/** How older versions say that there is none. */
const NO_SECURITY = new Set(['zato-no-security', 'ZATO_NONE'])
/** What exports leave out. */
const INTERNAL = /^(?:zato|pub\.zato|demo)/

/** The name of the definition of an item, whatever the key is called; two that differ are a problem. */
export function findSecurityName(item: Item): string | undefined {
  const names = new Set(
    SECURITY_KEYS.flatMap((key) => item.text(key) ?? []).filter((name) => !NO_SECURITY.has(name)),
  )
  if (names.size > 1) item.problem('names several definitions, wanted one')
  return [...names][0]
}

/** Decides who may call a channel, and tells what is not as it was. */
export function decideAccess(item: Item, known: Known): Access {
  const { findings } = item.context
  const securityName = findSecurityName(item)
  const groupNames = [...new Set([...item.names('groups'), ...item.names('security_groups')])]
  const legacy = LEGACY_KEYS.find((key) => item.find(key) !== undefined)
  if (legacy !== undefined && (securityName !== undefined || groupNames.length > 0)) {
    const text = `channel ${item.shown}: Zato 4 reads no ${legacy} and made such a route public; it is protected now`
    findings.add('changed', item.place, text)
  }
  if (securityName === undefined && groupNames.length === 0) {
    findings.add('public', item.place, `channel ${item.shown} has neither security nor groups`)
    return { kind: 'public' }
  }
  const fault = securityName === undefined ? undefined : findFault(securityName, known)
  if (fault !== undefined) return close(item, fault)
  const definition = securityName === undefined ? undefined : known.definitions.get(securityName)
  return combine(item, definition, groupNames, known)
}

function findFault(name: string, { definitions }: Known): string | undefined {
  const definition = definitions.get(name)
  if (definition?.canCall === true) return undefined
  if (definition !== undefined) return `${quote(name)} is of a type that cannot call here`
  const hint = INTERNAL.test(name) ? ' (exports leave out what Zato calls its own)' : ''
  return `${quote(name)} is in none of the files${hint}`
}

function combine(
  item: Item,
  definition: ImportedDefinition | undefined,
  groupNames: readonly string[],
  known: Known,
): Access {
  const { findings } = item.context
  const unknown = groupNames.filter((name) => !known.groups.has(name))
  const found = groupNames.flatMap((name) => known.groups.get(name) ?? [])
  const usable = found.filter((group) => group.members.length > 0)
  const hasLost = unknown.length > 0 || found.some((group) => group.hasLost)
  for (const name of unknown) {
    const text = `channel ${item.shown}: group ${quote(name)} is in none of the files`
    findings.add('unknown', item.place, text)
  }
  if (definition === undefined && usable.length === 0) {
    return close(item, 'its groups have no members that can call')
  }
  // Definition and group were both asked for: with the group gone, the definition alone would be less.
  if (definition !== undefined && usable.length === 0 && hasLost) {
    return close(item, 'it asked for a group, too, which has no members that can call')
  }
  if (definition !== undefined && usable.length > 0) {
    const text = `channel ${item.shown}: definition ${quote(definition.original)} and groups ${groupNames.map(quote).join(', ')}`
    findings.add('any', item.place, text)
  }
  checkHeaders(item, usable)
  const groups = usable.map(({ name }) => name)
  const own = definition === undefined ? [] : [definition.name]
  const members = new Set([...own, ...usable.flatMap((group) => group.members)])
  return { kind: 'known', security: definition?.name, groups, members }
}

function close(item: Item, why: string): Access {
  item.context.findings.add('closed', item.place, `channel ${item.shown}: ${why}`)
  return { kind: 'closed', why }
}

/**
 * The groups of a channel of Zato have one header for keys, that of whichever member came first; the
 * others were shut out, and would be let in here.
 */
function checkHeaders(item: Item, groups: readonly ImportedGroup[]): void {
  const headers = new Set(groups.flatMap((group) => [...group.headers]))
  if (headers.size < 2) return
  item.problem(
    `its groups have keys in several headers (${[...headers].map(quote).join(', ')}), of which Zato took one: keep the members that are to call`,
  )
}

/** Whether somebody whom `a` lets in is refused by `b`. */
export function isWeaker(a: Access, b: Access): boolean {
  if (a.kind === 'closed' || b.kind === 'public') return false
  if (a.kind === 'public') return true
  if (b.kind === 'closed') return true
  return [...a.members].some((name) => !b.members.has(name))
}
