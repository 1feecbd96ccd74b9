/**
 * Lets a module decide who is calling. Whatever it does but naming a caller lets nobody in: `null` is a
 * 401 like any other, a fault is 500 `scheme_failed`.
 */
import type { CustomDefinition } from '../../config/model.ts'
import type { CustomScheme } from '../../custom/scheme.ts'
import { SidegateError } from '../../errors.ts'
import type { WholeBody } from '../../http/whole-body.ts'
import type { ChannelAccess } from '../credential-index.ts'
import type { IndexedDefinition } from '../indexed-definition.ts'
import type { Verdict } from '../principal.ts'
import { refuse, refuseBody, type JudgedExchange, type Verification } from '../verdict.ts'

/** 1 to 256 printable ASCII characters, no blank at either end. */
const USER = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/

/** Verifies a request of the channel that has this definition alone. */
export function verifyCustom(
  verification: Verification,
  channel: ChannelAccess,
  indexed: IndexedDefinition<CustomDefinition>,
  exchange: JudgedExchange,
): Verdict | Promise<Verdict> {
  const { name, isActive, settings } = indexed.definition
  if (!isActive) return refuse('unauthorized', 'inactive', name)
  const decide = (body: WholeBody | undefined): Verdict | Promise<Verdict> => {
    if (body?.kind === 'refused') return refuseBody(body.why, name)
    return ask(verification, indexed, exchange, body)
  }
  if (!settings.body) return decide(undefined)
  const { bodyIdleMs } = channel
  const body = verification.readBody(exchange, { limitBytes: settings.bodyLimitBytes, bodyIdleMs })
  return body instanceof Promise ? body.then(decide) : decide(body)
}

async function ask(
  verification: Verification,
  indexed: IndexedDefinition<CustomDefinition>,
  exchange: JudgedExchange,
  body: Exclude<WholeBody, { kind: 'refused' }> | undefined,
): Promise<Verdict> {
  const { name } = indexed.definition
  let user: string | undefined
  try {
    user = await askModule(verification.schemeOf(indexed.definition), exchange, body?.bytes)
  } catch (error) {
    body?.release()
    if (!(error instanceof SidegateError)) throw error
    const { code, retryAfterS } = error
    return {
      ...refuse(code, undefined, name),
      ...(retryAfterS === undefined ? {} : { retryAfterS }),
    }
  }
  if (user === undefined) {
    body?.release()
    return refuse('unauthorized', 'wrong', name)
  }
  if (!USER.test(user) || verification.index.identities.has(user)) {
    body?.release()
    verification
      .schemeOf(indexed.definition)
      .fail('authenticate gave a user that is no such thing, or the identity of a definition')
    return refuse('scheme_failed', undefined, name)
  }
  verification.onUsed?.(name, '', verification.nowMs())
  const { groups } = indexed
  const principal = { definition: name, type: 'custom' as const, identity: user, groups, label: '' }
  return { kind: 'principal', principal, slot: '', body }
}

async function askModule(
  scheme: CustomScheme,
  { method, target, headers }: JudgedExchange,
  body: Buffer | undefined,
): Promise<string | undefined> {
  const question = target.indexOf('?')
  const answer = await scheme.call({
    name: 'authenticate',
    given: {
      method,
      path: question === -1 ? target : target.slice(0, question),
      query: question === -1 ? '' : target.slice(question + 1),
      headers,
      // A copy: cloning takes all memory behind a Buffer, which is a pool.
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    },
  })
  return 'user' in answer ? answer.user : undefined
}
