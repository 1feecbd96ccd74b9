/**
 * What the upstream gets of a request's headers, and what is set for it: first everything goes that
 * could be taken for a word of ours or of a trusted proxy's, in whatever spelling, then ours is set.
 * Framing headers, `Host` and `Upgrade` are the transport's and are never in the list.
 */
import type { ChannelConfig } from '../config/model.ts'
import type { Exchange } from '../http/exchange.ts'
import { BoundedMemory, findNominated, foldName, hopByHopNames } from '../http/headers.ts'
import { plainAddress } from './trusted-proxies.ts'

/** Who the upstream is told is calling. */
export interface ForwardedPrincipal {
  /** Name of the definition. */
  readonly definition: string
  readonly type: string
  /**
   * Latin-1, one char a byte, as every header value; the configuration refuses other characters, so a
   * non-ASCII username reaches the upstream as Latin-1, not as UTF-8.
   */
  readonly identity: string
  readonly groups: readonly string[]
}

/** What a channel does with headers, compiled once a generation. */
export interface HeaderPolicy {
  readonly identityHeader: string
  readonly forwardsCredentials: boolean
  readonly forwards: ReadonlySet<'definition' | 'type' | 'groups'>
  /** What the upstream gets as `Host`; `undefined`: the client's. */
  readonly upstreamHost: string | undefined
  /** What becomes of a header, by its name in lower case. */
  readonly findVerdict: (name: string) => Verdict
}

/** What the handler knows about the request by now. */
export interface ForwardContext {
  /** `undefined` on an open channel, which sets no identity. */
  readonly principal: ForwardedPrincipal | undefined
  /** The header, in lower case, from which the credential was taken. */
  readonly consumedSlot: string | undefined
  /** More such headers, where one is not all. */
  readonly moreConsumed?: readonly string[] | undefined
  readonly requestId: string
  /** The client's `Host`. */
  readonly host: string
  readonly isPeerTrusted: boolean
}

/** What the upstream gets. */
export interface ForwardedHeaders {
  /** Flat list in the order and the case of the client, then ours. */
  readonly headers: string[]
  readonly host: string
  /** Whether the client sent an identity header of any spelling. */
  readonly isSpoofed: boolean
  /** Names in lower case that were dropped because of their characters; each is to be logged once. */
  readonly dropped: readonly string[]
}

const VERDICT = {
  KEEP: 0,
  DROP: 1,
  DROP_SPOOFED: 2,
  DROP_UNUSUAL: 3,
  /** Passes only from trusted proxies. */
  PROXY_WORD: 4,
  FORWARDED_FOR: 5,
  FORWARDED_PROTO: 6,
  FORWARDED_HOST: 7,
} as const

type Verdict = (typeof VERDICT)[keyof typeof VERDICT]

const MAX_VERDICTS = 512
const MAX_REMEMBERED_NAME = 64

const NOTHING: readonly string[] = []

/** The transport's, and `Expect`, which is answered here. */
const transportNames = new Set([...hopByHopNames, 'host', 'content-length', 'expect'])

const methodOverrides = new Set(['x-http-method-override', 'x-http-method', 'x-method-override'])

const proxyWords = new Set(['forwarded', 'x-real-ip', 'x-original-url', 'x-rewrite-url'])

const appended: ReadonlyMap<string, Verdict> = new Map([
  ['x-forwarded-for', VERDICT.FORWARDED_FOR],
  ['x-forwarded-proto', VERDICT.FORWARDED_PROTO],
  ['x-forwarded-host', VERDICT.FORWARDED_HOST],
  ['x-request-id', VERDICT.DROP],
])

/** Compiles what a channel says about headers. */
export function createHeaderPolicy(
  channel: Pick<
    ChannelConfig,
    | 'identityHeader'
    | 'forwardIdentity'
    | 'forwardCredentials'
    | 'allowHeaderNames'
    | 'methods'
    | 'upstream'
    | 'upstreamHost'
  >,
): HeaderPolicy {
  const identity = foldName(channel.identityHeader)
  const allowed = new Set(channel.allowHeaderNames.map((name) => name.toLowerCase()))
  const hasMethods = channel.methods !== undefined
  const verdicts = new BoundedMemory<Verdict>(MAX_VERDICTS)
  return {
    identityHeader: channel.identityHeader,
    forwardsCredentials: channel.forwardCredentials,
    forwards: new Set(channel.forwardIdentity),
    upstreamHost: upstreamHostOf(channel),
    findVerdict(name) {
      const known = verdicts.get(name)
      if (known !== undefined) return known
      const verdict = judgeName(name, identity, allowed, hasMethods)
      if (name.length <= MAX_REMEMBERED_NAME) verdicts.set(name, verdict)
      return verdict
    },
  }
}

