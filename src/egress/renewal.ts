/**
 * What becomes of an answer that says that the credential is spent: another is sought, and the request
 * sent once more with it where that can be done. Never on 403.
 */
import { SidegateError } from '../errors.ts'
import { latin1Headers } from '../http/answer.ts'
import type { HeldDecision } from '../http/relay.ts'
import type { Token } from '../oauth/token.ts'
import { isExpired } from '../session/read-answer.ts'
import type { Session } from '../session/session.ts'
import type { EgressGeneration } from './generation.ts'
import type { Credential, PreparedRequest, RequestModule } from './injector.ts'
import { credentialOfSession } from './session-injector.ts'

const ASKED_ANEW = 'the server asked anew for a request whose body cannot be sent a second time'

/** Whether an answer may be held, and the request sent again with another credential or connection. */
export function mayBeAskedAgain(credential: Credential | undefined): boolean {
  if (credential === undefined) return false
  const { token, session, module, isOfConnection } = credential
  const isMade = token !== undefined || session !== undefined || module !== undefined
  return isMade || isOfConnection === true
}

/** An answer of the API. */
export interface Answer {
  readonly status: number
  readonly raw: readonly Buffer[]
  /** Whether the request can be sent a second time. */
  readonly canSendAgain: boolean
}

/** Whoever sent the request. */
export interface Sender {
  readonly generation: Pick<EgressGeneration, 'rejected' | 'expired'>
  /** The headers of the same request with another credential, which is the request's from now on. */
  headersWith(credential: Credential): string[]
  /** The request as it leaves, but for what a module adds. */
  describe(credential: Credential): PreparedRequest
}

/** `undefined` passes the answer on; for others see `HeldDecision`. */
export function judgeAnswer(sender: Sender, credential: Credential, answer: Answer): HeldDecision {
  const { token, session, module, isOfConnection } = credential
  if (module !== undefined) {
    const mayMean = answer.status >= 300 && answer.status < 500
    return mayMean ? prepareAnew(sender, { ...credential, module }, answer) : undefined
  }
  if (session !== undefined) {
    return isExpired(session, answer.status, latin1Headers(answer.raw))
      ? renewSession(sender, session, answer)
      : undefined
  }
  if (answer.status !== 401) return undefined
  if (isOfConnection === true) {
    return answer.canSendAgain
      ? Promise.resolve(sender.headersWith(credential))
      : new SidegateError('ntlm_failed', { detail: ASKED_ANEW })
  }
  return token === undefined ? undefined : renewToken(sender, { ...credential, token }, answer)
}

async function renewToken(
  sender: Sender,
  old: Credential & { readonly token: Token },
  { canSendAgain }: Answer,
): Promise<string[] | undefined> {
  const token = await sender.generation.rejected(old.token)
  if (token === undefined || !canSendAgain) return undefined
  return sender.headersWith({ ...old, headers: ['Authorization', token.authorization], token })
}

async function renewSession(
  sender: Sender,
  old: Session,
  { canSendAgain }: Answer,
): Promise<string[] | undefined> {
  const session = await sender.generation.expired(old)
  if (session === undefined || !canSendAgain) return undefined
  return sender.headersWith(credentialOfSession(session))
}

async function prepareAnew(
  sender: Sender,
  credential: Credential & { readonly module: RequestModule },
  { status, raw, canSendAgain }: Answer,
): Promise<string[] | undefined> {
  const { module } = credential
  const isSpent = await module.isSpent(status, latin1Headers(raw))
  if (!isSpent || !canSendAgain) return undefined
  const headers = await module.prepare(sender.describe(credential))
  return sender.headersWith({ ...credential, headers })
}
