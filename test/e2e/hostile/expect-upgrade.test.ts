/** Expect and Upgrade: what Node answers by itself or takes off the ordinary path. */
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import {
  goodRequest,
  losesRest,
  ordinary,
  runHostileCases,
  type Expectations,
  type HostileCase,
  type Subject,
  upgradeBody,
} from '../../harness/hostile-case.ts'
import { host, mobileKey, startGate } from '../../harness/hostile-gate.ts'

function request(method: string, lines: string, body = '') {
  return ({ path, credentials }: Subject) =>
    `${method} ${path} HTTP/1.1\r\n${host}${credentials}${lines}\r\n${body}`
}

const unknownExpectation: Expectations = {
  key: { answers: ['417 expectation_failed'], ends: undefined, upstream: 'nothing' },
  nobody: { answers: ['401 unauthorized'], ends: undefined, upstream: 'nothing' },
  open: { answers: ['417 expectation_failed'], ends: undefined, upstream: 'nothing' },
}

const expectations = [
  // Node sends 100 for this one before anybody was asked for credentials.
  '100-continue, foo',
  'foo, 100-continue',
  'foo',
  '200-ok',
  '100-continuex',
  '100',
  '"100-continue"',
].map((value): HostileCase => ({
  claim: `Expect: ${value} is 417, and 401 for callers without credentials`,
  bytes: request('POST', `Expect: ${value}\r\nContent-Length: 5\r\n`, 'hello'),
  expect: unknownExpectation,
}))

const upgrades: readonly HostileCase[] = [
  // Java's HttpClient offers h2c with every first request.
  {
    claim: 'a GET with Upgrade: h2c is an ordinary request',
    bytes: request(
      'GET',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
    ),
    expect: ordinary,
  },
  // Node hands such a body over as raw bytes: read as a request it would be a smuggled one.
  {
    claim: 'a POST with Upgrade: h2c keeps its body',
    bytes: request('POST', 'Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n', 'hello'),
    expect: upgradeBody,
  },
  {
    claim: 'a chunked POST with Upgrade: h2c keeps its body',
    bytes: request(
      'POST',
      'Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
    ),
    expect: upgradeBody,
  },
  {
    claim: 'Upgrade: TLS/1.0 is an ordinary request',
    bytes: request('GET', 'Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n'),
    expect: ordinary,
  },
  {
    claim: 'an empty Upgrade is an ordinary request',
    bytes: request('GET', 'Connection: Upgrade\r\nUpgrade:\r\n'),
    expect: ordinary,
  },
  {
    claim: 'Upgrade: websocket without Connection is an ordinary request',
    bytes: request('GET', 'Upgrade: websocket\r\n'),
    expect: ordinary,
  },
  // A WebSocket begins with a GET; a POST would take its body, and what follows it, along.
  {
    claim: 'a POST with Upgrade: websocket is an ordinary request',
    bytes: request(
      'POST',
      'Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n',
      'hello',
    ),
    expect: upgradeBody,
  },
  {
    claim: 'Upgrade: websocket on HTTP/1.0 is an ordinary request',
    bytes: ({ path, credentials }) =>
      `GET ${path} HTTP/1.0\r\n${host}${credentials}Connection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n`,
    expect: {
      key: { answers: ['200'], ends: undefined, upstream: 'whole' },
      nobody: { answers: ['401 unauthorized'], ends: undefined, upstream: 'nothing' },
      open: { answers: ['200'], ends: undefined, upstream: 'whole' },
    },
  },
]

t.setTimeout(120_000)

const gate = await startGate(t)
await runHostileCases(t, gate, [...expectations, ...upgrades])

t.test(
  'Upgrade, HTTP2-Settings and Connection of an h2c offer stay here, the body goes',
  async (t) => {
    const mark = gate.invariants.mark()
    for (const cut of ['whole', 'bytes'] as const) {
      const path = `/p/h2c-${cut}`
      const client = await gate.connect(t)
      client.expect('POST', 'GET')
      const body = goodRequest
      const offer =
        'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n'
      await client.send(
        `POST ${path} HTTP/1.1\r\n${host}${mobileKey}${offer}Content-Length: ${body.length}\r\n\r\n${body}${goodRequest}`,
        cut,
      )
      t.equal((await client.answer(0)).body, `POST ${path}`)
      if (losesRest) await eventually('the end', () => client.isEnded)
      else t.equal((await client.answer(1)).body, 'GET /o/good', 'what was pipelined is answered')
      const arrived = await gate.upstream.requestFor(path)
      t.equal(arrived.body.toString('latin1'), body, 'the body is a body, not a request')
      t.strictSame(arrived.values('upgrade'), [])
      t.strictSame(arrived.values('http2-settings'), [])
      t.notMatch(arrived.values('connection').join(), /upgrade/i)
    }
    const letIn = losesRest ? ['mobile', 'mobile'] : ['mobile', null, 'mobile', null]
    gate.invariants.check(t, mark, { letIn })
  },
)

const continued = `Expect: 100-continue\r\nContent-Length: 5\r\n`

