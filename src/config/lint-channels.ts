/**
 * Warnings about channels beside each other: an open one around a protected one, and one that lets odd
 * spellings of paths through by which a stricter one can be walked around.
 */
import { contains, foldCase, matches, parsePattern } from '../http/pattern.ts'
import type { PathPattern } from '../http/pattern.ts'
import type { ResolveContext } from './context.ts'
import type { ChannelConfig, Config, UpstreamConfig } from './model.ts'
import { isLoopbackHost } from './network.ts'

/** Pairs of channels that each of the warnings looks at. */
const MAX_PAIRS = 1_000_000

interface Rule {
  readonly channel: ChannelConfig
  readonly index: number
  readonly pattern: PathPattern
}

/** Adds the warnings about channels. */
export function lintChannels(
  context: ResolveContext,
  config: Pick<Config, 'inbound' | 'channels' | 'groups'>,
): void {
  const caseInsensitive = config.inbound?.caseInsensitivePaths ?? false
  const rules = config.channels.map((channel, index) => ({
    channel,
    index,
    pattern: parsePattern(channel.path, Number.MAX_SAFE_INTEGER),
  }))
  warnOpenChannels(context, rules, caseInsensitive)
  warnWaysAround(context, rules, config.groups, caseInsensitive)
}

/** An open channel that would let in what a protected one refuses, but for its rank. */
function warnOpenChannels(
  context: ResolveContext,
  rules: readonly Rule[],
  caseInsensitive: boolean,
): void {
  const open = rules.filter(({ channel }) => channel.security === 'none' && channel.isActive)
  const closed = rules.filter(({ channel }) => channel.security !== 'none')
  let pairs = 0
  for (const outer of open) {
    for (const inner of closed) {
      if (++pairs > MAX_PAIRS) return
      if (!isHostWithin(inner.channel, outer.channel)) continue
      if (!sharesMethod(inner.channel, outer.channel)) continue
      if (!contains(outer.pattern, inner.pattern, { caseInsensitive })) continue
      const inside = `the protected channel "${inner.channel.name}" lies within this open one`
      const at = ['channels', outer.index, 'security']
      context.warn(at, `${inside}: were it renamed or removed, its paths would be open`)
      break
    }
  }
}

function isHostWithin(inner: ChannelConfig, { host }: ChannelConfig): boolean {
  if (host === undefined || host === inner.host) return true
  return host.startsWith('*.') && isOneLabelBelow(inner.host, host.slice(1))
}

function isOneLabelBelow(host: string | undefined, suffix: string): boolean {
  if (host?.endsWith(suffix) !== true) return false
  return !host.slice(0, -suffix.length).includes('.')
}

/** `methods: [OPTIONS]` beside a protected channel is how CORS preflights pass. */
function sharesMethod({ methods: theirs }: ChannelConfig, { methods }: ChannelConfig): boolean {
  if (methods === undefined) return true
  if (theirs !== undefined) return theirs.some((method) => methods.includes(method))
  return methods.length !== 1 || methods[0] !== 'OPTIONS'
}

/** How a path can be spelt so that rules and upstream read it differently, and what allows it. */
const SPELLINGS = [
  { flag: 'encodedSlashes', setting: 'encoded_slashes', how: 'with %2F for /', spell: joinSlashes },
  { flag: 'emptySegments', setting: 'empty_segments', how: 'with // for /', spell: doubleSlashes },
  {
    flag: 'pathParameters',
    setting: 'path_parameters',
    how: 'with ";x" in them',
    spell: addParameters,
  },
  {
    flag: 'doubleEncoding',
    setting: 'double_encoding',
    how: 'with %2561 for a',
    spell: encodeTwice,
  },
] as const

/**
 * Rules see a path as it is spelt. Where `/api/*` allows `%2F`, it takes `/api/admin%2Fusers`, whatever
 * stands beside it for `/api/admin/*`; an upstream that decodes first serves `/api/admin/users`.
 */
function warnWaysAround(
  context: ResolveContext,
  rules: readonly Rule[],
  groups: Config['groups'],
  caseInsensitive: boolean,
): void {
  const members = new Map<string, ReadonlySet<string>>()
  let pairs = 0
  for (const loose of rules) {
    const { channel, index } = loose
    const allowed = SPELLINGS.filter(({ flag }) => channel[flag])
    if (allowed.length === 0 || !channel.isActive) continue
    for (const strict of rules) {
      if (++pairs > MAX_PAIRS) return
      if (!isNeighbour(strict.channel, channel)) continue
      // Of channels with a host and without, the host decides before the path does.
      const isByHost = strict.channel.host !== channel.host
      if (!isByHost && !isAbove(strict.pattern, loose.pattern, caseInsensitive)) continue
      const parts = samplePath(strict.pattern, loose.pattern)
      const way = allowed.find(({ spell }) =>
        spell(parts).some((path) => isWayAround(path, strict, loose, caseInsensitive)),
      )
      if (way === undefined || !isStricter(strict.channel, channel, groups, members)) continue
      const stricter = `the stricter channel "${strict.channel.name}" can be walked around`
      context.warn(
        ['channels', index, way.setting],
        `${stricter}: its paths come here when they are written ${way.how}`,
      )
      break
    }
  }
}

