/**
 * Who sent this request, and may they use this channel? Finds the one credential that the channel
 * accepts among the headers and has it verified. Every header is a slot, presented even when it is empty;
 * headers that the channel does not accept are the service's business and are not looked at.
 */
import type { ChannelAccess, Slot } from './credential-index.ts'
import type { Verdict } from './principal.ts'
import { isBasic } from '../http/authorization.ts'
import { AMBIGUOUS, MALFORMED, MISSING } from './verdict.ts'
import type { JudgedExchange, Verification } from './verdict.ts'
import { verifyApiKey } from './verifiers/api-key.ts'
import { verifyBasic } from './verifiers/basic-auth.ts'
import { verifyCustom } from './verifiers/custom.ts'
import { verifyHmac } from './verifiers/hmac.ts'

/**
 * Gives the verdict on a request: at once, unless a slow hash has to be computed for it. `clientAddress`
 * is what the queue of slow checks is fair by: the rightmost untrusted address.
 */
export type Authenticate = (
  exchange: JudgedExchange,
  channel: ChannelAccess,
  clientAddress: string,
) => Verdict | Promise<Verdict>

const OPEN: Verdict = { kind: 'open' }

/** Creates the function that authenticates the requests of one generation. */
export function createAuthenticate(verification: Verification): Authenticate {
  return (exchange, channel, clientAddress) =>
    authenticate(verification, exchange, channel, clientAddress)
}

function authenticate(
  verification: Verification,
  exchange: JudgedExchange,
  channel: ChannelAccess,
  clientAddress: string,
): Verdict | Promise<Verdict> {
  if (channel.isOpen) return OPEN
  if (channel.custom !== undefined) {
    return verifyCustom(verification, channel, channel.custom, exchange)
  }
  const { headers, names } = exchange
  const { slots } = channel
  let presented: Slot | undefined
  let place = 0
  for (let at = 0; at < names.length; at++) {
    const slot = slots.get(names[at] ?? '')
    if (slot === undefined) continue
    // The same slot twice as well, where strict HTTP does not watch it (inactive definitions only).
    if (presented !== undefined) return AMBIGUOUS
    presented = slot
    place = at
  }
  if (presented === undefined) return MISSING
  const value = headers[2 * place + 1] ?? ''
  return verify(verification, channel, presented, value, exchange, clientAddress)
}

/**
 * `Authorization` can be the header of keys, signatures and Basic on one channel. Then the scheme decides
 * and nothing is tried twice: what says `Basic` is Basic and never a key, what has the form of a signature
 * is one, everything else is a key. Where
 * only Basic is accepted, any other scheme is a malformed credential; where only keys are, the whole value is.
 */
function verify(
  verification: Verification,
  channel: ChannelAccess,
  slot: Slot,
  value: string,
  exchange: JudgedExchange,
  clientAddress: string,
): Verdict | Promise<Verdict> {
  const { name, acceptsBasic, keys, signers } = slot
  const isBasicAlone = keys === undefined && signers === undefined
  if (acceptsBasic && (isBasicAlone || isBasic(value))) {
    return verifyBasic(verification, channel, name, value, clientAddress)
  }
  if (
    signers !== undefined &&
    (keys === undefined || signers.find(exchange.headers) !== undefined)
  ) {
    return verifyHmac(verification, channel, slot, signers, exchange)
  }
  // Cannot be: a slot accepts one of the two.
  if (keys === undefined) return MALFORMED
  return verifyApiKey(verification, channel, name, keys, value)
}
