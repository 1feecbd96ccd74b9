import t from 'tap'
import { answerPieces } from '../../src/admin/answers.ts'
import { createStatus, renderStatus, type StatusInput } from '../../src/admin/status.ts'
import type { ApiKeyDefinition, Config, Definition } from '../../src/config/model.ts'
import { Secret } from '../../src/secret.ts'
import { MemoryExchange } from '../harness/memory-exchange.ts'

const CANARY = 'canary-8f1d2c'

const base = { isActive: true, identity: 'x', fingerprint: 'fp' }

function keyDefinition(name: string): ApiKeyDefinition {
  const life = { notBeforeMs: undefined, notAfterMs: undefined }
  const entry = { label: '', source: 'hash', key: undefined, digest: Buffer.alloc(32), ...life }
  return { ...base, name, type: 'api_key', header: 'X-API-Key', keys: [entry] }
}

const definitions: Definition[] = [
  {
    ...base,
    name: 'partner',
    type: 'basic_auth',
    username: 'partner',
    realm: undefined,
    passwords: [
      {
        label: '2026',
        source: 'env:PARTNER',
        password: new Secret(CANARY, 'env:PARTNER'),
        hash: undefined,
        notBeforeMs: Date.UTC(2026, 0, 1),
        notAfterMs: Date.UTC(2027, 0, 31),
      },
    ],
  },
  keyDefinition('mobile'),
  {
    ...base,
    name: 'sharepoint',
    type: 'ntlm',
    isActive: false,
    username: 'u',
    password: new Secret(CANARY, 'file:/run/secrets/ad'),
    domain: 'CORP',
    workstation: '',
  },
  {
    ...base,
    name: 'odd',
    type: 'custom',
    settings: {
      moduleDigest: '',
      module: '/m.mjs',
      options: {},
      secrets: [['key', new Secret(CANARY)]],
      timeoutMs: 1000,
      memoryBytes: 64 * 1024 * 1024,
      body: false,
      bodyLimitBytes: 1024,
      headers: [],
    },
  },
]

function configOf(list: readonly Definition[]): Config {
  return {
    inbound: undefined,
    egress: undefined,
    admin: undefined,
    log: { level: 'info', format: 'auto', access: true },
    shutdown: { drainDelayMs: 0, drainTimeoutMs: 0 },
    definitions: new Map(list.map((definition) => [definition.name, definition])),
    groups: new Map(),
    channels: [channel],
    outgoing: [outgoing],
    referredSecrets: [],
    files: ['/etc/sidegate/a.yaml'],
    directories: [],
  } as unknown as Config
}

// Only what the document shows; the rest of a channel is many lines.
const channel = {
  name: 'orders',
  path: '/api/orders/*',
  host: undefined,
  methods: ['GET'],
  security: ['partner'],
  groups: [],
  isActive: true,
  upstream: { tls: { key: new Secret(CANARY) } },
}
const outgoing = {
  name: 'sf',
  url: `https://user:${CANARY}@api.example.com/v1`,
  security: 'none',
  isActive: true,
}

function inputOf(changes: Partial<StatusInput> = {}): StatusInput {
  return {
    version: '1.2.3',
    isReady: true,
    generation: 4,
    loadedAtMs: Date.UTC(2026, 10, 23, 12),
    config: configOf(definitions),
    reload: {
      result: 'failure',
      atMs: Date.UTC(2026, 10, 23, 13),
      errors: [{ file: '/a.yaml', line: 1, column: 2, path: 'x', problem: `bad "${CANARY}"` }],
      restartRequired: ['inbound.listen'],
    },
    lastUsedAt: (name, label) =>
      name === 'partner' && label === '2026' ? 1_700_000_000_000 : undefined,
    source: { tokens: () => [], held: () => [] },
    redact: (text) => text.replaceAll(CANARY, '[redacted]'),
    ...changes,
  }
}

function render(input: StatusInput): string {
  return [...renderStatus(createStatus(input))].join('')
}

