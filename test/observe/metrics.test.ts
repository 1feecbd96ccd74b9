import fc from 'fast-check'
import t from 'tap'
import { Metrics } from '../../src/observe/metrics.ts'
import { create, parse, valueOf } from './read-metrics.ts'

t.test('requests are counted by channel, definition and status', async (t) => {
  const metrics = create()
  const channel = metrics.channel('orders')
  for (const status of [200, 200, 401, 502, 200, 999]) channel.request('crm', status, 1)
  channel.request('', 401, 1)
  const name = 'sidegate_inbound_requests_total'
  const labels = { channel: 'orders', definition: 'crm' }
  t.equal(await valueOf(metrics, name, { ...labels, status: '200' }), 3)
  t.equal(await valueOf(metrics, name, { ...labels, status: '502' }), 1)
  t.equal(await valueOf(metrics, name, { ...labels, status: '999' }), 1)
  t.equal(await valueOf(metrics, name, { ...labels, definition: '', status: '401' }), 1)
  t.equal(await valueOf(metrics, name, { ...labels, status: '404' }), undefined)
})

t.test('durations fall into the right buckets, and these add up', async (t) => {
  const metrics = create()
  const channel = metrics.channel('orders')
  const durations = [0, 0.4, 1, 1.001, 2.5, 9, 10, 60_000, 60_000.1, 1e6]
  for (const ms of durations) channel.request('crm', 200, ms)
  const name = 'sidegate_inbound_request_duration_seconds'
  const cases: [string, number][] = [
    ['0.001', 3],
    ['0.0025', 5],
    ['0.005', 5],
    ['0.01', 7],
    ['0.025', 7],
    ['30', 7],
    ['60', 8],
    ['+Inf', 10],
  ]
  for (const [le, count] of cases) {
    t.equal(await valueOf(metrics, `${name}_bucket`, { channel: 'orders', le }), count, le)
  }
  t.equal(await valueOf(metrics, `${name}_count`, { channel: 'orders' }), 10)
  const sum = durations.reduce((a, b) => a + b, 0) / 1000
  t.equal(
    Math.round(((await valueOf(metrics, `${name}_sum`, { channel: 'orders' })) ?? 0) - sum),
    0,
  )
})

t.test('refusals, spoof attempts and checks are counted', async (t) => {
  const metrics = create()
  const channel = metrics.channel('')
  channel.authFailure('wrong')
  channel.authFailure('wrong')
  channel.authFailure('missing')
  channel.spoofAttempt()
  metrics.passwordCheck('match')
  const failures = 'sidegate_auth_failures_total'
  t.equal(await valueOf(metrics, failures, { channel: '', reason: 'wrong' }), 2)
  t.equal(await valueOf(metrics, failures, { channel: '', reason: 'missing' }), 1)
  t.equal(await valueOf(metrics, 'sidegate_identity_spoof_attempts_total', { channel: '' }), 1)
  t.equal(await valueOf(metrics, 'sidegate_password_checks_total', { result: 'match' }), 1)
})

t.test('connections are counted while they are open', async (t) => {
  const metrics = create()
  metrics.connectionOpened('inbound')
  metrics.connectionOpened('inbound')
  metrics.connectionClosed('inbound')
  metrics.connectionOpened('upstream')
  for (let i = 0; i < 3; i++) metrics.connectionOpened('egress')
  metrics.connectionClosed('egress')
  for (const [side, count] of [
    ['inbound', 1],
    ['upstream', 1],
    ['egress', 2],
  ] as const) {
    t.equal(await valueOf(metrics, 'sidegate_open_connections', { side }), count, side)
  }
})

t.test('a failed reload is seen until the next good one, and leaves its time alone', async (t) => {
  const metrics = create()
  const look = async (): Promise<(number | undefined)[]> => [
    await valueOf(metrics, 'sidegate_config_last_reload_successful'),
    await valueOf(metrics, 'sidegate_config_last_reload_success_timestamp_seconds'),
    await valueOf(metrics, 'sidegate_config_reloads_total', { result: 'success' }),
    await valueOf(metrics, 'sidegate_config_reloads_total', { result: 'failure' }),
    await valueOf(metrics, 'sidegate_config_generation'),
  ]
  t.same(await look(), [0, 0, 0, 0, 0])
  metrics.reload('success', 1_700_000_000_500)
  metrics.generation(1)
  t.same(await look(), [1, 1_700_000_000.5, 1, 0, 1])
  metrics.reload('failure', 1_800_000_000_000)
  t.same(await look(), [0, 1_700_000_000.5, 1, 1, 1])
})

t.test('the last use of a secret is its latest, by label', async (t) => {
  const metrics = create()
  metrics.lastUsed('partner', '2026', 5000)
  metrics.lastUsed('partner', '2027', 7000)
  metrics.lastUsed('partner', '2026', 6000)
  metrics.lastUsed('partner', '2026', 4000)
  t.equal(metrics.lastUsedAt('partner', '2026'), 6000)
  t.equal(metrics.lastUsedAt('partner', '2027'), 7000)
  t.equal(metrics.lastUsedAt('partner', ''), undefined)
  t.equal(metrics.lastUsedAt('other', ''), undefined)
  const name = 'sidegate_definition_last_used_timestamp_seconds'
  t.equal(await valueOf(metrics, name, { definition: 'partner', label: '2026' }), 6)
  t.equal(await valueOf(metrics, name, { definition: 'partner', label: '2027' }), 7)
})

