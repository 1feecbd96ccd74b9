/**
 * Verifies a signature over a request: form, key id and time first, then the body where it is signed,
 * then the signature, and last whether it was used before.
 */
import { isLive } from '../../credentials/entries.ts'
import type { HeldBody, WholeBody } from '../../http/whole-body.ts'
import type { ChannelAccess, Slot } from '../credential-index.ts'
import type { Verdict } from '../principal.ts'
import type { FoundSigner, SignerSlot } from '../signers.ts'
import { judge, MALFORMED, overloaded, refuse, refuseBody, UNKNOWN } from '../verdict.ts'
import type { JudgedExchange, Verification } from '../verdict.ts'

/** Verifies the signature that stands in the header `slot`. */
export function verifyHmac(
  verification: Verification,
  channel: ChannelAccess,
  slot: Slot,
  signers: SignerSlot,
  exchange: JudgedExchange,
): Verdict | Promise<Verdict> {
  const found = signers.find(exchange.headers)
  if (found === undefined) return MALFORMED
  if (found === 'unknown') return UNKNOWN
  const { scheme, indexed, values } = found
  const untilMs = scheme.findEnd(values, verification.nowMs())
  if (untilMs === undefined) return refuse('unauthorized', 'replayed', indexed.definition.name)
  const conclude = (body: WholeBody | undefined): Verdict => {
    if (body?.kind === 'refused') return refuseBody(body.why, indexed.definition.name)
    const verdict = judgeSignature(verification, channel, slot, exchange, {
      ...found,
      untilMs,
      body,
    })
    if (verdict.kind !== 'principal') body?.release()
    return verdict
  }
  if (!scheme.needsBody) return conclude(undefined)
  const body = verification.readBody(exchange, {
    limitBytes: scheme.settings.bodyLimitBytes,
    bodyIdleMs: channel.bodyIdleMs,
  })
  return body instanceof Promise ? body.then(conclude) : conclude(body)
}

interface Claim extends FoundSigner {
  readonly untilMs: number
  readonly body: HeldBody | undefined
}

function judgeSignature(
  verification: Verification,
  channel: ChannelAccess,
  slot: Slot,
  exchange: JudgedExchange,
  { scheme, indexed, values, untilMs, body }: Claim,
): Verdict {
  const { name } = indexed.definition
  const { method, target, host, headers } = exchange
  const request = { method, target, host, headers, body: body?.bytes ?? NOTHING }
  const key = scheme.findKey(values, request)
  if (key === undefined) return refuse('unauthorized', 'wrong', name)
  const nowMs = verification.nowMs()
  if (values.nonce !== '') {
    const memory = verification.noncesOf(name)
    const outcome = memory.add(values.nonce, untilMs, nowMs)
    if (outcome === 'seen') return refuse('unauthorized', 'replayed', name, key.label)
    if (outcome === 'full') return overloaded(name)
  }
  const match = { indexed, label: key.label, isLive: isLive(key, nowMs) }
  const verdict = judge(verification, channel, slot.name, match)
  if (verdict.kind !== 'principal') return verdict
  return { ...verdict, consumed: scheme.form.names, body }
}

const NOTHING = Buffer.alloc(0)
