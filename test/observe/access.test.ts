import fc from 'fast-check'
import t from 'tap'
import {
  createAccessLog,
  type AccessLog,
  type AccessMode,
  type AccessRecord,
} from '../../src/observe/access.ts'
import { createLog, type Level, type ProcessLog } from '../../src/observe/log.ts'
import { createRedactor } from '../../src/observe/redact.ts'
import { MemoryDestination } from '../harness/memory-destination.ts'

const CANARY = 'canary-77aa01'
const nowMs = (): number => Date.UTC(2026, 10, 23, 20, 16, 0, 123)

interface Setup {
  readonly access: AccessLog
  readonly log: ProcessLog
  readonly stream: MemoryDestination
}

async function setUp(
  mode: AccessMode = true,
  format: 'json' | 'text' = 'json',
  level: Level = 'info',
): Promise<Setup> {
  const stream = new MemoryDestination()
  const redactor = createRedactor()
  await redactor.setSecrets([CANARY])
  const log = createLog({ level, format, stream, redactor, nowMs })
  return { access: createAccessLog({ log, redactor, mode, nowMs }), log, stream }
}

const minimal: AccessRecord = {
  side: 'inbound',
  requestId: 'r-1',
  generation: 1,
  method: 'GET',
  bytesIn: 0,
  bytesOut: 0,
  durationMs: 0,
}

const full: AccessRecord = {
  ...minimal,
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  channel: 'orders',
  definition: 'crm',
  label: '2026',
  user: 'crm-user',
  host: 'api.example.com:8000',
  path: '/api/orders/1',
  status: 200,
  bytesIn: 12,
  bytesOut: 3456,
  durationMs: 3.2123456,
  upstreamMs: 2,
  remote: '10.0.0.1',
}

t.test('a line has the fields of the contract, in their order', async (t) => {
  const { access, log, stream } = await setUp()
  access.write(full)
  log.flushSync()
  t.same(Object.entries(stream.records[0] ?? {}), [
    ['level', 'info'],
    ['time', '2026-11-23T20:16:00.123Z'],
    ['event', 'access'],
    ['side', 'inbound'],
    ['request_id', 'r-1'],
    ['trace_id', '4bf92f3577b34da6a3ce929d0e0e4736'],
    ['generation', 1],
    ['channel', 'orders'],
    ['definition', 'crm'],
    ['label', '2026'],
    ['user', 'crm-user'],
    ['method', 'GET'],
    ['host', 'api.example.com:8000'],
    ['path', '/api/orders/1'],
    ['status', 200],
    ['bytes_in', 12],
    ['bytes_out', 3456],
    ['duration_ms', 3.212],
    ['upstream_ms', 2],
    ['remote', '10.0.0.1'],
  ])
})

t.test('what is not known is left out', async (t) => {
  const { access, log, stream } = await setUp()
  access.write({
    ...minimal,
    side: 'egress',
    outgoing: 'sf',
    mode: 'name',
    code: 'loop',
    status: 508,
  })
  log.flushSync()
  t.same(Object.keys(stream.records[0] ?? {}), [
    'level',
    'time',
    'event',
    'side',
    'request_id',
    'generation',
    'outgoing',
    'mode',
    'method',
    'status',
    'code',
    'bytes_in',
    'bytes_out',
    'duration_ms',
  ])
})

t.test('whatever bytes a client sends, a line is one line of JSON that says them', async () => {
  const { access, log, stream } = await setUp()
  const bytes = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((n) => String.fromCharCode(n)),
  })
  const hostile = [
    '"',
    '\\',
    '\n{"event":"access"}',
    '\r',
    '\0',
    '\x1b[2J',
    '\x9b',
    '\x7f',
    '\u2028',
    '\ud800',
  ]
  const text = fc.oneof(bytes, fc.constantFrom(...hostile))
  fc.assert(
    fc.property(text, text, text, text, (path, host, user, method) => {
      stream.writes.length = 0
      access.write({ ...full, path, host, user, method, remote: user, requestId: host })
      log.flushSync()
      const [record] = stream.records
      return (
        stream.text.indexOf('\n') === stream.text.length - 1 &&
        !/[\p{Cc}\u2028]/u.test(stream.text.slice(0, -1)) &&
        record?.['method'] === method &&
        record['status'] === 200 &&
        Object.keys(record).length === 20
      )
    }),
    { numRuns: 500 },
  )
})

