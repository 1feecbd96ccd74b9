/**
 * What an outgoing connection adds to a request: headers, made from its definition. They are put
 * together when a generation is loaded, so that a warm request only picks; a signature is made for
 * each request.
 */
import type { Definition, HmacDefinition, NtlmDefinition } from '../config/model.ts'
import { isLive } from '../credentials/entries.ts'
import { SidegateError } from '../errors.ts'
import { HmacScheme } from '../hmac/scheme.ts'
import type { SignedRequest } from '../hmac/signature.ts'
import type { RawHeaders } from '../http/exchange.ts'
import type { Token } from '../oauth/token.ts'
import type { Session } from '../session/session.ts'

/** What leaves with one request. */
export interface Credential {
  /** Flat list, Latin-1, as it goes on the wire; secrets. */
  readonly headers: RawHeaders
  /** Not headers carry it, but a connection that has logged in. */
  readonly isOfConnection?: boolean
  /** Made of the request itself, when all else of it is there. */
  readonly signature?: RequestSignature
  /** Which of the secrets of the definition it was; `""` where they have no names. */
  readonly label: string
  /** Of a `bearer_token`: what to tell the source if the API refuses it. */
  readonly token: Token | undefined
  /** Of a `session`: its cookies go into the app's own, and come back to it alone. */
  readonly session?: Session
  /** Makes the headers of the request when all else of it is there. */
  readonly module?: RequestModule
}

export interface RequestSignature {
  /** Whether the body is signed: then it has to be there first. */
  readonly needsBody: boolean
  readonly bodyLimitBytes: number
  /** The headers to add, a flat list. */
  sign(request: SignedRequest): string[]
}

/** A request as it will leave, but for the credential. */
export interface PreparedRequest extends Omit<SignedRequest, 'body'> {
  /** Host and port that it goes to. */
  readonly authority: string
  readonly body: Buffer | undefined
}

export interface RequestModule {
  /** Whether it sees the body: then that has to be there first. */
  readonly needsBody: boolean
  readonly bodyLimitBytes: number
  /** The headers to add, a flat list; rejects with a `SidegateError`. */
  prepare(request: PreparedRequest): readonly string[] | Promise<readonly string[]>
  /** Whether an answer means that what was sent is spent, and another would be made. */
  isSpent(status: number, headers: readonly string[]): Promise<boolean>
}

export interface Injector {
  readonly definition: Definition
  /** The headers that it owns, in lower case: the app's own give way to them. The first is its name. */
  readonly slots: readonly string[]
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

const AUTHORIZATION = ['authorization']

interface Prepared {
  readonly credential: Credential
  readonly life: Parameters<typeof isLive>[0]
}

/** For the types whose headers are known when a request comes; `undefined` for session and custom. */
export function createInjector(
  definition: Definition,
  getToken: GetToken,
  nowMs: () => number,
): Injector | undefined {
  if (definition.type === 'bearer_token') {
    return {
      definition,
      slots: AUTHORIZATION,
      takesScopes: true,
      obtain(scopes) {
        const token = getToken(definition, scopes)
        return token instanceof Promise ? token.then(credentialOf) : credentialOf(token)
      },
    }
  }
  if (definition.type === 'ntlm') return createNtlmInjector(definition)
  if (definition.type === 'hmac') return createHmacInjector(definition, nowMs)
  const prepared = prepare(definition)
  if (prepared === undefined) return undefined
  const { slot, credentials } = prepared
  return {
    definition,
    slots: [slot],
    takesScopes: false,
    obtain: () => pickLive(credentials, nowMs()).credential,
  }
}

/** The header is the handshake's, whatever the app sends in it. */
function createNtlmInjector(definition: NtlmDefinition): Injector {
  const credential = { headers: [], isOfConnection: true, label: '', token: undefined }
  return { definition, slots: AUTHORIZATION, takesScopes: false, obtain: () => credential }
}

/** The signature is made when the rest of the request is there: its key is picked here. */
function createHmacInjector(definition: HmacDefinition, nowMs: () => number): Injector {
  const { settings } = definition
  const scheme = new HmacScheme(settings)
  const prepared = settings.keys.map((key) => ({
    life: key,
    credential: {
      headers: [],
      label: key.label,
      token: undefined,
      signature: {
        needsBody: scheme.needsBody,
        bodyLimitBytes: settings.bodyLimitBytes,
        sign: (request: SignedRequest) => scheme.sign(request, key, nowMs()),
      },
    },
  }))
  return {
    definition,
    slots: scheme.form.names,
    takesScopes: false,
    obtain: () => pickLive(prepared, nowMs()).credential,
  }
}

function credentialOf(token: Token): Credential {
  return { headers: ['Authorization', token.authorization], label: '', token }
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
  return {
    credential: { headers: [name, value], label: entry.label, token: undefined },
    life: entry,
  }
}

/** Of several in a rotation the last that is valid now: new ones are added below. */
function pickLive(prepared: readonly Prepared[], nowMs: number): Prepared {
  for (let at = prepared.length - 1; at >= 0; at--) {
    const one = prepared[at]
    if (one !== undefined && isLive(one.life, nowMs)) return one
  }
  throw new SidegateError('definition_inactive', {
    detail: 'none of its secrets is valid now: see not_before and not_after',
  })
}
