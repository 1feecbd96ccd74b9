import t from 'tap'
import {
  createAdminHandler,
  type AdminOptions,
  type ReloadOptions,
} from '../../src/admin/handler.ts'
import { Health } from '../../src/admin/health.ts'
import { createStatus } from '../../src/admin/status.ts'
import { Metrics } from '../../src/observe/metrics.ts'
import { MemoryExchange, type MemoryRequest } from '../harness/memory-exchange.ts'

interface Setup {
  readonly health: Health
  readonly reloads: ReloadOptions[]
  readonly failures: unknown[]
  readonly ask: (request: MemoryRequest) => Promise<MemoryExchange>
  readonly begin: (request: MemoryRequest) => MemoryExchange
}

function setUp(changes: Partial<AdminOptions> = {}): Setup {
  const health = new Health()
  const reloads: ReloadOptions[] = []
  const failures: unknown[] = []
  const handler = createAdminHandler({
    health,
    metrics: new Metrics({ version: '1.2.3', isNodeIncluded: false }),
    status: () =>
      createStatus({
        version: '1.2.3',
        isReady: health.isReady,
        generation: 0,
        loadedAtMs: undefined,
        config: undefined,
        reload: undefined,
        lastUsedAt: () => undefined,
        source: { tokens: () => [], held: () => [] },
        redact: (text) => text,
      }),
    reload: (options) => {
      reloads.push(options)
      return Promise.resolve({ generation: 7 })
    },
    probesOnly: false,
    ownNames: ['Gate-1.Example.'],
    createRequestId: () => 'id-1',
    redact: (text) => text.replaceAll('s3cret', '[redacted]'),
    onFailure: (error) => failures.push(error),
    ...changes,
  })
  const begin = (request: MemoryRequest): MemoryExchange => {
    const exchange = new MemoryExchange(request)
    handler(exchange)
    return exchange
  }
  const ask = async (request: MemoryRequest): Promise<MemoryExchange> => {
    const exchange = begin(request)
    await exchange.ended
    return exchange
  }
  return { health, reloads, failures, begin, ask }
}

function codeOf(exchange: MemoryExchange): string | undefined {
  return exchange.header('X-Sidegate-Error')
}

t.test('a live process says so in every state', async (t) => {
  const { ask, health } = setUp()
  t.equal((await ask({ target: '/livez' })).status, 200)
  health.drain()
  t.equal((await ask({ target: '/livez' })).status, 200)
})

t.test('readyz is 503 while starting and draining, 200 between', async (t) => {
  const { ask, health } = setUp()
  const states: [number | undefined, string][] = []
  const look = async (): Promise<void> => {
    const { status, text } = await ask({ target: '/readyz' })
    states.push([status, text])
  }
  await look()
  health.becomeReady()
  await look()
  health.drain()
  await look()
  health.becomeReady()
  await look()
  t.same(states, [
    [503, 'starting\n'],
    [200, 'ready\n'],
    [503, 'draining\n'],
    [503, 'draining\n'],
  ])
})

t.test('metrics come with their length and type', async (t) => {
  const { ask } = setUp()
  const scrape = await ask({ target: '/metrics?x=1' })
  t.equal(scrape.status, 200)
  t.match(scrape.text, /^sidegate_build_info\{version="1\.2\.3"\} 1$/m)
  t.equal(scrape.contentLength, Buffer.byteLength(scrape.text))
  t.equal(scrape.header('Cache-Control'), 'no-store')
  t.match(scrape.header('Content-Type'), /^text\/plain; version=0\.0\.4/)
})

t.test('HEAD is answered like GET, without the body', async (t) => {
  const { ask, health } = setUp()
  health.becomeReady()
  for (const target of ['/livez', '/readyz', '/metrics', '/status']) {
    const exchange = await ask({ method: 'HEAD', target })
    t.equal(exchange.status, 200, target)
    t.equal(exchange.text, '', target)
  }
})

t.test('other methods get 405 and are told which would do', async (t) => {
  const { ask, reloads } = setUp()
  const cases: [string, string, string][] = [
    ['POST', '/livez', 'GET, HEAD'],
    ['DELETE', '/metrics', 'GET, HEAD'],
    ['POST', '/status', 'GET, HEAD'],
    ['GET', '/reload', 'POST'],
    ['HEAD', '/reload', 'POST'],
    ['OPTIONS', '/reload', 'POST'],
  ]
  for (const [method, target, allow] of cases) {
    const exchange = await ask({ method, target })
    t.equal(exchange.status, 405, `${method} ${target}`)
    t.equal(exchange.header('Allow'), allow)
    t.equal(codeOf(exchange), 'method_refused')
  }
  t.same(reloads, [])
})