t.test('a path has no query and no fragment', async (t) => {
  const { access, log, stream } = await setUp()
  for (const path of ['/a?token=x', '/a#b', '/a?x#y', '/a#x?y']) access.write({ ...full, path })
  log.flushSync()
  t.same(
    stream.records.map(({ path }) => path),
    ['/a', '/a', '/a', '/a'],
  )
})

t.test('a canary never appears, wherever a client puts it', async (t) => {
  for (const format of ['json', 'text'] as const) {
    const { access, log, stream } = await setUp(true, format)
    const encoded = Buffer.from(CANARY).toString('base64')
    for (const text of [
      CANARY,
      `/x/${CANARY}/y`,
      `u:${CANARY}@h`,
      `/${encoded}`,
      CANARY.toUpperCase(),
    ]) {
      access.write({
        ...full,
        requestId: text,
        traceId: text,
        user: text,
        method: text,
        host: text,
        path: `${'/long'.repeat(408)}${text}?${text}`,
        remote: text,
      })
    }
    log.flushSync()
    t.notMatch(stream.text, /canary/i)
    t.notMatch(stream.text, encoded.slice(0, 10))
    t.match(stream.text, /\[redacted\]/)
  }
})

t.test('userinfo in a host or a target is not logged', async (t) => {
  const { access, log, stream } = await setUp()
  access.write({ ...full, host: 'user:pw-of-theirs@host', path: 'http://user:pw-of-theirs@host/' })
  log.flushSync()
  t.notMatch(stream.text, 'pw-of-theirs')
  t.match(stream.records[0], { host: '[redacted]@host', path: 'http://[redacted]@host/' })
})

t.test('what a client can make long is cut', async (t) => {
  const { access, log, stream } = await setUp()
  access.write({ ...full, path: `/${'x'.repeat(16_000)}` })
  log.flushSync()
  t.ok(stream.text.length < 2600)
  t.match(stream.records[0]?.['path'], /x…$/)
})

t.test(
  'access: true, false and refused, and access_log of a channel, decide who gets a line',
  async (t) => {
    const { access, log, stream } = await setUp(false)
    const look = (): string => {
      stream.writes.length = 0
      access.write({ ...full, requestId: 'let-in' }, true)
      access.write({ ...full, requestId: 'refused', code: 'unauthorized', status: 401 }, true)
      access.write({ ...full, requestId: 'silent', code: 'unauthorized' }, false)
      log.flushSync()
      return stream.records.map((record) => String(record['request_id'])).join(' ')
    }
    t.equal(look(), '')
    access.setMode('refused')
    t.equal(look(), 'refused')
    access.setMode(true)
    t.equal(look(), 'let-in refused')
    log.setLevel('warn')
    t.equal(look(), '')
    t.equal(access.isWanted('unauthorized', true), false)
    log.setLevel('debug')
    t.equal(access.isWanted(undefined, true), true)
    t.equal(access.isWanted(undefined, false), false)
  },
)

t.test('access lines and others keep their order', async (t) => {
  const { access, log, stream } = await setUp()
  log.info('first')
  access.write(full)
  log.info('third')
  await log.flush()
  t.same(
    stream.records.map(({ event }) => event),
    ['first', 'access', 'third'],
  )
})

t.test('on a terminal an access line is one for people', async (t) => {
  const { access, log, stream } = await setUp(true, 'text')
  access.write(full)
  log.flushSync()
  t.equal(
    stream.text,
    '20:16:00.123 INFO  access inbound GET api.example.com:8000/api/orders/1 200 3.212ms request_id=r-1 ' +
      'trace_id=4bf92f3577b34da6a3ce929d0e0e4736 generation=1 channel=orders definition=crm label=2026 user=crm-user ' +
      'bytes_in=12 bytes_out=3456 upstream_ms=2 remote=10.0.0.1\n',
  )
})
