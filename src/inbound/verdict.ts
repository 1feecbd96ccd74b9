/**
 * From verified credentials to a verdict: what every type of credential has in common once its secret
 * was found to be right, and the refusals that need no more words.
 */
import type { CustomDefinition } from '../config/model.ts'
import type { PasswordChecker } from '../credentials/checker.ts'
import type { CustomScheme } from '../custom/scheme.ts'
import type { Code } from '../errors.ts'
import type { NonceMemory } from '../hmac/nonces.ts'
import type { Exchange } from '../http/exchange.ts'
import type { BodySource, WholeBody } from '../http/whole-body.ts'
import { isAccepted } from './credential-index.ts'
import type { ChannelAccess, CredentialIndex } from './credential-index.ts'
import type { IndexedDefinition } from './indexed-definition.ts'
import type { AuthFailureReason, Refusal, Verdict } from './principal.ts'

/** What is looked at of a request. */
export type JudgedExchange = BodySource &
  Pick<Exchange, 'headers' | 'names' | 'method' | 'target' | 'host'>

/** What verifiers work with: the index of this generation, and what outlives it. */
export interface Verification {
  readonly index: CredentialIndex
  readonly checker: PasswordChecker
  /** Wall clock. */
  readonly nowMs: () => number
  /** Reads the whole body of a request, for those who have to see it. */
  readonly readBody: (
    source: BodySource,
    options: { readonly limitBytes: number; readonly bodyIdleMs: number },
  ) => WholeBody | Promise<WholeBody>
  /** The nonces that callers of a definition have used. */
  readonly noncesOf: (definition: string) => NonceMemory
  /** The module of a custom definition. */
  readonly schemeOf: (definition: CustomDefinition) => CustomScheme
  /** A caller was let in with this secret of this definition. */
  readonly onUsed: ((definition: string, label: string, nowMs: number) => void) | undefined
}

/** A secret that was right, in or out of its life. */
export interface Match {
  readonly indexed: IndexedDefinition
  readonly label: string
  readonly isLive: boolean
}

/** No slot of the channel is in the request. */
export const MISSING = refuse('unauthorized', 'missing')
/** What is in the slot cannot be read. */
export const MALFORMED = refuse('unauthorized', 'malformed')
/** Two slots of the channel are in the request, or one twice. */
export const AMBIGUOUS = refuse('ambiguous_credentials', 'ambiguous')
/** No definition has this username or key. */
export const UNKNOWN = refuse('unauthorized', 'unknown')

/** Gives a refusal; `definition` and `label` are for the log. */
export function refuse(
  code: Code,
  reason: AuthFailureReason | undefined,
  definition = '',
  label = '',
): Refusal {
  return { kind: 'refused', code, reason, definition, label }
}

const OVERLOADED_RETRY_S = 1

/** Of a body that had to be read first. */
export function refuseBody(
  why: 'gone' | Exclude<Refusal['code'], 'unauthorized'>,
  name: string,
): Refusal {
  // Nobody is there to read it.
  if (why === 'gone') return refuse('bad_request', undefined, name)
  return why === 'overloaded' ? overloaded(name) : refuse(why, undefined, name)
}

/** Nobody was judged, for want of memory. */
export function overloaded(name: string): Refusal {
  return { ...refuse('overloaded', undefined, name), retryAfterS: OVERLOADED_RETRY_S }
}

/** Decides about a caller whose secret was right; only here is anybody let in. */
export function judge(
  { nowMs, onUsed }: Verification,
  channel: ChannelAccess,
  slot: string,
  { indexed, label, isLive }: Match,
): Verdict {
  const { name, type, identity, isActive } = indexed.definition
  if (!isLive) return refuse('unauthorized', 'expired', name, label)
  if (!isActive) return refuse('unauthorized', 'inactive', name, label)
  if (!isAccepted(channel, indexed)) return refuse('forbidden', 'not_allowed', name, label)
  onUsed?.(name, label, nowMs())
  const principal = { definition: name, type, identity, groups: indexed.groups, label }
  return { kind: 'principal', principal, slot }
}
