import t from 'tap'
import { createLog, resolveFormat, type Level, type ProcessLog } from '../../src/observe/log.ts'
import { createRedactor } from '../../src/observe/redact.ts'
import { Secret } from '../../src/secret.ts'
import { MemoryDestination } from '../harness/memory-destination.ts'

const CANARY = 'canary-5e1f"ö\\x'
const nowMs = (): number => Date.UTC(2026, 10, 23, 20, 16, 0, 7)

async function setUp(
  level: Level = 'trace',
  format: 'json' | 'text' = 'json',
): Promise<{ log: ProcessLog; stream: MemoryDestination }> {
  const stream = new MemoryDestination()
  const redactor = createRedactor()
  await redactor.setSecrets([CANARY, `crm:${CANARY}`])
  return { log: createLog({ level, format, stream, redactor, nowMs }), stream }
}

t.test(
  'a line has its time, its level as a word, its event and its fields, and no more',
  async (t) => {
    const { log, stream } = await setUp()
    log.info('config_loaded', { generation: 3, files: ['a'], nothing: undefined, none: null })
    log.flushSync()
    t.equal(
      stream.text,
      '{"level":"info","time":"2026-11-23T20:16:00.007Z","event":"config_loaded","generation":3,"files":["a"],"none":null}\n',
    )
  },
)

t.test('a level lets through itself and what is graver, and can be changed', async (t) => {
  const { log, stream } = await setUp('warn')
  const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const
  for (const level of levels) log[level](level)
  log.setLevel('debug')
  for (const level of levels) log[level](`${level}_2`)
  t.equal(log.isEnabled('debug'), true)
  t.equal(log.isEnabled('trace'), false)
  log.flushSync()
  t.same(
    stream.records.map(({ level, event }) => [level, event]),
    [
      ['warn', 'warn'],
      ['error', 'error'],
      ['debug', 'debug_2'],
      ['info', 'info_2'],
      ['warn', 'warn_2'],
      ['error', 'error_2'],
    ],
  )
})

t.test('a field cannot pass for the time, the level or the event', async (t) => {
  const { log, stream } = await setUp()
  log.info('real', { event: 'forged', time: 'forged', level: 'error' })
  log.flushSync()
  t.equal(stream.text.match(/"event":/g)?.length, 1)
  t.match(stream.records[0], {
    level: 'info',
    event: 'real',
    event_: 'forged',
    time_: 'forged',
    level_: 'error',
  })
})

class Hostile {
  get boom(): never {
    throw new Error(CANARY)
  }
}

function trapFields(): Record<string, unknown> {
  const cyclic: Record<string, unknown> = { value: CANARY }
  cyclic['self'] = cyclic
  const cause = new Error(`inner ${CANARY}`, { cause: CANARY })
  const error = Object.assign(new Error(`outer ${CANARY}`, { cause }), {
    code: CANARY,
    input: CANARY,
    headers: [CANARY],
  })
  return {
    text: `a ${CANARY} b`,
    [`key ${CANARY}`]: 1,
    list: [[CANARY, { deep: { deeper: [CANARY] } }]],
    password: 'another',
    nested: { Authorization: 'Basic another', 'set-cookie': ['another'], api_key: 'another' },
    clientSecret: { any: 'another' },
    accessToken: 12345678901,
    map: new Map([[CANARY, CANARY]]),
    set: new Set([CANARY]),
    buffer: Buffer.from(CANARY),
    bytes: new Uint8Array(Buffer.from(CANARY)).buffer,
    secret_object: new Secret(CANARY),
    plain: new Secret(CANARY),
    url: new URL(`https://user:${encodeURIComponent(CANARY)}@host/`),
    urlText: 'https://user:unknown-password@host/path',
    header: `Basic ${Buffer.from(`crm:${CANARY}`).toString('base64')}`,
    json: { toJSON: () => ({ inner: CANARY }) },
    error,
    aggregate: new AggregateError([error, new Error(CANARY)], CANARY),
    cyclic,
    hostile: new Hostile(),
    throwing: {
      toJSON() {
        throw new Error(CANARY)
      },
    },
    fn: () => CANARY,
    symbol: Symbol(CANARY),
    big: 10n,
    nan: NaN,
    long: `${'x'.repeat(8188)}${CANARY}`,
    invalid: new Date(NaN),
    __proto__: { inherited: CANARY },
    deep: { a: { b: { c: { d: { e: { f: CANARY } } } } } },
    bool: { has_password: true, password: null },
  }
}

