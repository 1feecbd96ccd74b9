/**
 * Verifies Basic credentials. An unknown username is checked against a decoy, so that the time a refusal
 * takes does not say which usernames exist. Waits only where a slow hash must be computed.
 */
import type { PasswordOutcome } from '../../credentials/checker.ts'
import { parseBasic } from '../../http/authorization.ts'
import type { BasicAccount, ChannelAccess } from '../credential-index.ts'
import type { Verdict } from '../principal.ts'
import { judge, MALFORMED, refuse, UNKNOWN } from '../verdict.ts'
import type { Verification } from '../verdict.ts'

/** Verifies the value (Latin-1, as on the wire) of the header `slot` as Basic credentials. */
export function verifyBasic(
  verification: Verification,
  channel: ChannelAccess,
  slot: string,
  value: string,
  clientAddress: string,
): Verdict | Promise<Verdict> {
  const credentials = parseBasic(value)
  if (credentials === undefined) return MALFORMED
  const { index, checker } = verification
  const { username, password } = credentials
  const account = index.accounts.get(username)
  if (account === undefined) {
    const decoy = index.findDecoy(username)
    if (decoy === undefined) return UNKNOWN
    const outcome = checker.checkDecoy(decoy, username, password, clientAddress)
    return outcome instanceof Promise ? outcome.then(toUnknown) : toUnknown(outcome)
  }
  const outcome = checker.check(account, password, clientAddress, account.definition.isActive)
  if (!(outcome instanceof Promise)) {
    if (outcome.kind === 'match') return conclude(verification, channel, slot, account, outcome)
    // What an unknown username costs besides.
    index.findDecoy(username)
    return conclude(verification, channel, slot, account, outcome)
  }
  index.findDecoy(username)
  return outcome.then((landed) => conclude(verification, channel, slot, account, landed))
}

function toUnknown(outcome: PasswordOutcome): Verdict {
  return outcome.kind === 'overloaded' ? refuseOverloaded(outcome.retryAfterS) : UNKNOWN
}

function conclude(
  verification: Verification,
  channel: ChannelAccess,
  slot: string,
  account: BasicAccount,
  outcome: PasswordOutcome,
): Verdict {
  if (outcome.kind === 'overloaded') return refuseOverloaded(outcome.retryAfterS)
  if (outcome.kind === 'wrong') {
    return refuse('unauthorized', 'wrong', account.definition.name)
  }
  const isLive = outcome.kind === 'match'
  return judge(verification, channel, slot, {
    indexed: account,
    label: outcome.entry.label,
    isLive,
  })
}

/** Says nothing of the definition: the password was not judged. */
function refuseOverloaded(retryAfterS: number): Verdict {
  return { ...refuse('overloaded', undefined), retryAfterS }
}
