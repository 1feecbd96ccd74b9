/** An enmasse file as the lists of a configuration; everything else that it says is told. */
import { hash, randomBytes } from 'node:crypto'
import { quote } from '../../../observe/quote.ts'
import { NameSpace } from '../names.ts'
import type { Lists } from '../render.ts'
import { CLOSED, convertChannels } from './channels.ts'
import { convertDefinitions } from './definitions.ts'
import type { Enmasse } from './enmasse.ts'
import { convertGroups } from './groups.ts'
import { Item, type ItemContext, findVariable } from './item.ts'
import { reportKeys } from './known-keys.ts'
import type { Draft } from './model.ts'
import { convertOutgoing } from './outgoing.ts'
import { findClosingTiers } from './rate-limits.ts'
import type { Upstreams } from './upstreams.ts'

/** Converts everything; what is found goes to `context.findings`. */
export function convertEnmasse(
  enmasse: Enmasse,
  context: ItemContext,
  upstreams: Upstreams,
  defaultHeader = 'X-API-Key',
): Lists {
  reserveVariables(enmasse, context)
  const { sections } = enmasse
  const read = (name: keyof typeof sections): readonly Item[] =>
    sections[name].map((item) => new Item(item, context))
  const closingTiers = findClosingTiers(read('quota_tier'))
  const security = read('security')
  const groupItems = read('groups')
  const outgoingItems = read('outgoing_rest')
  const channelItems = [...read('channel_rest'), ...read('channel_soap')]
  const names = createNames('definition', [...security, ...groupItems])
  const definitions = convertDefinitions(security, {
    names,
    defaultHeader,
    isLegacy: isLegacy(enmasse),
    closingTiers,
  })
  const groups = convertGroups(groupItems, definitions, names, closingTiers)
  const closedName = names.fit(CLOSED)
  const channels = convertChannels(channelItems, {
    known: { definitions, groups },
    names: createNames('channel', channelItems),
    upstreams,
    closingTiers,
    closedName,
  })
  const outgoing = convertOutgoing(
    outgoingItems,
    definitions,
    createNames('outgoing', outgoingItems),
  )
  reportKeys([...security, ...groupItems, ...channelItems, ...outgoingItems])
  reportOthers(enmasse, context)
  const drafts = [...definitions.values()].flatMap(({ draft }) => draft ?? [])
  return {
    security: channels.needsClosed ? [...drafts, createClosed(closedName)] : drafts,
    groups: [...groups.values()].flatMap(({ draft }) => draft ?? []),
    channels: channels.drafts,
    outgoing,
  }
}

function createNames(fallback: string, items: readonly Item[]): NameSpace {
  const names = new NameSpace(fallback)
  names.reserve(items.map(({ name }) => name))
  return names
}

/** A key that nobody ever saw, switched off: channels stay closed when they are switched on by mistake. */
function createClosed(name: string): Draft {
  const digest = hash('sha256', randomBytes(32).toString('hex'))
  return {
    place: { file: '', line: 0, column: 0 },
    comment: 'for channels that nobody may call yet: replace it there',
    entry: { name, type: 'api_key', is_active: false, key_hash: `sha256:${digest}` },
  }
}

/** 3.2 and before had other section names, and other defaults. */
function isLegacy({ sections }: Enmasse): boolean {
  const old = new Set(['def_sec', 'security_groups', 'channel_plain_http', 'outconn_plain_http'])
  return Object.values(sections).some((items) => items.some(({ section }) => old.has(section)))
}

/** Variables that the files name themselves: none that is made up may be called the same. */
function reserveVariables({ sections }: Enmasse, { variables }: ItemContext): void {
  for (const { map } of Object.values(sections).flat()) {
    for (const node of map.entries.values()) {
      if (node.kind !== 'scalar' || typeof node.value !== 'string') continue
      const name = findVariable(node.value)
      if (name !== undefined) variables.reserve(name)
    }
  }
}

function reportOthers({ others }: Enmasse, context: ItemContext): void {
  const counts = new Map<string, number>()
  for (const { section, map } of others) {
    counts.set(section, (counts.get(section) ?? 0) + 1)
    // A route under a name that is not known: left out, its requests could fall to a wider channel.
    const isRoute = map.entries.has('url_path') && !map.entries.has('host')
    if (!isRoute) continue
    const text = `section ${quote(section)} has routes and is not known, wanted channel_rest`
    context.findings.add('problem', map.place, text)
  }
  for (const [section, count] of counts) {
    context.findings.add('unknown', undefined, `section ${quote(section)}: ${count} left out`)
  }
}