t.test('a canary never appears, whatever the field, the level or the format', async (t) => {
  for (const format of ['json', 'text'] as const) {
    const { log, stream } = await setUp('trace', format)
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) {
      log[level](`event ${CANARY}`, trapFields())
    }
    log.flushSync()
    t.equal(stream.text.split('\n').length, 6)
    t.notMatch(stream.text, /canary/i, format)
    t.notMatch(stream.text, /another|unknown-password|12345678901/, format)
    t.notMatch(stream.text, Buffer.from(CANARY).toString('base64').slice(0, 12))
  }
})

t.test('what is not secret stays readable', async (t) => {
  const { log, stream } = await setUp()
  log.error('failed', trapFields())
  log.flushSync()
  const record = stream.records[0] as Record<string, Record<string, unknown>>
  t.match(record, {
    text: 'a [redacted] b',
    password: '[redacted]',
    nested: { Authorization: '[redacted]', 'set-cookie': '[redacted]' },
    buffer: /^\[\d+ bytes\]$/,
    url: 'https://[redacted]@host/',
    error: { name: 'Error', message: 'outer [redacted]', cause: { message: 'inner [redacted]' } },
    cyclic: { self: '[circular]' },
    hostile: {},
    throwing: '[unreadable]',
    big: '10',
    nan: 'NaN',
    bool: { has_password: true, password: null },
  })
  t.match(record['error']?.['stack'], /log\.test/)
  t.ok(JSON.stringify(record['long']).length < 8300)
})

t.test('bytes of strangers cannot start a line or command a terminal', async (t) => {
  const hostile = '\r\n{"event":"forged"}\x1b[2J\x9b31m\u202e\u2028\x7f\0'
  for (const format of ['json', 'text'] as const) {
    const { log, stream } = await setUp('info', format)
    log.info('seen', { hostile, [hostile]: 1 })
    log.flushSync()
    t.equal(stream.text.split('\n').length, 2, format)
    t.notMatch(stream.text.slice(0, -1), /[\p{Cc}\u2028\u202e]/u, format)
    if (format === 'json') t.equal(stream.records[0]?.['hostile'], hostile)
  }
})

t.test('a line of text is one for people', async (t) => {
  const { log, stream } = await setUp('info', 'text')
  log.warn('config_refused', { file: 'a.yaml', problem: 'no "x"', errors: 2, list: ['a'] })
  log.flushSync()
  t.equal(
    stream.text,
    '20:16:00.007 WARN  config_refused file=a.yaml problem="no \\"x\\"" errors=2 list=["a"]\n',
  )
})

t.test('a line is out soon without being asked for, and lines go out together', async (t) => {
  const { log, stream } = await setUp()
  for (let i = 0; i < 10; i++) log.info('line', { i })
  t.equal(stream.writes.length, 0)
  while (stream.writes.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(stream.writes.length, 1)
  t.same(
    stream.records.map(({ i }) => i),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
})

t.test('a full batch does not wait', async (t) => {
  const { log, stream } = await setUp()
  for (let i = 0; i < 100; i++) log.info('line', { text: 'x'.repeat(1000) })
  t.ok(stream.writes.length >= 5)
})

t.test('lines that were lost are told of, once lines can be written again', async (t) => {
  const { log, stream } = await setUp()
  stream.isFull = true
  log.info('lost')
  log.info('lost')
  await log.flush()
  log.info('lost')
  await log.flush()
  stream.isFull = false
  log.info('after')
  await log.flush()
  log.info('later')
  await log.flush()
  t.same(
    stream.records.map(({ level, event, count }) => [level, event, count]),
    [
      ['warn', 'log_lines_lost', 3],
      ['info', 'after', undefined],
      ['info', 'later', undefined],
    ],
  )
})

t.test('auto is text on a terminal and JSON elsewhere', (t) => {
  t.equal(resolveFormat('auto', true), 'text')
  t.equal(resolveFormat('auto', false), 'json')
  t.equal(resolveFormat('json', true), 'json')
  t.equal(resolveFormat('text', false), 'text')
  t.end()
})
