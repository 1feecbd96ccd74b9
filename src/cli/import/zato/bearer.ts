/**
 * Bearer definitions: OAuth client credentials, and tokens that never change. Only outgoing connections
 * use them here; checking the tokens of callers has no counterpart.
 */
import { splitWords } from '../../../config/fields.ts'
import { WantedError, isSurelyLoopback, parseUrl } from '../../../config/network.ts'
import { quote } from '../../../observe/quote.ts'
import { type ExtraFields, readExtraFields } from './extra-fields.ts'
import type { Item } from './item.ts'
import { type Converted, type Written, literal } from './model.ts'
import { referMissing, referSecret, writeSetting } from './secret-setting.ts'

const URL_KEYS = ['auth_endpoint', 'auth_server_url'] as const
/** What only definitions of client credentials have; `oauth` was OAuth 1.0 before 3.2. */
const BEARER_KEYS = [
  ...URL_KEYS,
  'client_id_field',
  'client_secret_field',
  'grant_type',
  'scopes',
  'extra_fields',
]

/** A definition of type `bearer_token` or `oauth`; one of OAuth 1.0 is `undefined`. */
export function createBearer(
  item: Item,
  name: string,
  type: 'bearer_token' | 'oauth',
  isLegacy: boolean,
): Converted | undefined {
  const { findings } = item.context
  if (type === 'oauth' && item.find(...BEARER_KEYS) === undefined) return undefined
  if (item.flag('is_static_token', false) || item.find('static_token') !== undefined) {
    return createStatic(item, name)
  }
  const isInbound = item.find('issuer', 'jwks_url', 'audience', 'claims') !== undefined
  if (isInbound) {
    const text = `${item.shown}: checking the tokens of callers (issuer, audience, claims)`
    findings.add('unknown', item.place, text)
    if (item.find(...URL_KEYS) === undefined) {
      return { type: undefined, canCall: false, settings: {} }
    }
  }
  return { type: 'bearer_token', canCall: false, settings: createFlow(item, name, isLegacy) }
}

/** The token that never changes is a key in a header; exports of it have no token. */
function createStatic(item: Item, name: string): Converted {
  const key = item.find('static_token') === undefined ? 'password' : 'static_token'
  const token = referSecret(item, name, key, 'token')
  const prefix = item.text('static_prefix')
  if (prefix === undefined) {
    const text = `static_prefix of ${item.shown}: "Bearer" is taken`
    item.context.findings.add('lossy', item.place, text)
  }
  const header = item.text('static_header') ?? 'Authorization'
  const value = `${literal(prefix ?? 'Bearer')} ${token}`
  const settings = { header: literal(header), key: value }
  return { type: 'api_key', canCall: false, header: header.toLowerCase(), settings }
}

function createFlow(item: Item, name: string, isLegacy: boolean): Record<string, Written> {
  const { findings } = item.context
  const idField = item.text('client_id_field') ?? 'client_id'
  const secretField = item.text('client_secret_field') ?? 'client_secret'
  const extra = readExtraFields(item, name, { idField, secretField })
  const grantType = extra.grantType ?? item.text('grant_type')
  const scopes = extra.scopes ?? findScopes(item)
  const format = item.text('data_format')
  if (format === undefined) {
    const text = `data_format of ${item.shown}: ${isLegacy ? 'json' : 'form'} is taken`
    findings.add('lossy', item.place, text)
  }
  const dataFormat = format?.toLowerCase() ?? (isLegacy ? 'json' : 'form')
  return {
    username: extra.username ?? findClientId(item, name),
    password: extra.password ?? referSecret(item, name, 'password', 'client secret'),
    ...findTokenServer(item, name),
    ...(scopes.length > 0 ? { scopes: scopes.map(literal) } : {}),
    ...(idField === 'client_id' ? {} : { client_id_field: literal(idField) }),
    ...(secretField === 'client_secret' ? {} : { client_secret_field: literal(secretField) }),
    ...(grantType === undefined || grantType === 'client_credentials'
      ? {}
      : { grant_type: literal(grantType) }),
    ...describeFields(extra),
    ...(dataFormat === 'form' ? {} : { data_format: literal(dataFormat) }),
  }
}

function findClientId(item: Item, name: string): string {
  const setting = item.setting('username')
  return setting === undefined
    ? referMissing(item, name, 'CLIENT_ID', 'client id', 'text')
    : writeSetting(item, setting, 'client id')
}

function findScopes(item: Item): readonly string[] {
  const scopes = splitWords(item.lines('scopes'))
  if (scopes.length === 0) {
    const text = `scopes of ${item.shown}: none are asked for`
    item.context.findings.add('lossy', item.place, text)
  }
  return scopes
}

function describeFields({ fields }: ExtraFields): Record<string, Written> {
  return fields.size === 0 ? {} : { extra_fields: Object.fromEntries(fields) }
}

/** A query may hold a secret: such a URL is not written. Userinfo is one. */
function findTokenServer(item: Item, name: string): Record<string, Written> {
  const setting = item.setting(...URL_KEYS)
  const suffix = 'AUTH_SERVER_URL'
  if (setting === undefined) {
    return { auth_server_url: referMissing(item, name, suffix, 'URL of the token server', 'url') }
  }
  const isKnown = setting.kind === 'literal'
  const url = isKnown ? setting.text : item.context.lookUp(setting.name)
  const plaintext = url !== undefined && allowPlaintext(item, url) ? { allow_plaintext: true } : {}
  if (!isKnown || !setting.text.includes('?')) {
    const written = writeSetting(item, setting, 'URL of the token server', 'url')
    return { auth_server_url: written, ...plaintext }
  }
  const reference = item.context.variables.create(name, suffix, {
    kind: 'url',
    what: `the URL of the token server of ${item.shown}`,
    origin: 'it stands here in the file; its query may be secret',
    place: setting.place,
    value: setting.text,
  })
  return { auth_server_url: reference, ...plaintext }
}

function allowPlaintext(item: Item, url: string): boolean {
  try {
    const { scheme, host } = parseUrl(url, { path: true, query: true })
    if (scheme === 'https' || isSurelyLoopback(host)) return false
    const text = `${item.shown}: its secret goes to ${quote(host)} in cleartext, as it did; allow_plaintext says so`
    item.context.findings.add('changed', item.place, text)
    return true
  } catch (error) {
    if (!(error instanceof WantedError)) throw error
    item.problem(`the URL of its token server: ${error.message}`, item.find(...URL_KEYS)?.place)
    return false
  }
}
