/**
 * Checks of channels against each other and against the definitions: who may call, that no two are
 * of equal rank, and that in the index of all definitions that channels reach a credential has one
 * meaning.
 */
import { foldName } from '../http/headers.ts'
import { allowedOddities } from '../http/path.ts'
import { foldCase, parsePattern } from '../http/pattern.ts'
import type { PathPattern } from '../http/pattern.ts'
import type { ResolveContext } from './context.ts'
import type { ChannelConfig, Definition } from './model.ts'
import type { NameRegistry } from './names.ts'
import { INBOUND_TYPES } from './resolve-groups.ts'
import type { ResolvedGroups } from './resolve-groups.ts'
import { listSecurity } from './resolve-inbound.ts'
import type { ParsedChannel } from './schema.ts'
import type { Path } from './tree.ts'

/** A channel and where it is said. */
export interface PlacedChannel {
  readonly path: Path
  readonly parsed: ParsedChannel
}

/** Checks who may call through a channel. */
export function checkAccess(
  context: ResolveContext,
  { path, parsed }: PlacedChannel,
  names: NameRegistry,
  groups: ResolvedGroups,
): void {
  const security = listSecurity(parsed.security)
  if (security === 'none') {
    if (parsed.groups.length > 0) {
      context.report(
        [...path, 'groups'],
        'security: none lets everybody in, wanted groups or none, not both',
      )
    }
    return
  }
  if (security.length === 0 && parsed.groups.length === 0) {
    const given = context.has([...path, 'groups']) ? [...path, 'groups'] : path
    context.report(
      given,
      'neither security nor groups, wanted one of them; security: none lets everybody in',
    )
    return
  }
  const isList = Array.isArray(parsed.security)
  for (const [index, name] of security.entries()) {
    const at = isList ? [...path, 'security', index] : [...path, 'security']
    if (name === 'none') {
      context.report(at, '"none" in a list, wanted security: none alone, or definitions')
      continue
    }
    const type = names.expectDefinition(at, name)?.type
    if (type === undefined || INBOUND_TYPES.has(type)) continue
    context.report(
      at,
      `a definition of type ${type} cannot call, wanted one of ${[...INBOUND_TYPES].join(', ')}`,
    )
  }
  for (const [index, name] of parsed.groups.entries()) {
    const at = [...path, 'groups', index]
    if (!names.expectGroup(at, name) || groups.incomplete.has(name)) continue
    if (groups.members.get(name)?.length !== 0) continue
    context.report(at, `the group "${name}" has no members, so that nobody could call`)
  }
}

/** `custom` is alone on its channel: it alone decides who is let in. */
export function checkCustomAlone(
  context: ResolveContext,
  placed: readonly PlacedChannel[],
  groups: ResolvedGroups,
  definitions: ReadonlyMap<string, Definition>,
): void {
  const customGroups = new Map<string, string>()
  for (const [group, members] of groups.members) {
    const custom = members.find((name) => definitions.get(name)?.type === 'custom')
    if (custom !== undefined) customGroups.set(group, custom)
  }
  for (const { path, parsed } of placed) {
    const security = listSecurity(parsed.security)
    if (security === 'none') continue
    const custom =
      security.find((name) => definitions.get(name)?.type === 'custom') ??
      parsed.groups.map((group) => customGroups.get(group)).find((name) => name !== undefined)
    if (custom === undefined) continue
    const isAlone =
      security.every((name) => name === custom) &&
      parsed.groups.every((group) => groups.members.get(group)?.every((name) => name === custom))
    if (isAlone) continue
    context.report(
      path,
      `the custom definition "${custom}" is beside others, wanted it alone on its channel`,
    )
  }
}

