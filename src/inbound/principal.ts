/**
 * Who calls, and what the answer to "may it" is: the words that authentication, the handler, logs and
 * metrics share.
 */
import type { DefinitionType } from '../config/model.ts'
import type { Code } from '../errors.ts'
import type { HeldBody } from '../http/whole-body.ts'

/** The authenticated caller. */
export interface Principal {
  readonly definition: string
  readonly type: DefinitionType
  /** What the upstream is told. */
  readonly identity: string
  /** All groups that the definition is in, sorted. */
  readonly groups: readonly string[]
  /** Which of its secrets was presented, `""` where the operator gave it no label. */
  readonly label: string
}

/**
 * Why nobody was let in: the label `reason` of `sidegate_auth_failures_total`. `expired` and `inactive`
 * are said of the right secret only; a life that has not begun counts as `expired`.
 */
export type AuthFailureReason =
  | 'missing'
  | 'malformed'
  | 'ambiguous'
  | 'unknown'
  | 'wrong'
  | 'expired'
  | 'inactive'
  | 'not_allowed'
  | 'replayed'

/** Nobody was let in. */
export interface Refusal {
  readonly kind: 'refused'
  readonly code: Code
  /** `undefined` where the credentials were not judged (`overloaded`). */
  readonly reason: AuthFailureReason | undefined
  /** The definition that was meant, `""` where none was found; for the log, never for the client. */
  readonly definition: string
  /** The secret that was right and yet not enough, else `""`. */
  readonly label: string
  readonly retryAfterS?: number
}

/** Somebody was let in. */
export interface LetIn {
  readonly kind: 'principal'
  readonly principal: Principal
  /** The lower-case name of the header whose credential was consumed. */
  readonly slot: string
  /** Lower-case names of all headers that were consumed, where `slot` is not all. */
  readonly consumed?: readonly string[]
  /** The body, where it had to be read first; to be released in the end. */
  readonly body?: HeldBody | undefined
}

/** What authentication says of a request. */
export type Verdict = { readonly kind: 'open' } | LetIn | Refusal