t.test('only the exact paths are served', async (t) => {
  const { ask } = setUp()
  for (const target of [
    '/',
    '/livez/',
    '//livez',
    '/LIVEZ',
    '/%6civez',
    '/status/x',
    '/x?/livez',
    '*',
    '',
  ]) {
    const exchange = await ask({ target })
    t.equal(exchange.status, 404, target)
    t.equal(codeOf(exchange), 'no_channel')
  }
})

t.test('a listener for probes has nothing but probes', async (t) => {
  const { ask, reloads } = setUp({ probesOnly: true })
  for (const target of ['/livez', '/metrics']) t.equal((await ask({ target })).status, 200, target)
  t.equal((await ask({ target: '/readyz' })).status, 503)
  t.equal((await ask({ target: '/status' })).status, 404)
  t.equal((await ask({ method: 'POST', target: '/reload' })).status, 404)
  t.same(reloads, [])
})

t.test('what strict HTTP found wrong is answered and nothing is done', async (t) => {
  const { ask, reloads } = setUp()
  const exchange = await ask({ method: 'POST', target: '/reload', fault: 'bad_request' })
  t.equal(exchange.status, 400)
  t.match(exchange.json, { code: 'bad_request', request_id: 'id-1' })
  t.same(reloads, [])
})

t.test('an unknown expectation is refused', async (t) => {
  const { ask, reloads } = setUp()
  const exchange = await ask({ method: 'POST', target: '/reload', hasUnknownExpectation: true })
  t.equal(exchange.status, 417)
  t.same(reloads, [])
})

t.test('status and reload answer programs on this machine only', async (t) => {
  const { ask, reloads } = setUp()
  const cases: [string, number][] = [
    ['127.0.0.1', 200],
    ['127.255.0.9', 200],
    ['::1', 200],
    ['::ffff:127.0.0.1', 200],
    ['::ffff:7f00:1', 200],
    ['unix', 200],
    ['10.0.0.1', 403],
    ['128.0.0.1', 403],
    ['::ffff:10.0.0.1', 403],
    ['::2', 403],
    ['fe80::1', 403],
    ['', 403],
    ['localhost', 403],
  ]
  for (const [address, status] of cases) {
    const asked = await ask({ target: '/status', peer: { address } })
    t.equal(asked.status, status, address)
    const before = reloads.length
    const reloaded = await ask({ method: 'POST', target: '/reload', peer: { address } })
    t.equal(reloaded.status, status, address)
    t.equal(reloads.length - before, status === 200 ? 1 : 0)
    if (status === 403) t.equal(codeOf(asked), 'forbidden')
    t.equal((await ask({ target: '/livez', peer: { address } })).status, 200)
  }
})

// A page that a browser on this machine shows can send POST /reload to loopback, and one whose
// name was rebound to 127.0.0.1 could read /status.
t.test('status and reload refuse browsers', async (t) => {
  const { ask, reloads } = setUp()
  const refused: string[][] = [
    ['Origin', 'https://evil.example'],
    ['Origin', 'null'],
    ['Origin', ''],
    ['oRIGIN', 'http://127.0.0.1'],
    ['Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Site', 'same-origin'],
    ['Sec-Fetch-Site', ''],
    ['Sec-Fetch-Site', 'none', 'Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Site', 'none, cross-site'],
  ]
  for (const headers of refused) {
    for (const [method, target] of [
      ['GET', '/status'],
      ['POST', '/reload'],
      ['OPTIONS', '/reload'],
    ]) {
      const exchange = await ask({ method: method ?? '', target: target ?? '', headers })
      t.equal(exchange.status, 403, `${target ?? ''} ${headers.join(': ')}`)
      t.equal(codeOf(exchange), 'browser_refused')
    }
  }
  t.same(reloads, [])
  const typed = await ask({ target: '/status', headers: ['Sec-Fetch-Site', 'none'] })
  t.equal(typed.status, 200)
})

