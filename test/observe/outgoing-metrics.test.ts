import fc from 'fast-check'
import t from 'tap'
import { create, parse, valueOf } from './read-metrics.ts'

const requests = 'sidegate_egress_requests_total'
const duration = 'sidegate_egress_request_duration_seconds'

t.test('requests are counted by outgoing connection, mode and status', async (t) => {
  const metrics = create()
  const sf = metrics.outgoing('sf')
  for (const status of [200, 200, 401, 200, 999]) sf.request('name', status, 1)
  sf.request('absolute', 200, 1)
  metrics.outgoing('').request('tunnel', 403, 1)
  const cases: [string, string, string, number | undefined][] = [
    ['sf', 'name', '200', 3],
    ['sf', 'name', '401', 1],
    ['sf', 'name', '999', 1],
    ['sf', 'absolute', '200', 1],
    ['sf', 'absolute', '401', undefined],
    ['', 'tunnel', '403', 1],
    ['sf', 'tunnel', '403', undefined],
  ]
  for (const [outgoing, mode, status, count] of cases) {
    const claim = `${outgoing} ${mode} ${status}`
    t.equal(await valueOf(metrics, requests, { outgoing, mode, status }), count, claim)
  }
})

t.test('durations of all modes fall into the buckets of their connection', async (t) => {
  const metrics = create()
  const sf = metrics.outgoing('sf')
  const durations = [0, 1, 1.001, 2.5, 60_000, 60_000.5]
  for (const ms of durations) sf.request('name', 200, ms)
  sf.request('absolute', 200, 3)
  metrics.outgoing('other').request('name', 200, 1)
  const cases: [string, number][] = [
    ['0.001', 2],
    ['0.0025', 4],
    ['0.005', 5],
    ['30', 5],
    ['60', 6],
    ['+Inf', 7],
  ]
  for (const [le, count] of cases) {
    t.equal(await valueOf(metrics, `${duration}_bucket`, { outgoing: 'sf', le }), count, le)
  }
  t.equal(await valueOf(metrics, `${duration}_count`, { outgoing: 'sf' }), 7)
  t.equal(await valueOf(metrics, `${duration}_count`, { outgoing: 'other' }), 1)
  const sum = await valueOf(metrics, `${duration}_sum`, { outgoing: 'sf' })
  t.equal(sum?.toFixed(6), '120.008001')
})

t.test('both directions have the same buckets', async (t) => {
  const metrics = create()
  metrics.channel('a')
  metrics.outgoing('a')
  const bounds = (samples: ReturnType<typeof parse>, name: string): (string | undefined)[] =>
    samples.filter((sample) => sample.name === name).map(({ labels }) => labels['le'])
  const samples = parse(await metrics.render())
  const egress = bounds(samples, `${duration}_bucket`)
  t.equal(egress.length, 16)
  t.same(egress, bounds(samples, 'sidegate_inbound_request_duration_seconds_bucket'))
})

t.test('an outgoing connection keeps its counters from one generation to the next', (t) => {
  const metrics = create()
  const before = metrics.outgoing('a')
  metrics.forgetAllBut({
    channels: new Set(),
    definitions: new Set(),
    outgoing: new Set(['a']),
  })
  t.equal(metrics.outgoing('a'), before)
  t.not(metrics.outgoing('b'), before)
  t.end()
})

t.test('a connection that left the configuration leaves the metrics', async (t) => {
  const metrics = create()
  for (const name of ['', 'stays', 'goes']) metrics.outgoing(name).request('name', 200, 1)
  // A channel and a definition of that name say nothing of the connection.
  metrics.forgetAllBut({
    channels: new Set(['goes']),
    definitions: new Set(['goes']),
    outgoing: new Set(['stays']),
  })
  const text = await metrics.render()
  parse(text)
  t.notMatch(text, '"goes"')
  t.match(text, 'outgoing="",mode="name",status="200"} 1')
  t.match(text, 'outgoing="stays",mode="name",status="200"} 1')
  t.equal(await valueOf(metrics, `${duration}_count`, { outgoing: '' }), 1)
})

t.test('who names no outgoing connections drops none', async (t) => {
  const metrics = create()
  metrics.outgoing('sf').request('name', 200, 1)
  metrics.forgetAllBut({ channels: new Set(), definitions: new Set() })
  t.equal(await valueOf(metrics, `${duration}_count`, { outgoing: 'sf' }), 1)
})

t.test('whatever a name holds, the text parses and says it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', ',', '}', 'ä') }),
      async (name) => {
        const metrics = create()
        metrics.outgoing(name).request(name, 200, 1)
        const samples = parse(await metrics.render())
        return samples.some(({ labels }) => labels['outgoing'] === name && labels['mode'] === name)
      },
    ),
    { numRuns: 50 },
  )
})

t.test('connections that come and go while they are rendered appear once', async (t) => {
  const metrics = create()
  for (let i = 0; i < 2000; i++) metrics.outgoing(`api-${i}`).request('name', 200, 1)
  const pending = metrics.render()
  await new Promise(setImmediate)
  metrics.forgetAllBut({ channels: new Set(), definitions: new Set(), outgoing: new Set() })
  for (let i = 0; i < 2000; i++) metrics.outgoing(`api-${i}`).request('name', 200, 1)
  const seen = parse(await pending).filter(({ name }) => name === requests)
  t.equal(seen.length, 2000)
})
