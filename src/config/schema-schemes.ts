/**
 * Security definitions that declare a scheme: hmac, session, custom.
 */
import { z } from 'zod'
import { findCredentialHeaderFault } from './header-rules.ts'
import { parseUrl } from './network.ts'
import { base, life } from './schema-definitions.ts'
import { headerName, headers } from './schema-parts.ts'
import {
  anyText,
  checkedText,
  choice,
  duration,
  flag,
  integer,
  list,
  map,
  secret,
  size,
  text,
  verbatim,
} from './schema-scalars.ts'

const MIB = 1024 * 1024
const PART =
  /^(?:method|path|query|target|host|timestamp|nonce|body|body_sha256|header:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"[^]*")$/

const bodyLimit = size('Largest body that is signed or checked', 1, 1024 * MIB).prefault('1MiB')

const credentialHeader = checkedText('wanted a header name', (value) => {
  const fault = findCredentialHeaderFault(value)
  if (fault !== undefined) throw new Error(fault)
})

const PART_WANTED =
  'wanted method, path, query, target, host, timestamp, nonce, body, body_sha256, header:NAME or a quoted literal such as \'"."\''

export const hmac = map(
  {
    ...base,
    type: z.literal('hmac'),
    key: secret('Key').optional(),
    keys: list(map({ ...life, key: secret('Key') }, 'One of several keys'), 'a list of keys')
      .min(1, 'wanted at least one key')
      .optional()
      .meta({ description: 'Several keys at once, for rotation' }),
    key_encoding: choice(['utf8', 'hex', 'base64'], 'How the key is written').prefault('utf8'),
    key_id: text().optional().meta({ description: 'Tells the other side which key it is' }),
    key_header: credentialHeader.optional().meta({ description: 'Header that carries the key id' }),
    algorithm: choice(['sha256', 'sha512', 'sha1'], 'Hash function').prefault('sha256'),
    string_to_sign: list(text(PART_WANTED, PART), 'a list of parts')
      .min(1, 'wanted at least one part')
      .meta({
        description: `Parts that are signed: ${PART_WANTED.slice('wanted '.length)}`,
        examples: [['method', '"."', 'body']],
      }),
    separator: anyText().prefault('\n').meta({ description: 'What stands between the parts' }),
    encoding: choice(['hex', 'base64'], 'How the signature is written').prefault('hex'),
    headers: z
      .record(credentialHeader, text(), { error: 'wanted a map of header names and templates' })
      .meta({
        description:
          'Headers and their templates: `{signature}`, `{timestamp}`, `{nonce}`, `{key_id}`',
        examples: [{ 'X-Sig': 'sha256={signature}' }],
      }),
    timestamp_format: choice(['unix', 'unix_ms', 'iso8601'], 'How instants are written').prefault(
      'unix',
    ),
    tolerance: z
      .union([z.literal('none'), duration('How far the clocks may differ')], {
        error: 'wanted a duration such as 5m, or none',
      })
      .prefault('5m')
      .meta({ description: 'How old a signature may be; `none` where it has no timestamp' }),
    body_limit: bodyLimit,
  },
  'A signature over the request',
)

const sessionUrl = checkedText('wanted a URL such as https://app.example.com/login', (value) =>
  parseUrl(value, { path: true, query: true }),
)
const status = list(integer('A status', 100, 599), 'a list of statuses')

const extract = z
  .record(
    text('wanted a name of A-Za-z0-9_', /^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
    text(
      'wanted cookie:NAME, header:NAME or a JSON Pointer',
      /^(?:cookie:[^\s;=]+|header:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|\/[^]*)$/,
    ),
    { error: 'wanted a map of names to cookie:NAME, header:NAME or a JSON Pointer' },
  )
  .meta({ description: 'What is taken from the answer: cookie:NAME, header:NAME, a JSON Pointer' })

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Z]{1,32}$/

const call = {
  method: text('wanted a method such as POST', METHOD)
    .prefault('POST')
    .meta({ description: 'Method' }),
  url: sessionUrl.meta({ description: 'URL' }),
  headers: headers('Headers of the request').prefault({}),
  body: anyText().optional().meta({ description: 'Body, a template' }),
  success: status.min(1, 'wanted at least one status').prefault([200]).meta({
    description: 'Statuses that mean success',
  }),
}

export const session = map(
  {
    ...base,
    type: z.literal('session'),
    username: text().meta({ description: '`{username}` in templates' }),
    password: secret('`{password}` in templates'),
    login: map(call, 'The request that logs in'),
    steps: list(map({ ...call, extract: extract.prefault({}) }, 'A step'), 'a list of steps')
      .prefault([])
      .meta({ description: 'Requests after the login, in order' }),
    extract: extract.prefault({}),
    apply: map(
      {
        headers: headers('Headers of the session').prefault({}),
        cookies: z
          .record(
            text('wanted the name of a cookie', /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/),
            verbatim(),
            {
              error: 'wanted a map of cookies',
            },
          )
          .prefault({})
          .meta({ description: 'Cookies of the session' }),
      },
      'What each request gets',
    ),
    ttl: duration('Life of a session; renewed at its half').prefault('10m'),
    expired_when: map(
      {
        status: status.prefault([401]).meta({ description: 'Statuses' }),
        location: text().optional().meta({ description: 'Beginning of a `Location`' }),
      },
      'Answers that mean that the session is gone',
    ).prefault({}),
    logout: map(
      {
        method: text('wanted a method such as POST', METHOD)
          .prefault('POST')
          .meta({ description: 'Method' }),
        url: sessionUrl.meta({ description: 'URL' }),
      },
      'The request that logs out',
    ).optional(),
    timeout: duration('Time for one request of these', { maxMs: 300_000 }).prefault('10s'),
    allow_plaintext: flag('Allow `http://` to a host that is not loopback').prefault(false),
  },
  'Log in, carry the session, log out',
)

export const custom = map(
  {
    ...base,
    type: z.literal('custom'),
    module: text('wanted the path of a module (.mjs or .js)', /\.(?:mjs|js)$/).meta({
      description: 'Path of the module',
    }),
    options: z
      .record(z.string(), z.unknown(), { error: 'wanted a map' })
      .prefault({})
      .meta({ description: 'Handed to the module as they are' }),
    secrets: z
      .record(text(), secret('A secret'), { error: 'wanted a map of names and secrets' })
      .prefault({})
      .meta({ description: 'Secrets that the module gets', secret: true }),
    timeout: duration('Time for one call', { maxMs: 60_000 }).prefault('1s'),
    memory: size('Memory of the worker', 16 * MIB, 4096 * MIB).prefault('64MiB'),
    body: flag('Whether the module sees the body').prefault(false),
    body_limit: bodyLimit,
    headers: list(headerName, 'a list of header names')
      .prefault([])
      .meta({ description: 'Headers that the module may set' }),
  },
  'A module of yours',
)