t.test('the document has exactly the members of the contract', (t) => {
  t.same(JSON.parse(render(inputOf())), {
    version: '1.2.3',
    node: process.version,
    ready: true,
    generation: 4,
    loaded_at: '2026-11-23T12:00:00.000Z',
    files: ['/etc/sidegate/a.yaml'],
    reload: {
      result: 'failure',
      at: '2026-11-23T13:00:00.000Z',
      errors: [{ file: '/a.yaml', line: 1, column: 2, path: 'x', problem: 'bad "[redacted]"' }],
      restart_required: ['inbound.listen'],
    },
    channels: [
      {
        name: 'orders',
        path: '/api/orders/*',
        host: null,
        methods: ['GET'],
        security: ['partner'],
        groups: [],
        is_active: true,
      },
    ],
    outgoing: [
      {
        name: 'sf',
        url: 'https://[redacted]@api.example.com/v1',
        security: 'none',
        is_active: true,
      },
    ],
    definitions: [
      {
        name: 'partner',
        type: 'basic_auth',
        is_active: true,
        secrets: [
          {
            label: '2026',
            source: 'env:PARTNER',
            not_before: '2026-01-01T00:00:00.000Z',
            not_after: '2027-01-31T00:00:00.000Z',
            last_used_at: '2023-11-14T22:13:20.000Z',
          },
        ],
      },
      {
        name: 'mobile',
        type: 'api_key',
        is_active: true,
        secrets: [secret('hash')],
      },
      {
        name: 'sharepoint',
        type: 'ntlm',
        is_active: false,
        secrets: [secret('file:/run/secrets/ad')],
      },
      {
        name: 'odd',
        type: 'custom',
        is_active: true,
        secrets: [
          {
            label: 'key',
            source: 'literal',
            not_before: null,
            not_after: null,
            last_used_at: null,
          },
        ],
      },
    ],
    tokens: [],
    held: [],
  })
  t.end()
})

function secret(source: string): unknown {
  return { label: '', source, not_before: null, not_after: null, last_used_at: null }
}

t.test('no secret is in the document', (t) => {
  t.notMatch(render(inputOf()), CANARY)
  t.end()
})

t.test('before the first generation the document is there and empty', (t) => {
  const text = render(
    inputOf({ config: undefined, reload: undefined, loadedAtMs: undefined, generation: 0 }),
  )
  t.match(JSON.parse(text), {
    generation: 0,
    loaded_at: null,
    files: [],
    reload: { result: null, at: null, errors: [], restart_required: [] },
    channels: [],
    definitions: [],
  })
  t.end()
})

t.test('what egress knows is shown', (t) => {
  const token = {
    definition: 'sf',
    scopes: ['a'],
    age_s: 3,
    fresh_until: 'x',
    expires_at: 'y',
    last_error: null,
  }
  const held = { definition: 'sharepoint', until: null, refusals: 3 }
  const source = { tokens: () => [token], held: () => [held] }
  t.match(JSON.parse(render(inputOf({ source }))), { tokens: [token], held: [held] })
  t.end()
})

t.test('a hundred thousand definitions are all shown, in many small pieces', (t) => {
  const many = Array.from({ length: 100_000 }, (_, i) => keyDefinition(`caller-${i}`))
  const document = createStatus(inputOf({ config: configOf(many) }))
  const pieces = [...renderStatus(document)]
  t.ok(pieces.length > 400)
  t.ok(Math.max(...pieces.map((piece) => piece.length)) < 100_000)
  const parsed = JSON.parse(pieces.join('')) as { definitions: unknown[] }
  t.equal(parsed.definitions.length, 100_000)
  t.end()
})

t.test('others have their turn between two pieces', async (t) => {
  const exchange = new MemoryExchange()
  const pieces = ['a', 'b', 'c', 'd']
  answerPieces(exchange, 'text/plain', pieces, undefined, (error) => t.error(error))
  t.equal(exchange.text, 'a')
  let turns = 0
  while (exchange.outcome === undefined) {
    await new Promise(setImmediate)
    turns++
  }
  t.ok(turns >= 3)
  t.equal(exchange.text, 'abcd')
})

// A socket with room takes a large piece at once, and says so before anybody else has a turn.
t.test('others have their turn also where every piece drains at once', async (t) => {
  const exchange = new MemoryExchange()
  exchange.isSlow = true
  let drains = 0
  const pieces = Array.from({ length: 10 }, () => 'x')
  answerPieces(exchange, 'text/plain', pieces, undefined, (error) => t.error(error))
  const drain = (): void => {
    if (exchange.onDrain === undefined) return
    drains++
    exchange.drain()
    process.nextTick(drain)
  }
  process.nextTick(drain)
  await new Promise(setImmediate)
  t.equal(drains, 1)
})

t.test('a slow reader sets the pace, and one that left ends the work', async (t) => {
  const exchange = new MemoryExchange()
  exchange.isSlow = true
  let made = 0
  function* pieces(): Generator<string> {
    for (;;) {
      made++
      yield 'x'
    }
  }
  answerPieces(exchange, 'text/plain', pieces(), undefined, (error) => t.error(error))
  await new Promise(setImmediate)
  t.equal(made, 1)
  exchange.drain()
  await new Promise(setImmediate)
  t.equal(made, 2)
  exchange.leave()
  exchange.drain()
  await new Promise(setImmediate)
  t.equal(made, 2)
})
