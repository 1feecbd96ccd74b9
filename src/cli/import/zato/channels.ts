/**
 * Channels of an enmasse file. Each keeps its path, even one that nobody may call: what it does not
 * take would fall to a wider channel.
 */
import { quote } from '../../../observe/quote.ts'
import type { NameSpace } from '../names.ts'
import { formatPlace } from '../source-node.ts'
import { type Access, type Known, decideAccess, isWeaker } from './access.ts'
import type { Item } from './item.ts'
import type { Draft, Written } from './model.ts'
import { type ConvertedPath, WideRules, convertPath } from './paths.ts'
import { reportLimits } from './rate-limits.ts'
import type { Upstreams } from './upstreams.ts'

/** The definition of channels that nobody may call: inactive, its key known to nobody. */
export const CLOSED = 'closed-by-import'

interface Channel {
  readonly item: Item
  readonly name: string
  readonly access: Access
  readonly converted: ConvertedPath
  readonly service: string
  readonly methods: readonly string[]
}

/** What channels are read with. */
export interface ChannelsContext {
  readonly known: Known
  readonly names: NameSpace
  readonly upstreams: Upstreams
  readonly closingTiers: ReadonlySet<string>
  /** The name that `CLOSED` got. */
  readonly closedName: string
}

/** All channels; `needsClosed` tells whether one refers to the definition `CLOSED`. */
export function convertChannels(
  items: readonly Item[],
  context: ChannelsContext,
): { readonly drafts: readonly Draft[]; readonly needsClosed: boolean } {
  const places = new Map<string, string>()
  const channels = items.flatMap((item) => {
    const key = `${item.section} ${item.name}`
    const earlier = places.get(key)
    if (earlier !== undefined) {
      item.problem(`defined a second time, the first time at ${earlier}`)
      return []
    }
    places.set(key, formatPlace(item.place))
    return readChannel(item, context) ?? []
  })
  const paths = choosePaths(channels)
  const drafts = channels.map((channel) => createDraft(channel, paths, context))
  return { drafts, needsClosed: channels.some(({ access }) => access.kind === 'closed') }
}

function readChannel(item: Item, context: ChannelsContext): Channel | undefined {
  const { findings } = item.context
  reportLimits(item, context.closingTiers)
  const access = decideAccess(item, context.known)
  const urlPath = item.text('url_path') ?? ''
  if (!urlPath.startsWith('/')) {
    item.problem('url_path is missing or begins without /', item.find('url_path')?.place)
    return undefined
  }
  const converted = convertPath(urlPath, item.flag('match_slash', true))
  if (typeof converted === 'string') {
    item.problem(`url_path: ${converted}`, item.find('url_path')?.place)
    return undefined
  }
  if (converted.isCut) {
    const text = `channel ${item.shown}: a parameter within the path is one segment, in Zato it matched slashes`
    findings.add('changed', item.place, text)
  }
  if (item.find('http_accept', 'soap_action') !== undefined) {
    const text = `channel ${item.shown}: Accept and SOAPAction are not looked at`
    findings.add('changed', item.place, text)
  }
  const name = context.names.fit(item.name)
  if (name !== item.name) {
    findings.add('renamed', item.place, `channel ${item.shown} is ${quote(name)}`)
  }
  const service = item.text('service', 'service_name') ?? ''
  const methods = item.names('method').flatMap((text) => text.toUpperCase().split(/[\s,|]+/))
  return { item, name, access, converted, service, methods: methods.filter((each) => each !== '') }
}

/**
 * With a last `*` a rule also takes the path before it, without it paths with more slashes go elsewhere:
 * whichever of them lets nobody in who was not. Neither does where the channels around let in others.
 * Channels that methods tell apart keep one path.
 */
function choosePaths(channels: readonly Channel[]): ReadonlyMap<Channel, string> {
  const wide = new WideRules<Channel>()
  for (const channel of channels) wide.add(channel, channel.converted.path)
  const narrowed = new Set<string>()
  for (const channel of channels) {
    const { path, narrow, key } = channel.converted
    const isWider = wide
      .around(path)
      .some((other) => other.converted.key !== key && isWeaker(channel.access, other.access))
    if (narrow === undefined || isWider) narrowed.add(key)
  }
  const paths = new Map(
    channels.map((channel) => {
      const { path, narrow = path, key } = channel.converted
      return [channel, narrowed.has(key) ? narrow : path] as const
    }),
  )
  reportWaysAround(paths)
  return paths
}

/** Paths that go another way than in Zato must not come to a channel that lets in others. */
function reportWaysAround(paths: ReadonlyMap<Channel, string>): void {
  const wide = new WideRules<Channel>()
  for (const [channel, path] of paths) wide.add(channel, path)
  for (const [channel, path] of paths) {
    const { narrow, key, isCut } = channel.converted
    if (path !== narrow && !isCut) continue
    const weaker = wide
      .around(path)
      .find((other) => other.converted.key !== key && isWeaker(other.access, channel.access))
    if (weaker === undefined) continue
    channel.item.problem(
      `paths with a slash in a parameter would go to channel ${weaker.item.shown}, which lets in others: set match_slash: false where no parameter has slashes`,
    )
  }
}

function createDraft(
  channel: Channel,
  paths: ReadonlyMap<Channel, string>,
  { upstreams, closedName }: ChannelsContext,
): Draft {
  const { item, name, access, service, methods } = channel
  const isSwitchedOn = item.flag('is_active', true)
  if (!isSwitchedOn) {
    item.context.findings.add('inactive', item.place, `channel ${item.shown}: answers 404`)
  }
  const path = paths.get(channel) ?? ''
  if (path.endsWith('*') && channel.converted.narrow !== undefined) {
    const text = `channel ${item.shown}: ${quote(path)} takes everything below, as its parameter matched slashes (match_slash)`
    item.context.findings.add('changed', item.place, text)
  }
  const upstream = upstreams.find(item, service)
  const isActive = isSwitchedOn && access.kind !== 'closed'
  const entry: Record<string, Written> = {
    name,
    path,
    ...(methods.length === 0 ? {} : { methods: [...new Set(methods)] }),
    ...(upstream === undefined ? {} : { upstream }),
    ...describeAccess(access, closedName),
    ...(isActive ? {} : { is_active: false }),
  }
  const closed = access.kind === 'closed' ? `closed: ${access.why}` : undefined
  const comment = [service === '' ? undefined : `service ${quote(service)}`, closed]
    .filter((part) => part !== undefined)
    .join('; ')
  return { place: item.place, entry, ...(comment === '' ? {} : { comment }) }
}

function describeAccess(access: Access, closedName: string): Record<string, Written> {
  if (access.kind === 'public') return { security: 'none' }
  if (access.kind === 'closed') return { security: closedName }
  const { security, groups } = access
  return {
    ...(security === undefined ? {} : { security }),
    ...(groups.length === 0 ? {} : { groups }),
  }
}