/** Whether requests for a stricter channel may fall to a loose one, and mean the same service there. */
function isNeighbour(strict: ChannelConfig, loose: ChannelConfig): boolean {
  return (
    isHostWithin(strict, loose) &&
    sharesMethod(strict, loose) &&
    isSameService(strict.upstream, loose.upstream)
  )
}

function isSameService({ address: a }: UpstreamConfig, { address: b }: UpstreamConfig): boolean {
  if (a.kind === 'unix' || b.kind === 'unix') {
    return a.kind === 'unix' && b.kind === 'unix' && a.path === b.path
  }
  if (a.port !== b.port) return false
  return a.host === b.host || (isLoopbackHost(a.host) && isLoopbackHost(b.host))
}

/** Whether somebody whom `loose` lets in is refused by `strict`. */
function isStricter(
  strict: ChannelConfig,
  loose: ChannelConfig,
  groups: Config['groups'],
  members: Map<string, ReadonlySet<string>>,
): boolean {
  if (!strict.isActive) return true
  if (strict.security === 'none') return false
  if (loose.security === 'none') return true
  const { security } = strict
  const isMember = (group: string, name: string): boolean => {
    const set = members.get(group) ?? new Set(groups.get(group))
    members.set(group, set)
    return set.has(name)
  }
  const isLetIn = (name: string): boolean =>
    security.includes(name) || strict.groups.some((group) => isMember(group, name))
  if (!loose.security.every(isLetIn)) return true
  const others = loose.groups.filter((group) => !strict.groups.includes(group))
  return others.some((group) => groups.get(group)?.every(isLetIn) !== true)
}

/** Whether `strict` takes the paths that both match: it says more at the first difference. */
function isAbove(strict: PathPattern, loose: PathPattern, caseInsensitive: boolean): boolean {
  for (const [at, literal] of strict.segments.entries()) {
    if (at >= loose.segments.length) return loose.hasRest
    const other = loose.segments[at]
    if (literal === other) continue
    if (literal === undefined) return false
    if (other === undefined) return true
    if (!caseInsensitive || foldCase(literal) !== foldCase(other)) return false
  }
  return false
}

/** The segments of a path that `strict` matches, and `loose` too where that can be. */
function samplePath(strict: PathPattern, loose: PathPattern): readonly string[] {
  const own = strict.segments.map((segment, at) => segment ?? loose.segments[at] ?? 'x')
  if (!strict.hasRest) return own
  return [...own, ...loose.segments.slice(own.length).map((segment) => segment ?? 'x'), 'x']
}

function isWayAround(path: string, strict: Rule, loose: Rule, caseInsensitive: boolean): boolean {
  const options = { caseInsensitive }
  return matches(loose.pattern, path, options) && !matches(strict.pattern, path, options)
}

type Parts = readonly string[]

/** One path for each segment, with what `replace` gives in the place of it and all behind it. */
function respell(parts: Parts, replace: (part: string, rest: Parts) => Parts): string[] {
  return parts.map((part, at) => {
    const changed = replace(part, parts.slice(at + 1))
    return `/${[...parts.slice(0, at), ...changed].join('/')}`
  })
}

function joinSlashes(parts: Parts): string[] {
  return [
    ...respell(parts, (part, [next = '', ...rest]) => [`${part}%2F${next}`, ...rest]),
    ...respell(parts, (part, rest) => [[part, ...rest].join('%2F')]),
  ]
}

function doubleSlashes(parts: Parts): string[] {
  return respell(parts, (part, rest) => ['', part, ...rest])
}

function addParameters(parts: Parts): string[] {
  return respell(parts, (part, rest) => [`${part};x`, ...rest])
}

function encodeTwice(parts: Parts): string[] {
  return respell(parts, (part, rest) => {
    const first = part.startsWith('%') ? '' : part.slice(0, 1)
    const encoded = first.replace(/[!-~]/, (char) => `%25${char.charCodeAt(0).toString(16)}`)
    return [encoded + part.slice(first.length), ...rest]
  })
}