/** What the upstream gets of a request that was let in. */
export function forwardHeaders(
  policy: HeaderPolicy,
  exchange: Pick<Exchange, 'headers' | 'names' | 'peer'>,
  context: ForwardContext,
): ForwardedHeaders {
  const seen = sift(policy, exchange, context)
  const kept = seen.kept
  if (context.principal !== undefined) addIdentity(kept, policy, context.principal)
  const { address, isTls } = exchange.peer
  const hop = address === 'unix' ? '' : plainAddress(address)
  const forwardedFor = joined(seen.forwardedFor, hop)
  if (forwardedFor !== '') kept.push('X-Forwarded-For', forwardedFor)
  if (!seen.hasProto) kept.push('X-Forwarded-Proto', isTls ? 'https' : 'http')
  if (!seen.hasHost) kept.push('X-Forwarded-Host', context.host)
  kept.push('X-Request-Id', context.requestId)
  const host = policy.upstreamHost ?? context.host
  return { headers: kept, host, isSpoofed: seen.isSpoofed, dropped: seen.dropped ?? NOTHING }
}

/** What one pass over the client's headers has left and seen. */
interface Sifted {
  readonly kept: string[]
  dropped: string[] | undefined
  isSpoofed: boolean
  forwardedFor: string
  hasProto: boolean
  hasHost: boolean
}

function sift(
  policy: HeaderPolicy,
  exchange: Pick<Exchange, 'headers' | 'names'>,
  context: ForwardContext,
): Sifted {
  const { headers, names } = exchange
  const consumed = policy.forwardsCredentials ? undefined : context.consumedSlot
  const more = policy.forwardsCredentials ? undefined : context.moreConsumed
  const nominated = findNominated(names, headers)
  const sifted: Sifted = {
    kept: [],
    dropped: undefined,
    isSpoofed: false,
    forwardedFor: '',
    hasProto: false,
    hasHost: false,
  }
  for (let at = 0; at < names.length; at++) {
    const name = names[at] ?? ''
    const verdict = policy.findVerdict(name)
    if (verdict === VERDICT.DROP) continue
    if (verdict === VERDICT.DROP_SPOOFED) sifted.isSpoofed = true
    else if (name === consumed || nominated?.has(name) === true) continue
    else if (more?.includes(name) === true) continue
    else if (verdict === VERDICT.DROP_UNUSUAL) (sifted.dropped ??= []).push(name)
    else if (verdict === VERDICT.KEEP || context.isPeerTrusted) {
      const value = headers[2 * at + 1] ?? ''
      if (isTakenAside(verdict, value, sifted)) continue
      sifted.kept.push(headers[2 * at] ?? '', value)
    }
  }
  return sifted
}

/** Notes what a trusted proxy says of the client; true for what leaves in a header of ours. */
function isTakenAside(verdict: Verdict, value: string, sifted: Sifted): boolean {
  if (verdict === VERDICT.FORWARDED_PROTO) sifted.hasProto = true
  else if (verdict === VERDICT.FORWARDED_HOST) sifted.hasHost = true
  else if (verdict === VERDICT.FORWARDED_FOR) {
    sifted.forwardedFor = joined(sifted.forwardedFor, value)
    return true
  }
  return false
}

function judgeName(
  name: string,
  identity: string,
  allowed: ReadonlySet<string>,
  hasMethods: boolean,
): Verdict {
  const folded = foldName(name)
  if (folded === identity || folded.startsWith('x-authenticated-')) return VERDICT.DROP_SPOOFED
  if (transportNames.has(folded) || folded.startsWith('x-sidegate-')) return VERDICT.DROP
  if (hasMethods && methodOverrides.has(folded)) return VERDICT.DROP
  const ours = appended.get(folded)
  // Another spelling of what we set would make it two to services that know no difference.
  if (ours !== undefined) return name === folded ? ours : VERDICT.DROP
  if (!allowed.has(name) && !/^[a-z0-9-]+$/.test(name)) return VERDICT.DROP_UNUSUAL
  const isProxyWord = proxyWords.has(folded) || folded.startsWith('x-forwarded-')
  return isProxyWord ? VERDICT.PROXY_WORD : VERDICT.KEEP
}

function upstreamHostOf(
  channel: Pick<ChannelConfig, 'upstream' | 'upstreamHost'>,
): string | undefined {
  if (channel.upstreamHost === 'keep') return undefined
  return channel.upstreamHost === 'upstream'
    ? channel.upstream.authority
    : channel.upstreamHost.value
}

function addIdentity(kept: string[], policy: HeaderPolicy, principal: ForwardedPrincipal): void {
  assertFieldValue(principal.identity)
  kept.push(policy.identityHeader, principal.identity)
  if (policy.forwards.has('definition'))
    kept.push('X-Authenticated-Definition', principal.definition)
  if (policy.forwards.has('type')) kept.push('X-Authenticated-Type', principal.type)
  if (policy.forwards.has('groups')) kept.push('X-Authenticated-Groups', principal.groups.join(','))
}

/** The configuration has checked it; should that ever fail, no line break may become a header. */
function assertFieldValue(identity: string): void {
  for (let at = 0; at < identity.length; at++) {
    const code = identity.charCodeAt(at)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code > 0xff) {
      throw new Error('cannot forward an identity: wanted Latin-1 without control characters')
    }
  }
  if (identity === '') throw new Error('cannot forward an identity: wanted at least one character')
}

function joined(list: string, item: string): string {
  return list === '' ? item : item === '' ? list : `${list}, ${item}`
}
