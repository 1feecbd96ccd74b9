import t from 'tap'
import { renderConfigurationReference } from '../../src/config/reference.ts'
import { buildJsonSchema, configuration, renderJsonSchema } from '../../src/config/schema.ts'
import { findSchemaFaults } from './json-schema-validator.ts'

void t.test('the defaults are those of the design', (t) => {
  const parsed = configuration.parse({
    inbound: { listen: '127.0.0.1:1' },
    egress: { listen: '127.0.0.1:2' },
    channels: [{ name: 'a' }],
    outgoing: [{ name: 'a', url: 'https://a.example', security: 'none' }],
    security: [
      { name: 't', type: 'bearer_token', username: 'u', auth_server_url: 'https://a.example' },
      { name: 'h', type: 'hmac', string_to_sign: ['body'], headers: { X: '{signature}' } },
      { name: 'c', type: 'custom', module: 'a.mjs' },
    ],
  })
  t.match(parsed.inbound, {
    identity_header: 'X-Authenticated-User',
    forward_identity: [],
    forward_credentials: false,
    allow_header_names: [],
    trusted_proxies: [],
    case_insensitive_paths: false,
    upstream_host: 'keep',
    upstream_keep_alive: 4_000,
    timeouts: {
      header: 10_000,
      body_idle: 60_000,
      keep_alive: 75_000,
      connect: 5_000,
      first_byte: 60_000,
      websocket_idle: 3_600_000,
    },
    limits: {
      connections: 10_000,
      header_bytes: 16_384,
      response_header_bytes: 65_536,
      buffered_bytes: 67_108_864,
    },
    password_checks: { concurrency: 2, queue: 128, cache: 10_000, cache_ttl: 300_000 },
  })
  t.match(parsed.egress, {
    unmatched: 'deny',
    names: [],
    client_networks: [],
    unmatched_ports: [80, 443],
    limits: { connections: 10_000, header_bytes: 16_384, response_header_bytes: 65_536 },
    timeouts: { header: 10_000, connect: 5_000, first_byte: 60_000, tunnel_idle: 3_600_000 },
  })
  t.match(parsed.channels, [{ path: '/*', groups: [], access_log: true, is_active: true }])
  t.match(parsed.outgoing, [
    { match: 'host', on_existing: 'replace', allow_plaintext: false, is_active: true },
  ])
  t.match(parsed.admin, { listen: '127.0.0.1:9901' })
  t.match(parsed.log, { level: 'info', format: 'auto', access: true })
  t.match(parsed.shutdown, { drain_delay: 5_000, drain_timeout: 20_000 })
  const [token, hmac, custom] = parsed.security
  t.match(token, {
    refresh_wait: 500,
    prefetch: false,
    client_auth: 'post',
    algorithm: 'RS256',
    allow_plaintext: false,
    timeout: 10_000,
    default_ttl: 60_000,
    client_id_field: 'client_id',
    client_secret_field: 'client_secret',
    grant_type: 'client_credentials',
    data_format: 'form',
  })
  t.match(hmac, {
    key_encoding: 'utf8',
    algorithm: 'sha256',
    separator: '\n',
    encoding: 'hex',
    timestamp_format: 'unix',
    tolerance: 300_000,
    body_limit: 1_048_576,
  })
  t.match(custom, { timeout: 1_000, memory: 67_108_864, body: false, body_limit: 1_048_576 })
  t.end()
})

void t.test('editors see what is wrong, and let references stand anywhere', (t) => {
  const schema = buildJsonSchema()
  const inbound = { listen: '127.0.0.1:1' }
  const good = [
    { log: { level: '${env:LEVEL}', access: '${env:ACCESS}' } },
    { inbound: { ...inbound, timeouts: { header: '${env:T}' } } },
    { inbound: { ...inbound, limits: { header_bytes: '${file:/size}' } } },
    { admin: '${env:ADMIN}' },
    { channels: [{ name: '${env:NAME}', path: '${env:PATH}', security: '${env:SECURITY}' }] },
    { security: [{ name: 'a', type: 'api_key', key_hash: '${file:/hash}' }] },
  ]
  for (const value of good) t.strictSame(findSchemaFaults(schema, value), [], JSON.stringify(value))
  const bad = [
    { log: { level: 'loud' } },
    { log: { level: '$LEVEL' } },
    { inbound: { ...inbound, timeouts: { header: '10 s' } } },
    { inbound: { ...inbound, limits: { header_bytes: '16KB' } } },
    { inbound: {} },
    { unknown: {} },
    { channels: [{ name: 'a b' }] },
    { security: [{ name: 'a', type: 'unknown' }] },
    { security: [{ name: 'a', type: 'api_key', username: 'x' }] },
  ]
  for (const value of bad) t.not(findSchemaFaults(schema, value).length, 0, JSON.stringify(value))
  t.end()
})

void t.test('the JSON Schema is draft-07 and describes every setting', (t) => {
  const schema = JSON.parse(renderJsonSchema()) as Record<string, unknown>
  t.equal(schema['$schema'], 'http://json-schema.org/draft-07/schema#')
  t.equal(schema['title'], 'Sidegate configuration')
  t.notMatch(renderJsonSchema(), '"secret"')
  t.end()
})

void t.test('the reference has a row for every setting, with a description', (t) => {
  const text = renderConfigurationReference()
  for (const row of text.split('\n').filter((line) => line.startsWith('| `'))) {
    t.notMatch(row, /\| {2}\|$/, row)
    t.notMatch(row, /undefined|\[object/, row)
  }
  for (const part of [
    '## `inbound`',
    '### `type: ntlm`',
    '`timeouts.websocket_idle` | duration | `1h`',
  ]) {
    t.match(text, part)
  }
  t.equal(text, renderConfigurationReference(), 'pure')
  t.end()
})
