/**
 * Security definitions from the schema's form to the model's. Checks what concerns one definition by
 * itself; where it is used is checked elsewhere.
 */
import type { ResolveContext } from './context.ts'
import { checkPlaintext, checkRealm, checkUsername } from './credential-rules.ts'
import { resolveFields, resolveScopes } from './fields.ts'
import { computeFingerprint } from './fingerprint.ts'
import { findHeaderValueFault, hasControl } from './header-rules.ts'
import type {
  BasicAuthDefinition,
  BearerTokenDefinition,
  Definition,
  NtlmDefinition,
  ProxyConfig,
} from './model.ts'
import { resolveKeys, resolvePasswords } from './resolve-entries.ts'
import { resolveProxy } from './resolve-proxy.ts'
import { resolveCustom, resolveHmac, resolveSession } from './resolve-schemes.ts'
import { resolveClientTls, resolvePrivateKey } from './resolve-tls.ts'
import type { ParsedDefinition } from './schema.ts'
import type { Path } from './tree.ts'

type ParsedOf<T extends ParsedDefinition['type']> = Extract<ParsedDefinition, { type: T }>

/** Everything but the fingerprint, which is over the rest. */
type Bare<D> = D extends Definition ? Omit<D, 'fingerprint'> : never
/** What depends on the type. */
type Particular<D> = D extends Definition
  ? Omit<D, 'fingerprint' | 'name' | 'isActive' | 'identity'>
  : never

/** A definition at `path`; `inherited` is the parent proxy of egress. */
export function resolveDefinition(
  context: ResolveContext,
  path: Path,
  parsed: ParsedDefinition,
  inherited: ProxyConfig | undefined,
): Definition {
  const { name, is_active: isActive } = parsed
  const own = parsed.type === 'basic_auth' ? parsed.username : name
  const base = { name, isActive, identity: parsed.identity ?? own }
  if (parsed.identity !== undefined) {
    const fault = findHeaderValueFault(parsed.identity)
    if (fault !== undefined)
      context.report([...path, 'identity'], `the identity goes into a header, ${fault}`)
  }
  const bare = { ...base, ...resolveByType(context, path, parsed, inherited) } as Bare<Definition>
  return { ...bare, fingerprint: computeFingerprint(context.fingerprintKey, bare) }
}

function resolveByType(
  context: ResolveContext,
  path: Path,
  parsed: ParsedDefinition,
  inherited: ProxyConfig | undefined,
): Particular<Definition> {
  switch (parsed.type) {
    case 'basic_auth':
      return resolveBasicAuth(context, path, parsed)
    case 'api_key':
      return { type: 'api_key', header: parsed.header, keys: resolveKeys(context, path, parsed) }
    case 'bearer_token':
      return resolveBearerToken(context, path, parsed, inherited)
    case 'ntlm':
      return resolveNtlm(context, path, parsed)
    case 'hmac':
      return { type: 'hmac', settings: resolveHmac(context, path, parsed) }
    case 'session':
      return { type: 'session', settings: resolveSession(context, path, parsed) }
    case 'custom':
      return { type: 'custom', settings: resolveCustom(context, path, parsed) }
  }
}

function resolveBasicAuth(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'basic_auth'>,
): Particular<BasicAuthDefinition> {
  const { username, realm } = parsed
  checkUsername(context, [...path, 'username'], username)
  if (realm !== undefined) checkRealm(context, [...path, 'realm'], realm)
  const passwords = resolvePasswords(context, path, parsed)
  return { type: 'basic_auth', username, passwords, realm }
}

function resolveBearerToken(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'bearer_token'>,
  inherited: ProxyConfig | undefined,
): Particular<BearerTokenDefinition> {
  checkPlaintext(
    context,
    [...path, 'auth_server_url'],
    parsed.auth_server_url,
    parsed.allow_plaintext,
  )
  const scopes = resolveScopes(context, [...path, 'scopes'], parsed.scopes)
  const allowedScopes =
    parsed.allowed_scopes === undefined
      ? undefined
      : resolveScopes(context, [...path, 'allowed_scopes'], parsed.allowed_scopes)
  if (allowedScopes !== undefined && scopes.some((scope) => !allowedScopes.includes(scope))) {
    context.report([...path, 'scopes'], 'a scope that is not among allowed_scopes')
  }
  return {
    type: 'bearer_token',
    username: parsed.username,
    authServerUrl: parsed.auth_server_url,
    scopes,
    clientIdField: parsed.client_id_field,
    clientSecretField: parsed.client_secret_field,
    grantType: parsed.grant_type,
    extraFields: resolveExtraFields(context, path, parsed),
    dataFormat: parsed.data_format,
    clientAuth: parsed.client_auth,
    ...resolveClientSecret(context, path, parsed),
    privateKeyId: parsed.private_key_id,
    algorithm: parsed.algorithm,
    refreshWaitMs: parsed.refresh_wait,
    prefetch: parsed.prefetch,
    allowedScopes,
    allowPlaintext: parsed.allow_plaintext,
    tls: resolveClientTls(context, [...path, 'tls'], parsed.tls),
    proxy: resolveProxy(context, [...path, 'proxy'], parsed.proxy, inherited),
    timeoutMs: parsed.timeout,
    defaultTtlMs: parsed.default_ttl,
  }
}

