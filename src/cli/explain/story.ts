/**
 * Tells the story of a request that nobody sent, with the very functions that serve real ones, in
 * the order of inbound/handler.ts. A test compares it with what `serve` does.
 */
import { randomBytes } from 'node:crypto'
import type { ChannelConfig, Config, InboundConfig } from '../../config/model.ts'
import { PasswordChecker } from '../../credentials/checker.ts'
import type { Code } from '../../errors.ts'
import { CustomSchemes } from '../../gate/custom-schemes.ts'
import { prepareGeneration } from '../../gate/generation.ts'
import { Upstreams } from '../../gate/upstreams.ts'
import type { Exchange } from '../../http/exchange.ts'
import { NonceMemory } from '../../hmac/nonces.ts'
import { hasRepeated } from '../../http/headers.ts'
import { guardTarget } from '../../http/path.ts'
import { requestIdOf } from '../../http/request-id.ts'
import { type Judgement, judgeHead } from '../../http/strict.ts'
import { NO_BODY } from '../../http/whole-body.ts'
import type { ChannelAccess } from '../../inbound/credential-index.ts'
import { type ForwardedHeaders, forwardHeaders } from '../../inbound/forward-headers.ts'
import type { Principal, Refusal } from '../../inbound/principal.ts'
import type { InboundGeneration, Route } from '../../inbound/route.ts'
import type { JudgedExchange } from '../../inbound/verdict.ts'
import { Metrics } from '../../observe/metrics.ts'
import { version } from '../../version.ts'
import { listSecretHeaders } from './masked.ts'
import type { ImaginedRequest } from './request.ts'

/** What would happen, with what is known about why. */
export interface Story {
  /** The channel that was chosen. */
  readonly channel: ChannelConfig | undefined
  /** `undefined` before credentials were looked at, and on open channels. */
  readonly principal: Principal | undefined
  readonly outcome: LetIn | Refused
}

export interface LetIn {
  readonly kind: 'let_in'
  readonly forwarded: ForwardedHeaders
  /** Lower-case names of headers whose values must not be shown. */
  readonly secretHeaders: ReadonlySet<string>
}

export interface Refused {
  readonly kind: 'refused'
  readonly code: Code
  /** One sentence for the operator. */
  readonly reason: string
}

/** Nobody sends one: signatures are checked over nothing. */
const WITHOUT_BODY = {
  body: undefined,
  sendContinue: () => undefined,
  onGone: undefined,
  bytesIn: 0,
  bytesTaken: 0,
  isBodyComplete: true,
}

interface World extends InboundGeneration {
  /** Lower case. */
  readonly secretHeaders: ReadonlySet<string>
}

/** A request that strict HTTP has taken, and where it comes from. */
interface Arrived {
  readonly request: ImaginedRequest
  readonly judgement: Judgement
  readonly exchange: JudgedExchange & Pick<Exchange, 'peer'>
}

/** Tells it; `peer` is the address that the request comes from. */
export async function tellStory(
  config: Config,
  inbound: InboundConfig,
  request: ImaginedRequest,
  peer: string,
): Promise<Story> {
  const { head, isTls } = request
  const judgement = judgeHead(head, 'origin')
  if (judgement.fault !== undefined) {
    return refuse(judgement.fault, 'strict HTTP: it could be read in more than one way')
  }
  const { names } = judgement
  const world = await createWorld(config, inbound)
  if (hasRepeated(names, world.watchedHeaders)) {
    return refuse('bad_request', 'a header that may carry a credential is there twice')
  }
  const found = findChannel(world, request, judgement.host)
  if ('outcome' in found) return found
  const { method, target, rawHeaders: headers } = head
  const exchange = {
    ...WITHOUT_BODY,
    ...{ method, target, headers, names, host: judgement.host, peer: { address: peer, isTls } },
  }
  return enter(world, { request, judgement, exchange }, found)
}

/** Path guard and channel. */
function findChannel({ channels }: World, { head }: ImaginedRequest, host: string): Route | Story {
  const target = guardTarget(head.target)
  if (target === undefined) {
    return refuse('path_rejected', 'path guard: no channel can allow such a path')
  }
  const match = channels.find(host, target.path, head.method)
  if (match.kind === 'channel') {
    const { channel, value: route } = match
    if ((target.oddities & ~route.allowedOddities) === 0) return route
    const reason = 'path guard: the channel does not allow this spelling'
    return refuse('path_rejected', reason, { channel })
  }
  if (target.oddities !== 0) return refuse('path_rejected', 'path guard, and no channel matches')
  if (match.kind === 'none') return refuse('no_channel', 'no channel has this host and path')
  if (match.kind === 'inactive') {
    const { channel } = match
    return refuse('no_channel', 'the channel is switched off (is_active: false)', { channel })
  }
  const siblings = match.channels.map(({ name }) => `"${name}"`).join(', ')
  return refuse('method_refused', `only ${match.allow.join(', ')} (channels ${siblings})`)
}

