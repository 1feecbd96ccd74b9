/**
 * Security definitions that name a credential: basic_auth, api_key, bearer_token, ntlm.
 */
import { z } from 'zod'
import { parsePasswordHash } from '../credentials/hash.ts'
import { findCredentialHeaderFault } from './header-rules.ts'
import { parseUrl } from './network.ts'
import { clientTls, proxyOrNone } from './schema-parts.ts'
import {
  checkedText,
  choice,
  duration,
  flag,
  instant,
  list,
  map,
  name,
  secret,
  text,
  verbatim,
} from './schema-scalars.ts'

/** What every definition has. */
export const base = {
  name: name('Name, unique among definitions and groups'),
  is_active: flag('`false`: the credentials are refused').prefault(true),
  groups: list(name('A group'), 'a list of groups').prefault([]).meta({
    description: 'Groups that the definition belongs to, besides those that list it as a member',
  }),
  identity: text().optional().meta({
    description:
      'What the upstream is told; otherwise the username of `basic_auth`, the name of other types',
  }),
}

/** A label and the life of one of several secrets. */
export const life = {
  label: z
    .union([text(), z.int()], { error: 'wanted a word or a whole number' })
    .transform(String)
    .optional()
    .meta({ description: 'Word for this entry, shown in logs and metrics' }),
  not_before: instant('Valid from this instant on').optional(),
  not_after: instant('Not valid from this instant on').optional(),
}

const passwordHash = checkedText(
  'wanted a hash as `sidegate hash` prints it: scrypt ($scrypt$…) or bcrypt ($2a$, $2b$, $2y$)',
  (value) => {
    try {
      parsePasswordHash(value)
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      throw new Error(reason.slice(Math.max(0, reason.indexOf('wanted'))), { cause: error })
    }
  },
).meta({ description: 'Hash of the password, from `sidegate hash`', secret: true })

const keyHash = text(
  'wanted sha256:HEX with 64 hex digits, as `sidegate hash --sha256` prints it',
  /^sha256:[0-9A-Fa-f]{64}$/,
).meta({ description: 'Hash of the key, from `sidegate hash --sha256`', secret: true })

export const basicAuth = map(
  {
    ...base,
    type: z.literal('basic_auth'),
    username: text().meta({ description: 'Username, without colon' }),
    password: secret('Password').optional(),
    password_hash: passwordHash.optional(),
    passwords: list(
      map(
        {
          ...life,
          password: secret('Password').optional(),
          password_hash: passwordHash.optional(),
        },
        'One of several passwords',
      ),
      'a list of passwords',
    )
      .min(1, 'wanted at least one password')
      .optional()
      .meta({ description: 'Several passwords at once, for rotation' }),
    realm: text().optional().meta({ description: 'Realm of the challenge' }),
  },
  'Username and password (RFC 7617)',
)

const credentialHeader = checkedText('wanted a header name', (value) => {
  const fault = findCredentialHeaderFault(value)
  if (fault !== undefined) throw new Error(fault)
})

export const apiKey = map(
  {
    ...base,
    type: z.literal('api_key'),
    header: credentialHeader
      .prefault('X-API-Key')
      .meta({ description: 'Header that carries the key' }),
    key: secret('Key').optional(),
    key_hash: keyHash.optional(),
    keys: list(
      map(
        { ...life, key: secret('Key').optional(), key_hash: keyHash.optional() },
        'One of several keys',
      ),
      'a list of keys',
    )
      .min(1, 'wanted at least one key')
      .optional()
      .meta({ description: 'Several keys at once, for rotation' }),
  },
  'A key in a header',
)

/** Words by lines, list or blanks. */
function words(description: string) {
  return z
    .union([z.string(), z.array(z.string())], { error: 'wanted lines, a list or words' })
    .meta({ description })
}

export const SIGNATURE_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const

export const bearerToken = map(
  {
    ...base,
    type: z.literal('bearer_token'),
    username: text().meta({ description: 'Client id' }),
    password: secret('Client secret').optional(),
    auth_server_url: checkedText('wanted a URL such as https://auth.example.com/token', (value) =>
      parseUrl(value, { path: true, query: true }),
    ).meta({ description: 'URL of the token server; https unless loopback or `allow_plaintext`' }),
    scopes: words('Scopes that are asked for').prefault([]),
    allowed_scopes: words(
      'Bounds `X-Sidegate-Scopes`; without it any scope may be asked for',
    ).optional(),
    client_id_field: text().prefault('client_id').meta({ description: 'Field of the client id' }),
    client_secret_field: text()
      .prefault('client_secret')
      .meta({ description: 'Field of the client secret' }),
    grant_type: text().prefault('client_credentials').meta({ description: 'Grant type' }),
    extra_fields: z
      .union([z.record(text(), verbatim()), z.string(), z.array(z.string())], {
        error: 'wanted a map, or lines of key=value',
      })
      .prefault({})
      .meta({ description: 'More fields: a map, a list or lines of `key=value`' }),
    data_format: choice(['form', 'json'], 'Format of the token request').prefault('form'),
    client_auth: choice(
      ['post', 'basic', 'private_key_jwt'],
      'How the client shows who it is: in the body, by Basic, or by a signed assertion',
    ).prefault('post'),
    private_key: text().optional().meta({
      description: 'Key of `private_key_jwt`: path of a PEM file, or its text',
      secret: true,
    }),
    private_key_id: text().optional().meta({ description: '`kid` of the assertion' }),
    algorithm: choice(SIGNATURE_ALGORITHMS, 'Algorithm of the assertion').prefault('RS256'),
    refresh_wait: duration('How long a call waits for a fresh token while the old is valid', {
      minMs: 0,
      maxMs: 60_000,
    }).prefault('500ms'),
    prefetch: flag('Fetch a token when the configuration is loaded').prefault(false),
    allow_plaintext: flag('Allow `http://` to a host that is not loopback').prefault(false),
    tls: clientTls.optional(),
    proxy: proxyOrNone.optional(),
    timeout: duration('Time for one token request', { maxMs: 300_000 }).prefault('10s'),
    default_ttl: duration('Life of tokens without `expires_in`').prefault('60s'),
  },
  'OAuth 2.0 client credentials, fetched, cached, refreshed',
)

export const ntlm = map(
  {
    ...base,
    type: z.literal('ntlm'),
    username: text().meta({
      description: '`DOMAIN\\user`, `user@domain`, or plain with `domain`',
    }),
    password: secret('Password'),
    domain: text().optional().meta({ description: 'Domain, where `username` has none' }),
    workstation: z
      .string({ error: 'wanted a string' })
      .prefault('')
      .meta({ description: 'Name of the workstation that is told' }),
  },
  'Windows and Active Directory (NTLMv2)',
)