t.test('a channel keeps its counters from one generation to the next', (t) => {
  const metrics = create()
  t.equal(metrics.channel('a'), metrics.channel('a'))
  t.not(metrics.channel('a'), metrics.channel('b'))
  t.end()
})

t.test('what left the configuration leaves the metrics', async (t) => {
  const metrics = create()
  for (const name of ['', 'stays', 'goes']) {
    for (const definition of ['', 'crm', 'old']) metrics.channel(name).request(definition, 200, 1)
  }
  metrics.lastUsed('crm', '', 1)
  metrics.lastUsed('old', '', 1)
  metrics.forgetAllBut({ channels: new Set(['stays']), definitions: new Map([['crm', 1]]) })
  const text = await metrics.render()
  parse(text)
  t.notMatch(text, '"goes"')
  t.notMatch(text, '"old"')
  t.match(text, 'channel="",definition="",status="200"} 1')
  t.match(text, 'channel="stays",definition="crm",status="200"} 1')
  t.match(text, 'last_used_timestamp_seconds{definition="crm",label=""} 0.001')
  t.equal(metrics.lastUsedAt('old', ''), undefined)
})

t.test('whatever a name holds, the text parses and says it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', ',', '}', 'ä') }),
      async (name) => {
        const metrics = create()
        metrics.channel(name).request(name, 200, 1)
        metrics.channel(name).authFailure('wrong')
        metrics.lastUsed(name, name, 1000)
        const samples = parse(await metrics.render())
        return (
          samples.some(
            ({ labels }) => labels['channel'] === name && labels['definition'] === name,
          ) && samples.some(({ labels }) => labels['label'] === name)
        )
      },
    ),
    { numRuns: 50 },
  )
})

t.test('the metrics of Node are there, but for those that are misnamed', async (t) => {
  const metrics = new Metrics({ version: '1.2.3' })
  const samples = parse(await metrics.render())
  const names = new Set(samples.map(({ name }) => name))
  t.ok(names.has('process_cpu_seconds_total'))
  t.ok(names.has('nodejs_eventloop_lag_seconds'))
  for (const name of names) if (name.startsWith('nodejs_')) t.notMatch(name, /_total$/)
  t.equal(samples.find(({ name }) => name === 'sidegate_build_info')?.labels['version'], '1.2.3')
})

t.test('every metric of the contract is announced', async (t) => {
  const text = await create().render()
  for (const name of [
    'sidegate_inbound_requests_total',
    'sidegate_inbound_request_duration_seconds',
    'sidegate_auth_failures_total',
    'sidegate_identity_spoof_attempts_total',
    'sidegate_password_checks_total',
    'sidegate_definition_last_used_timestamp_seconds',
    'sidegate_egress_requests_total',
    'sidegate_egress_request_duration_seconds',
    'sidegate_token_requests_total',
    'sidegate_token_expiry_timestamp_seconds',
    'sidegate_ntlm_handshakes_total',
    'sidegate_credential_held',
    'sidegate_config_generation',
    'sidegate_config_reloads_total',
    'sidegate_config_last_reload_successful',
    'sidegate_config_last_reload_success_timestamp_seconds',
    'sidegate_open_connections',
    'sidegate_build_info',
  ]) {
    t.match(text, new RegExp(`^# TYPE ${name} `, 'm'))
  }
})

t.test('others can add metrics of theirs', async (t) => {
  const metrics = create()
  metrics.register({
    name: 'sidegate_of_others',
    type: 'gauge',
    help: 'x',
    samples: () => ['sidegate_of_others{definition="a"} 1\n'],
  })
  t.equal(await valueOf(metrics, 'sidegate_of_others', { definition: 'a' }), 1)
})

t.test('those who scrape at the same time share the work', async (t) => {
  const metrics = create()
  t.equal(metrics.renderChunks(), metrics.renderChunks())
  const first = await metrics.renderChunks()
  t.not(await metrics.renderChunks(), first)
})

t.test('others have their turn while a hundred thousand callers are rendered', async (t) => {
  const metrics = create()
  const channel = metrics.channel('orders')
  for (let i = 0; i < 100_000; i++) {
    channel.request(`caller-${i}`, 200, 1)
    metrics.lastUsed(`caller-${i}`, '', 1)
  }
  let turns = 0
  let isDone = false
  const count = (): void => {
    turns++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  const chunks = await metrics.renderChunks()
  isDone = true
  t.ok(turns > 200)
  t.ok(Math.max(...chunks.map((chunk) => chunk.length)) < 100_000)
  // Those that come and go meanwhile must not appear twice.
  const pending = metrics.render()
  await new Promise(setImmediate)
  metrics.forgetAllBut({ channels: new Set(['orders']), definitions: new Set() })
  for (let i = 0; i < 1000; i++) channel.request(`caller-${i}`, 200, 1)
  parse(await pending)
})
