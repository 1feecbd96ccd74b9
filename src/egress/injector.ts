/**
 * What an outgoing connection adds to a request: one header, made from its definition. Values are
 * put together when a generation is loaded, so that a warm request only picks one.
 */
import type { Definition, NtlmDefinition } from '../config/model.ts'
import { isLive } from '../credentials/entries.ts'
import { SidegateError } from '../errors.ts'
import type { Token } from '../oauth/token.ts'

/** The header that leaves, for one request. */
export interface Credential {
  /** As it goes on the wire. */
  readonly name: string
  /** Latin-1; a secret. `undefined` where not a header carries it, but a connection that has logged in. */
  readonly value: string | undefined
  /** Which of the secrets of the definition it was; `""` where they have no names. */
  readonly label: string
  /** Of a `bearer_token`: what to tell the source if the API refuses it. */
  readonly token: Token | undefined
}

export interface Injector {
  readonly definition: Definition
  /** The header that it owns, in lower case: the app's own gives way to it. */
  readonly slot: string
  /** Whether `X-Sidegate-Scopes` means anything to it. */
  readonly takesScopes: boolean
  /** The credential for a request; throws or rejects with a `SidegateError`. */
  obtain(scopes: readonly string[] | undefined): Credential | Promise<Credential>
}

/** Where tokens come from, for a definition of this generation. */
export type GetToken = (
  definition: Extract<Definition, { type: 'bearer_token' }>,
  scopes: readonly string[] | undefined,
) => Token | Promise<Token>

interface Prepared {
  readonly credential: Credential
  readonly life: Parameters<typeof isLive>[0]
}

/** The types that can be sent out so far; `undefined` for those that cannot. */
export function createInjector(
  definition: Definition,
  getToken: GetToken,
  nowMs: () => number,
): Injector | undefined {
  if (definition.type === 'bearer_token') {
    return {
      definition,
      slot: 'authorization',
      takesScopes: true,
      obtain(scopes) {
        const token = getToken(definition, scopes)
        return token instanceof Promise ? token.then(credentialOf) : credentialOf(token)
      },
    }
  }
  if (definition.type === 'ntlm') return createNtlmInjector(definition)
  const prepared = prepare(definition)
  if (prepared === undefined) return undefined
  const { slot, credentials } = prepared
  return {
    definition,
    slot,
    takesScopes: false,
    obtain: () => pickLive(credentials, nowMs()),
  }
}

/** The header is the handshake's, whatever the app sends in it. */
function createNtlmInjector(definition: NtlmDefinition): Injector {
  const credential = { name: 'Authorization', value: undefined, label: '', token: undefined }
  return { definition, slot: 'authorization', takesScopes: false, obtain: () => credential }
}

function credentialOf(token: Token): Credential {
  return { name: 'Authorization', value: token.authorization, label: '', token }
}

function prepare(
  definition: Definition,
): { readonly slot: string; readonly credentials: readonly Prepared[] } | undefined {
  if (definition.type === 'basic_auth') {
    const credentials = definition.passwords.flatMap((entry) => {
      if (entry.password === undefined) return []
      const pair = `${definition.username}:${entry.password.reveal()}`
      // RFC 7617, section 2.1: UTF-8.
      const value = `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`
      return [prepareOne('Authorization', value, entry)]
    })
    return { slot: 'authorization', credentials }
  }
  if (definition.type !== 'api_key') return undefined
  const credentials = definition.keys.flatMap((entry) =>
    entry.key === undefined ? [] : [prepareOne(definition.header, entry.key.reveal(), entry)],
  )
  return { slot: definition.header.toLowerCase(), credentials }
}

function prepareOne(
  name: string,
  value: string,
  entry: Prepared['life'] & { readonly label: string },
): Prepared {
  return { credential: { name, value, label: entry.label, token: undefined }, life: entry }
}

/** Of several in a rotation the last that is valid now: new ones are added below. */
function pickLive(prepared: readonly Prepared[], nowMs: number): Credential {
  for (let at = prepared.length - 1; at >= 0; at--) {
    const one = prepared[at]
    if (one !== undefined && isLive(one.life, nowMs)) return one.credential
  }
  throw new SidegateError('definition_inactive', {
    detail: 'none of its secrets is valid now: see not_before and not_after',
  })
}

/** For types that this version cannot send: whatever needs them is refused, never sent bare. */
export function createRefusingInjector(definition: Definition): Injector {
  const detail = `definitions of type ${definition.type} are not served yet: "${definition.name}"`
  return {
    definition,
    slot: 'authorization',
    takesScopes: false,
    obtain() {
      throw new SidegateError('definition_inactive', { detail })
    },
  }
}