/** Reads the path of a channel; `undefined` when it is wrong, which is reported. */
export function readPattern(
  context: ResolveContext,
  path: Path,
  text: string,
  oddities: {
    readonly encoded_slashes: boolean
    readonly empty_segments: boolean
    readonly path_parameters: boolean
    readonly double_encoding: boolean
  },
): PathPattern | undefined {
  try {
    return parsePattern(
      text,
      allowedOddities({
        encodedSlashes: oddities.encoded_slashes,
        emptySegments: oddities.empty_segments,
        pathParameters: oddities.path_parameters,
        doubleEncoding: oddities.double_encoding,
      }),
    )
  } catch (error) {
    const message = error instanceof Error ? error.message : 'wanted a path'
    const prefix = `cannot read path "${text}": `
    const bare = message.startsWith(prefix) ? message.slice(prefix.length) : message
    const reason = context.isReferred(path) ? bare.replace(/"[^"]*"/g, '"…"') : bare
    if (reason.startsWith('wanted')) context.reportFound(path, reason)
    else context.report(path, reason)
    return undefined
  }
}

/** Reports channels of equal rank that overlap, and wrong paths. */
export function checkOverlaps(
  context: ResolveContext,
  placed: readonly PlacedChannel[],
  isCaseInsensitive: boolean,
): void {
  const siblings = new Map<string, PlacedChannel[]>()
  for (const channel of placed) {
    const { parsed, path } = channel
    const pattern = readPattern(context, [...path, 'path'], parsed.path, parsed)
    if (pattern === undefined) continue
    const host = parsed.host?.toLowerCase().replace(/\.$/, '') ?? ''
    const key = `${host} ${keyOf(pattern, isCaseInsensitive)}`
    const others = siblings.get(key) ?? []
    siblings.set(key, others)
    for (const other of others) reportOverlap(context, channel, other)
    // Equal channels without methods are told once each, not each against each.
    if (others.length < 16) others.push(channel)
  }
}

/** Equal for patterns of equal rank that overlap: the same kinds and literals, segment by segment. */
export function keyOf(pattern: PathPattern, isCaseInsensitive: boolean): string {
  const segments = pattern.segments.map((segment) =>
    segment === undefined ? '{}' : `=${isCaseInsensitive ? foldCase(segment) : segment}`,
  )
  return `${segments.join('/')}${pattern.hasRest ? '/*' : ''}`
}

function reportOverlap(
  context: ResolveContext,
  channel: PlacedChannel,
  other: PlacedChannel,
): void {
  const { path, parsed } = channel
  const place = `channel "${other.parsed.name}" (${context.describePlace(other.path)})`
  const theirs = other.parsed.methods
  if (parsed.methods === undefined && theirs === undefined) {
    const at = context.has([...path, 'path']) ? [...path, 'path'] : path
    context.report(at, `the same host and path as ${place}, wanted methods to tell them apart`)
    return
  }
  const both = parsed.methods?.find((method) => theirs?.includes(method))
  if (both === undefined) return
  context.report(
    [...path, 'methods'],
    `${both} with the same host and path belongs to ${place} already`,
  )
}

/** The names of all definitions that channels reach. */
export function collectReached(
  placed: readonly PlacedChannel[],
  groups: ResolvedGroups,
): ReadonlySet<string> {
  const reached = new Set<string>()
  const reachedGroups = new Set<string>()
  for (const { parsed } of placed) {
    const security = listSecurity(parsed.security)
    if (security !== 'none') for (const name of security) reached.add(name)
    for (const group of parsed.groups) reachedGroups.add(group)
  }
  for (const group of reachedGroups) {
    for (const name of groups.members.get(group) ?? []) reached.add(name)
  }
  return reached
}

/** Reports identity headers that are a credential's header too. */
export function checkIdentityHeaders(
  context: ResolveContext,
  channels: readonly { readonly path: Path; readonly config: ChannelConfig }[],
  headers: ReadonlyMap<string, string>,
): void {
  for (const { path, config } of channels) {
    const definition = headers.get(foldName(config.identityHeader))
    if (definition === undefined) continue
    const own = [...path, 'identity_header']
    const at = context.has(own) ? own : ['inbound', 'identity_header']
    context.report(
      context.has(at) ? at : path,
      `the identity header is the header of the definition "${definition}" too, wanted another`,
    )
  }
}
