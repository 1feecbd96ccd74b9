/**
 * `inbound`, `channels` and `groups`. What channels inherit is written down once, with defaults for
 * `inbound` and without for a channel.
 */
import { z } from 'zod'
import { isToken } from '../http/headers.ts'
import { findIdentityHeaderFault } from './header-rules.ts'
import {
  HOST_WANTED,
  parseCidr,
  parseHostAndPort,
  parseHostPattern,
  parseHost,
  parseSocketPath,
  parseUrl,
} from './network.ts'
import {
  clientTls,
  connectionLimits,
  listen,
  methods,
  oddities,
  pathRule,
  timeLimits,
} from './schema-parts.ts'
import {
  checkedText,
  choice,
  duration,
  flag,
  integer,
  list,
  map,
  name,
  size,
  text,
} from './schema-scalars.ts'

const MIB = 1024 * 1024

const upstream = checkedText(
  'wanted a URL such as http://127.0.0.1:8080, or unix:/path',
  (value) =>
    value.startsWith('unix:') ? parseSocketPath(value) : parseUrl(value, { path: false }),
).meta({
  description: 'Where requests go: http://, https:// or unix:/path',
  examples: ['http://127.0.0.1:8080'],
})

const identityHeader = checkedText('wanted a header name', (value) => {
  const fault = findIdentityHeaderFault(value)
  if (fault !== undefined) throw new Error(fault)
}).meta({ description: 'Header that tells the upstream who is calling' })

const forwardIdentity = list(
  choice(['definition', 'type', 'groups'], 'One of definition, type, groups'),
  'a list of definition, type and groups',
).meta({
  description: 'Also sent: `X-Authenticated-Definition`, `-Type`, `-Groups`',
})

const forwardCredentials = flag('Leave the credential in the request')
const allowHeaderNames = list(
  checkedText('wanted a header name', (value) => {
    if (!isToken(value)) throw new Error('wanted a header name')
  }),
  'a list of header names',
).meta({ description: 'Header names outside of A-Za-z0-9- that may pass' })

const upstreamHost = checkedText(
  'wanted keep, upstream, or a host such as app.internal:8080',
  (value) => {
    if (/:\d+$/.test(value)) parseHostAndPort(value)
    else parseHost(value)
  },
).meta({ description: 'Host header for the upstream: `keep`, `upstream`, or a value' })

const timeouts = timeLimits(
  {
    header: ['Until the header block is there', '10s'],
    body_idle: ['Pause within a body', '60s'],
    keep_alive: ['Idle connection of a client', '75s'],
    connect: ['Until the upstream is connected', '5s'],
    first_byte: ['Until the answer of the upstream begins', '60s'],
    websocket_idle: ['WebSocket without a byte', '1h'],
  },
  'inbound',
)

export const inbound = map(
  {
    listen,
    upstream: upstream.optional(),
    identity_header: identityHeader.prefault('X-Authenticated-User'),
    forward_identity: forwardIdentity.prefault([]),
    forward_credentials: forwardCredentials.prefault(false),
    allow_header_names: allowHeaderNames.prefault([]),
    trusted_proxies: list(
      checkedText('wanted a network such as 10.0.0.0/8, or unix', (value) =>
        value === 'unix' ? value : parseCidr(value),
      ),
      'a list of networks',
    )
      .prefault([])
      .meta({ description: 'Networks, or `unix`, whose X-Forwarded-* and the like are believed' }),
    case_insensitive_paths: flag(
      'Match paths without regard to case, for Windows upstreams',
    ).prefault(false),
    upstream_host: upstreamHost.prefault('keep'),
    upstream_tls: clientTls.optional(),
    upstream_keep_alive: duration('Idle connection to the upstream', {
      maxMs: 3_600_000,
    }).prefault('4s'),
    timeouts: timeouts.own.prefault({}),
    limits: map(
      {
        ...connectionLimits,
        buffered_bytes: size('Copies of bodies, all together', MIB, 64 * 1024 * MIB).prefault(
          '64MiB',
        ),
      },
      'Limits',
    ).prefault({}),
    password_checks: map(
      {
        concurrency: integer('Slow checks at once', 1, 64).prefault(2),
        queue: integer('Slow checks that may wait', 0, 100_000).prefault(128),
        cache: integer('Successes that are remembered', 0, 1_000_000).prefault(10_000),
        cache_ttl: duration('How long they are remembered').prefault('5m'),
      },
      'Checks of hashed passwords',
    ).prefault({}),
  },
  'The side that callers reach',
)

export const channel = map(
  {
    name: name('Name, unique among channels'),
    path: pathRule.prefault('/*').meta({
      description: 'Literal segments, `{name}` for one segment, a last `*` for everything below',
      examples: ['/api/orders/*'],
    }),
    host: checkedText(`${HOST_WANTED}, or *.x`, parseHostPattern)
      .optional()
      .meta({ description: 'Host, exact or `*.x`' }),
    methods: methods('Methods; every method unless told'),
    upstream: upstream.optional(),
    security: z
      .union(
        [
          name('A definition'),
          z.array(name('A definition')).min(1, 'wanted at least one definition, or none'),
        ],
        {
          error: 'wanted a definition, a list of them, or none',
        },
      )
      .optional()
      .meta({ description: 'A definition, a list of them (any of these), or `none`' }),
    groups: list(name('A group'), 'a list of groups')
      .prefault([])
      .meta({ description: 'Groups whose members may call' }),
    realm: text().optional().meta({ description: 'Realm of the challenges; the name unless told' }),
    ...oddities,
    access_log: flag('Write a line for each request').prefault(true),
    is_active: flag('`false`: keeps its place and answers 404').prefault(true),
    identity_header: identityHeader.optional(),
    forward_identity: forwardIdentity.optional(),
    forward_credentials: forwardCredentials.optional(),
    allow_header_names: allowHeaderNames.optional(),
    upstream_host: upstreamHost.optional(),
    upstream_tls: clientTls.optional(),
    timeouts: timeouts.inherited.prefault({}),
  },
  'Which requests, who may call, which upstream',
)

export const group = map(
  {
    name: name('Name, unique among definitions and groups'),
    members: list(name('A definition'), 'a list of definitions')
      .prefault([])
      .meta({ description: 'Definitions in the group' }),
    keys_file: text()
      .optional()
      .meta({ description: 'File of `NAME sha256:HEX` lines, each an `api_key` definition' }),
    htpasswd_file: text()
      .optional()
      .meta({ description: 'File of `USER:bcrypt` lines, each a `basic_auth` definition' }),
  },
  'A named set of definitions',
)