/** `extra_fields` may add to the request, not overwrite what the other settings put there. */
function resolveExtraFields(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'bearer_token'>,
): readonly (readonly [string, string])[] {
  const { client_id_field: idField, client_secret_field: secretField } = parsed
  if (idField === secretField) {
    context.report(
      [...path, 'client_secret_field'],
      'the same field as client_id_field, wanted another',
    )
  }
  const taken = new Set([idField, secretField, 'grant_type', 'scope'])
  if (parsed.client_auth === 'private_key_jwt') {
    taken.add('client_assertion').add('client_assertion_type')
  }
  const at = [...path, 'extra_fields']
  context.markReferred(at)
  const fields = resolveFields(context, at, parsed.extra_fields)
  const isMap = typeof parsed.extra_fields === 'object' && !Array.isArray(parsed.extra_fields)
  for (const [name] of fields) {
    if (!taken.has(name)) continue
    const problem = `the field "${name}" would overwrite one that other settings fill`
    if (isMap) context.reportKey([...at, name], problem)
    else context.report(at, problem)
  }
  return fields
}

function resolveClientSecret(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'bearer_token'>,
): Pick<BearerTokenDefinition, 'password' | 'privateKey'> {
  const isAssertion = parsed.client_auth === 'private_key_jwt'
  const [wanted, unwanted] = isAssertion ? ['private_key', 'password'] : ['password', 'private_key']
  if (!context.has([...path, wanted])) {
    context.report(path, `missing "${wanted}", which client_auth: ${parsed.client_auth} needs`)
  }
  if (context.has([...path, unwanted])) {
    context.reportKey([...path, unwanted], `client_auth: ${parsed.client_auth} makes no use of it`)
  }
  const password =
    parsed.password === undefined ? undefined : context.secretAt([...path, 'password'])
  if (!isAssertion || parsed.private_key === undefined) return { password, privateKey: undefined }
  const at = [...path, 'private_key']
  const resolved = resolvePrivateKey(context, at, parsed.private_key)
  if (resolved === undefined) return { password, privateKey: undefined }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = resolved.key
  const kind = type === 'ec' ? (details?.namedCurve ?? 'ec') : (type ?? 'unknown')
  const wantedKind = keyKinds[parsed.algorithm]
  if (kind !== wantedKind) {
    context.report(
      at,
      `a key of type ${kind}, wanted ${wantedKind} for algorithm ${parsed.algorithm}`,
    )
  }
  return { password, privateKey: resolved.secret }
}

/** What `KeyObject` calls the keys of an algorithm (RFC 7518 3.1, RFC 8037). */
const keyKinds: Record<ParsedOf<'bearer_token'>['algorithm'], string> = {
  RS256: 'rsa',
  RS384: 'rsa',
  RS512: 'rsa',
  PS256: 'rsa',
  PS384: 'rsa',
  PS512: 'rsa',
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
  EdDSA: 'ed25519',
}

function resolveNtlm(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOf<'ntlm'>,
): Particular<NtlmDefinition> {
  const { username, domain, workstation } = parsed
  const hasDomain = /[\\@]/.test(username)
  if (hasDomain && domain !== undefined) {
    context.reportKey(
      [...path, 'domain'],
      'the username has a domain already, wanted one of the two',
    )
  } else if (!hasDomain && domain === undefined) {
    context.reportFound(
      [...path, 'username'],
      'wanted DOMAIN\\user, user@domain, or domain beside it',
    )
  } else if (/^[\\@]|[\\@]$|\\.*\\/.test(username) || hasControl(username)) {
    context.reportFound([...path, 'username'], 'wanted DOMAIN\\user or user@domain')
  }
  return {
    type: 'ntlm',
    username,
    domain,
    workstation,
    password: context.secretAt([...path, 'password']),
  }
}