t.test('status and reload want a Host that cannot have been rebound', async (t) => {
  const { ask } = setUp()
  const cases: [string, number][] = [
    ['127.0.0.1', 200],
    ['127.0.0.1:9901', 200],
    ['10.1.2.3:9901', 200],
    ['[::1]', 200],
    ['[::1]:9901', 200],
    ['localhost', 200],
    ['LocalHost:9901', 200],
    ['localhost.', 200],
    ['gate-1.example', 200],
    ['GATE-1.example.:9901', 200],
    ['evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['127.0.0.1@evil.example', 403],
    ['evil.example:127.0.0.1', 403],
    ['localhost.evil.example', 403],
    ['xlocalhost', 403],
    ['gate-1.example.evil', 403],
    ['::1', 403],
    ['[::1', 403],
    ['[evil.example]', 403],
    ['[127.0.0.1]', 403],
    ['[::1]evil', 403],
    ['2130706433', 403],
    ['127.1', 403],
    ['', 403],
    [':9901', 403],
    ['.', 403],
  ]
  for (const [host, status] of cases) {
    const exchange = await ask({ target: '/status', headers: ['Host', host] })
    t.equal(exchange.status, status, JSON.stringify(host))
    if (status === 403) t.equal(codeOf(exchange), 'browser_refused')
  }
})

t.test('a reload tells the generation that runs then', async (t) => {
  const { ask, reloads } = setUp()
  const exchange = await ask({ method: 'POST', target: '/reload' })
  t.equal(exchange.status, 200)
  t.same(exchange.json, { generation: 7 })
  t.same(reloads, [{}])
})

t.test('a reload that fails tells every problem, and no secret', async (t) => {
  const problem = {
    file: '/etc/x.yaml',
    line: 3,
    column: 5,
    path: 'channels.0',
    problem: 'bad "s3cret"',
  }
  const { ask } = setUp({ reload: () => Promise.resolve({ errors: [problem] }) })
  const exchange = await ask({ method: 'POST', target: '/reload' })
  t.equal(exchange.status, 422)
  t.same(exchange.json, { errors: [{ ...problem, problem: 'bad "[redacted]"' }] })
})

t.test('a reload can release one definition, and a slip of the pen does nothing', async (t) => {
  const { ask, reloads } = setUp()
  t.equal((await ask({ method: 'POST', target: '/reload?release=malformed' })).status, 200)
  t.equal((await ask({ method: 'POST', target: '/reload?release=share%2Dpoint' })).status, 200)
  t.equal((await ask({ method: 'POST', target: '/reload?' })).status, 200)
  t.same(reloads, [{ release: 'malformed' }, { release: 'share-point' }, {}])
  for (const query of [
    'relase=x',
    'release=',
    'release=a&release=b',
    'release=a&x=1',
    'release=a%20b',
    'x',
  ]) {
    const exchange = await ask({ method: 'POST', target: `/reload?${query}` })
    t.equal(exchange.status, 400, query)
    t.equal(codeOf(exchange), 'bad_request')
  }
  t.equal(reloads.length, 3)
})

t.test('a client that leaves while its answer is made is sent nothing', async (t) => {
  let resolve: (result: { generation: number }) => void = () => undefined
  const { begin, failures } = setUp({
    reload: () =>
      new Promise((done) => {
        resolve = done
      }),
  })
  const exchange = begin({ method: 'POST', target: '/reload' })
  exchange.leave()
  resolve({ generation: 1 })
  await new Promise(setImmediate)
  t.equal(exchange.status, undefined)
  const scrape = begin({ target: '/metrics' })
  scrape.leave()
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  t.equal(scrape.status, undefined)
  t.same(failures, [])
})

t.test('a bug in what is asked for cuts the connection and is told', async (t) => {
  const bug = new TypeError('bug')
  const { ask, failures } = setUp({
    reload: () => Promise.reject(bug),
    status: () => ({
      head: {},
      lists: {
        channels: [],
        outgoing: [],
        definitions: {
          [Symbol.iterator]: () => {
            throw bug
          },
        },
        tokens: [],
        held: [],
      },
    }),
  })
  t.equal((await ask({ method: 'POST', target: '/reload' })).outcome, 'aborted')
  t.equal((await ask({ target: '/status' })).outcome, 'aborted')
  t.same(failures, [bug, bug])
})
