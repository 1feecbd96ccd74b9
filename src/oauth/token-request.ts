/**
 * The token request as it goes on the wire (RFC 6749 4.4.2): its fields in a fixed order, as a form
 * or as JSON, with the client's credentials in the body, in a Basic header or as an assertion.
 */
import { ASSERTION_TYPE, signAssertion } from './client-assertion.ts'
import type { TokenDefinition } from './token-definition.ts'

export interface TokenRequest {
  /** Origin-form. */
  readonly path: string
  /** Flat list, framing included. */
  readonly headers: readonly string[]
  readonly body: Buffer
}

type Field = readonly [name: string, value: string]

const CONTENT_TYPES = {
  form: 'application/x-www-form-urlencoded',
  json: 'application/json',
} as const

/** The request for a token with these scopes; `nowMs` is of the wall clock, for assertions only. */
export async function createTokenRequest(
  definition: TokenDefinition,
  scopes: readonly string[],
  nowMs: number,
): Promise<TokenRequest> {
  const url = new URL(definition.authServerUrl)
  const assertion =
    definition.clientAuth === 'private_key_jwt' ? await signAssertion(definition, nowMs) : undefined
  const fields = createFields(definition, scopes, assertion)
  const body = Buffer.from(definition.dataFormat === 'form' ? encodeForm(fields) : toJson(fields))
  const headers = [
    'Host',
    url.host,
    'Content-Type',
    CONTENT_TYPES[definition.dataFormat],
    'Content-Length',
    String(body.length),
    'Accept',
    'application/json',
    'User-Agent',
    'sidegate',
    // A POST is not sent again on its own: one that meets a kept connection just as the server
    // closes it would be lost. Tokens are fetched seldom enough for a connection each.
    'Connection',
    'close',
  ]
  if (definition.clientAuth === 'basic') headers.push('Authorization', basicOf(definition))
  return { path: `${url.pathname}${url.search}`, headers, body }
}

function createFields(
  definition: TokenDefinition,
  scopes: readonly string[],
  assertion: string | undefined,
): readonly Field[] {
  const { clientAuth, username, password, clientIdField, clientSecretField } = definition
  const fields: Field[] = []
  if (clientAuth !== 'basic') fields.push([clientIdField, username])
  if (clientAuth === 'post') {
    if (password === undefined) throw new Error('client_auth: post without password')
    fields.push([clientSecretField, password.reveal()])
  }
  fields.push(['grant_type', definition.grantType])
  if (scopes.length > 0) fields.push(['scope', scopes.join(' ')])
  if (assertion !== undefined) {
    fields.push(['client_assertion_type', ASSERTION_TYPE], ['client_assertion', assertion])
  }
  return [...fields, ...definition.extraFields]
}

/** As HTML forms are (RFC 6749 appendix B): a blank is `+`. */
function encodeForm(fields: readonly Field[]): string {
  return new URLSearchParams(
    fields.map(([name, value]): [string, string] => [name, value]),
  ).toString()
}

/** Written by hand, since an object would put names that are numbers first. */
function toJson(fields: readonly Field[]): string {
  const members = fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return `{${members.join(',')}}`
}

/** RFC 6749 2.3.1: both halves are form-encoded first, so that a colon in the id does not split. */
function basicOf({ username, password }: TokenDefinition): string {
  if (password === undefined) throw new Error('client_auth: basic without password')
  const halves = `${encodePart(username)}:${encodePart(password.reveal())}`
  return `Basic ${Buffer.from(halves).toString('base64')}`
}

function encodePart(text: string): string {
  return encodeForm([['', text]]).slice(1)
}