/** Credentials, and what the upstream would get. */
async function enter(world: World, arrived: Arrived, route: Route): Promise<Story> {
  const { judgement, exchange } = arrived
  const { channel, access } = route
  const { names, headers, peer } = exchange
  const client = world.proxies.findClientAddress(names, headers, peer)
  const verdict = await world.authenticate(exchange, access, client)
  if (verdict.kind === 'refused') {
    return refuse(verdict.code, describeRefusal(verdict, access), { channel })
  }
  const isNamed = verdict.kind === 'principal'
  const principal = isNamed ? verdict.principal : undefined
  if (judgement.hasUnknownExpectation) {
    const reason = 'only Expect: 100-continue is known'
    return refuse('expectation_failed', reason, { channel, principal })
  }
  const forwarded = forwardHeaders(route.headerPolicy, exchange, {
    principal,
    consumedSlot: isNamed ? verdict.slot : undefined,
    moreConsumed: isNamed ? verdict.consumed : undefined,
    requestId: requestIdOf(names, headers, () => '(new)'),
    host: judgement.host,
    isPeerTrusted: world.proxies.isTrustedPeer(peer),
  })
  const { secretHeaders } = world
  return { channel, principal, outcome: { kind: 'let_in', forwarded, secretHeaders } }
}

/** The generation that `serve` would build of this configuration. Nothing of it connects anywhere. */
async function createWorld(config: Config, inbound: InboundConfig): Promise<World> {
  const lookupKey = randomBytes(32)
  const ignore = () => undefined
  const schemes = new CustomSchemes({ warn: ignore })
  const checker = new PasswordChecker({
    settings: inbound.passwordChecks,
    secret: lookupKey,
    nowMs: Date.now,
    monotonicMs: () => performance.now(),
  })
  const { generation } = await prepareGeneration(config, undefined, Date.now(), {
    metrics: new Metrics({ version }),
    upstreams: new Upstreams({ onSocketOpened: ignore, onSocketClosed: ignore }),
    checker,
    lookupKey,
    readBody: () => NO_BODY,
    noncesOf: () => new NonceMemory(),
    schemeOf: (definition) => schemes.of(definition),
  })
  return { ...generation.inbound, secretHeaders: listSecretHeaders(config) }
}

function refuse(
  code: Code,
  reason: string,
  known: {
    readonly channel?: ChannelConfig
    readonly principal?: Principal | undefined
  } = {},
): Story {
  const { channel, principal } = known
  return { channel, principal, outcome: { kind: 'refused', code, reason } }
}

/** Words for what the metric counts as `reason`; told to the operator only, never to a caller. */
function describeRefusal(refusal: Refusal, access: ChannelAccess): string {
  const { definition, label, reason } = refusal
  const whose = definition === '' ? '' : ` of "${definition}"${label === '' ? '' : ` (${label})`}`
  const accepted = [...access.slots.keys()].join(', ')
  switch (reason) {
    case 'missing':
      return accepted === ''
        ? 'no definition of this channel is for callers'
        : `no credential was sent in a header that the channel accepts (${accepted})`
    case 'malformed':
      return 'the credential cannot be read: Basic wants base64 of NAME:PASSWORD in UTF-8'
    case 'ambiguous':
      return `more than one credential was sent (accepted are ${accepted})`
    case 'unknown':
      return 'no definition has this username or key'
    case 'wrong':
      if (access.custom !== undefined) return `the module${whose} gave null`
      return `the password${whose} is another one`
    case 'expired':
      return `the secret${whose} is right, but outside of not_before and not_after`
    case 'inactive':
      return `the secret${whose} is right, but the definition is switched off (is_active: false)`
    case 'not_allowed':
      return `the secret${whose} is right, but the channel accepts other definitions and groups`
    case 'replayed':
      return `the signature${whose} was used before`
    case undefined:
      if (access.custom !== undefined) return `the module${whose} failed, or the body was refused`
      return 'the credential was not judged'
  }
}
