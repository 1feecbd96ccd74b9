/** Why a login failed, for whoever explains it; the words of the error are for callers. */
import { SidegateError } from '../../errors.ts'
import type { Asker } from './asker.ts'

/**
 * `refused`: the last message was shown and not accepted. `not_offered`: other schemes, or none.
 * `no_challenge`: the scheme is offered and no challenge comes. `closes`: between the legs.
 * `unanswerable`: the challenge is malformed, or would end in NTLMv1. `not_asked`: a request with a
 * body was answered before it was sent.
 */
export type NtlmReason =
  'refused' | 'not_offered' | 'no_challenge' | 'closes' | 'unanswerable' | 'not_asked'

/** The `cause` of an `ntlm_failed`. */
export class NtlmFailure extends Error {
  override readonly name = 'NtlmFailure'
  readonly reason: NtlmReason
  /** Whether a parent proxy asked, rather than the API. */
  readonly isOfProxy: boolean
  /** In lower case, what the server offers. */
  readonly schemes: readonly string[]

  constructor(reason: NtlmReason, asker: Asker, schemes: readonly string[]) {
    super(reason)
    this.reason = reason
    this.isOfProxy = asker.status === 407
    this.schemes = schemes
  }
}

/** An `ntlm_failed` that says why to both. */
export function ntlmFailed(
  asker: Asker,
  reason: NtlmReason,
  detail: string,
  schemes: readonly string[] = [],
): SidegateError {
  const cause = new NtlmFailure(reason, asker, schemes)
  return new SidegateError('ntlm_failed', { detail, cause })
}