t.test('100 is not sent to callers without credentials', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  const answer = await client.request(`POST /p/x HTTP/1.1\r\n${host}${continued}\r\n`)
  t.equal(answer.code, 'unauthorized')
  t.strictSame(answer.interim, [], 'no 100')
  gate.invariants.check(t, mark, { letIn: [] })
})

t.test('100 is not sent where no channel matches', async (t) => {
  const client = await gate.connect(t)
  const answer = await client.request(`POST /nowhere HTTP/1.1\r\n${host}${continued}\r\n`)
  t.equal(answer.code, 'no_channel')
  t.strictSame(answer.interim, [], 'no 100')
})

t.test(
  '100 is sent once, the body follows, and the expectation does not reach the upstream',
  async (t) => {
    const mark = gate.invariants.mark()
    for (const spelling of ['100-continue', '100-Continue']) {
      const path = `/p/continue-${spelling}`
      const client = await gate.connect(t)
      client.expect('POST')
      await client.send(
        `POST ${path} HTTP/1.1\r\n${host}${mobileKey}Expect: ${spelling}\r\nContent-Length: 5\r\n\r\n`,
      )
      // Nothing but the 100 can have come: the answer waits for the body.
      await new Promise<void>((resolve) =>
        client.socket.once('data', () => {
          resolve()
        }),
      )
      await client.send('hello')
      const answer = await client.answer()
      t.equal(answer.status, 200)
      t.strictSame(
        answer.interim.map(({ startLine }) => startLine.slice(0, 12)),
        ['HTTP/1.1 100'],
      )
      const arrived = await gate.upstream.requestFor(path)
      t.equal(arrived.body.toString(), 'hello')
      t.strictSame(arrived.values('expect'), [])
    }
    gate.invariants.check(t, mark, { letIn: ['mobile', 'mobile'] })
  },
)

t.test('100 is not sent while the upstream cannot be reached', async (t) => {
  const dead = await startGate(t, {
    channels: [{ name: 'dead', path: '/d/*', security: 'none', upstream: 'http://127.0.0.1:9' }],
  })
  const client = await dead.connect(t)
  const answer = await client.request(`POST /d/x HTTP/1.1\r\n${host}${continued}\r\n`)
  t.equal(answer.code, 'upstream_unreachable')
  t.strictSame(answer.interim, [], 'no 100')
})

t.test('Expect: 100-continue without a body is an ordinary request', async (t) => {
  const client = await gate.connect(t)
  const answer = await client.request(`GET /o/x HTTP/1.1\r\n${host}Expect: 100-continue\r\n\r\n`)
  t.equal(answer.status, 200)
})

t.test('Expect on HTTP/1.0 gets no 100', async (t) => {
  // RFC 9110 10.1.1: a 1.0 client does not understand it.
  const client = await gate.connect(t)
  const answer = await client.request(`POST /o/x HTTP/1.0\r\n${host}${continued}\r\nhello`)
  t.equal(answer.status, 200)
  t.strictSame(answer.interim, [])
})

t.test('HTTP/1.0 that offers an upgrade is answered as HTTP/1.0', async (t) => {
  gate.upstream.scripts.set('/o/chunks', (_request, socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'),
  )
  for (const protocol of ['h2c', 'websocket', 'TLS/1.0']) {
    const client = await gate.connect(t)
    const { body, message } = await client.request(
      `GET /o/chunks HTTP/1.0\r\n${host}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
    )
    await client.ended()
    t.strictSame([body, message.framing.kind], ['hello', 'close'], protocol)
  }
})

t.test(
  'an upgrade that is not ours may be offered with every request of a connection',
  async (t) => {
    const client = await gate.connect(t)
    const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n'
    for (let i = 0; i < 20; i++) {
      // Node 26 closes behind the body of one.
      const body = i % 2 === 0 || losesRest ? '' : 'hello'
      const framing = body === '' ? '' : `Content-Length: ${body.length}\r\n`
      const answered = await client.request(
        `POST /o/again-${i} HTTP/1.1\r\n${host}${offer}${framing}\r\n${body}`,
      )
      t.equal(answered.body, `POST /o/again-${i}`)
    }
  },
)

t.test('limits hold for a request that is parsed anew without its Upgrade', async (t) => {
  const mark = gate.invariants.mark()
  const offer = 'Connection: Upgrade\r\nUpgrade: h2c\r\n'
  for (const [lines, code] of [
    [`X: ${'y'.repeat(17_000)}\r\n`, 'headers_too_large'],
    ['a: b\r\n'.repeat(300), 'headers_too_large'],
    ['Host: other.example\r\n', 'bad_request'],
    ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'bad_request'],
    ['Transfer-Encoding: gzip, chunked\r\n', 'bad_request'],
    [`${mobileKey}X-API-Key: x\r\n`, 'bad_request'],
  ] as const) {
    for (const order of [offer + lines, lines + offer]) {
      const client = await gate.connect(t)
      client.expect('POST')
      await client.send(`POST /p/x HTTP/1.1\r\n${host}${order}\r\n${goodRequest}`)
      await client.ended()
      t.strictSame(
        client.answers.map((answer) => answer.code),
        [code],
      )
    }
  }
  gate.invariants.check(t, mark, { letIn: [] })
})

t.test('nothing of that told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
