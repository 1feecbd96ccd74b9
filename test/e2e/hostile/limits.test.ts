/** Floods: too large and too many headers, header blocks that never end, and slow ones. */
import t from 'tap'
import {
  ordinary,
  refusedWith,
  runHostileCases,
  type HostileCase,
  type Subject,
} from '../../harness/hostile-case.ts'
import { host, startGate } from '../../harness/hostile-gate.ts'
import { eventually } from '../../harness/eventually.ts'
import type { RawClient } from '../../harness/raw-client.ts'

const tooLarge = refusedWith('431 headers_too_large')

function withLines(lines: string) {
  return ({ path, credentials }: Subject) =>
    `GET ${path} HTTP/1.1\r\n${host}${credentials}${lines}\r\n`
}

/** As many short headers as make up `total` with Host and the credential. */
function withPairs(total: number) {
  return (subject: Subject) => {
    const others = subject.credentials === '' ? 1 : 2
    const lines = Array.from({ length: total - others }, (_, i) => `X-${i}: y\r\n`)
    return withLines(lines.join(''))(subject)
  }
}

const cases: readonly HostileCase[] = [
  {
    claim: 'a header block of 15 KiB is let in',
    bytes: withLines(`X: ${'y'.repeat(15_000)}\r\n`),
    expect: ordinary,
  },
  {
    claim: 'a header beyond 16 KiB is refused',
    bytes: withLines(`X: ${'y'.repeat(17_000)}\r\n`),
    expect: tooLarge,
  },
  {
    claim: 'many headers that are together beyond 16 KiB are refused',
    bytes: withLines(`X: ${'y'.repeat(170)}\r\n`.repeat(100)),
    expect: tooLarge,
  },
  {
    claim: 'a header name beyond 16 KiB is refused',
    bytes: withLines(`${'X'.repeat(17_000)}: y\r\n`),
    expect: tooLarge,
  },
  {
    claim: 'a target beyond 16 KiB is refused',
    bytes: ({ path, credentials }) =>
      `GET ${path}/${'y'.repeat(17_000)} HTTP/1.1\r\n${host}${credentials}\r\n`,
    expect: tooLarge,
  },
  { claim: '256 headers are let in', bytes: withPairs(256), expect: ordinary },
  // Node 20 cuts a long list silently: the credential, or Connection, could be what is missing.
  { claim: '257 headers are refused', bytes: withPairs(257), expect: tooLarge },
  { claim: '1001 headers are refused', bytes: withPairs(1_001), expect: tooLarge },
  { claim: '2500 headers are refused', bytes: withPairs(2_500), expect: tooLarge },
]

t.setTimeout(120_000)

const gate = await startGate(t)
await runHostileCases(t, gate, cases)

t.test('a credential behind a thousand headers is never silently cut', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  const lines = Array.from({ length: 1_200 }, (_, i) => `a${i}: b\r\n`).join('')
  const forged = 'Connection: close\r\nX-Authenticated-User: root\r\n'
  const { code } = await client.request(`GET /p/x HTTP/1.1\r\n${host}${lines}${forged}\r\n`)
  t.equal(code, 'headers_too_large')
  gate.invariants.check(t, mark, { letIn: [] })
})

t.test('a header block that never ends is refused while it comes', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  await client.send(`GET /p/x HTTP/1.1\r\n${host}`)
  for (let i = 0; i < 2_000 && !client.isEnded; i++) {
    await client.send(`X-${i}: ${'y'.repeat(1_000)}\r\n`)
    await new Promise(setImmediate)
  }
  await client.ended()
  t.ok(client.answers.length <= 1, 'at most one answer')
  t.match(client.answers[0]?.code ?? 'headers_too_large', 'headers_too_large')
  gate.invariants.check(t, mark, { letIn: [] })
})

t.test(
  'trailers that never end are cut off, and the request is never whole upstream',
  async (t) => {
    const mark = gate.invariants.mark()
    const client = await gate.connect(t)
    await client.send(`POST /o/trailers HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n`)
    for (let i = 0; i < 2_000 && !client.isEnded; i++) {
      await client.send(`X-${i}: ${'y'.repeat(1_000)}\r\n`)
      await new Promise(setImmediate)
    }
    await client.ended()
    gate.invariants.check(t, mark, { letIn: [null], incomplete: true })
  },
)

t.test('a chunk extension that never ends is cut off', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  await client.send(`POST /o/ext HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5;`)
  for (let i = 0; i < 2_000 && !client.isEnded; i++) {
    await client.send('y'.repeat(1_000))
    await new Promise(setImmediate)
  }
  await client.ended()
  gate.invariants.check(t, mark, { letIn: [null], incomplete: true })
})

t.test('with short timeouts', async (t) => {
  const slow = await startGate(t, {
    inbound: {
      timeouts: { header: '500ms', keep_alive: '700ms', body_idle: '600ms', first_byte: '800ms' },
    },
  })

  await t.test('a header block that drips is answered 408 and closed', async (t) => {
    const mark = slow.invariants.mark()
    const client = await slow.connect(t)
    const text = `GET /p/x HTTP/1.1\r\n${host}X: ${'y'.repeat(10_000)}`
    for (let at = 0; at < text.length && !client.isEnded; at += 5) {
      await client.send(text.slice(at, at + 5))
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await client.ended()
    t.strictSame(
      client.answers.map(({ status, code }) => [status, code]),
      [[408, 'request_timeout']],
    )
    slow.invariants.check(t, mark, { letIn: [] })
  })

  await t.test('a header block that stops on a reused connection is answered 408', async (t) => {
    const client = await slow.connect(t)
    await client.request(`GET /o/x HTTP/1.1\r\n${host}\r\n`)
    await client.send('GET /p/x HTTP/1.1\r\nHo')
    await client.ended()
    t.strictSame(
      client.answers.map(({ status, code }) => [status, code]),
      [
        [200, undefined],
        [408, 'request_timeout'],
      ],
    )
  })

  await t.test('a connection that says nothing is closed', async (t) => {
    const client = await slow.connect(t)
    await client.ended()
    t.ok(
      client.answers.every(({ status }) => status === 408),
      'a 408 or nothing',
    )
  })

  await t.test('an idle kept-alive connection is closed without an answer', async (t) => {
    const client = await slow.connect(t)
    await client.request(`GET /o/x HTTP/1.1\r\n${host}\r\n`)
    await client.ended()
    t.equal(client.answers.length, 1)
    t.equal(client.rest.length, 0)
  })

  await t.test(
    'a body that stops is never whole upstream, and its socket is given up',
    async (t) => {
      const mark = slow.invariants.mark()
      const client = await slow.connect(t)
      await client.send(`POST /o/stops HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\nhello`)
      const request = await slow.upstream.requestFor('/o/stops')
      await client.ended()
      t.strictSame(
        client.answers.map(({ status, code }) => [status, code]),
        [[408, 'request_timeout']],
      )
      await t.rejects(request.whole, 'the upstream sees a cut request')
      slow.invariants.check(t, mark, { letIn: [null], incomplete: true })
    },
  )

  await t.test('an upstream that says nothing is 504, and its socket is given up', async (t) => {
    slow.upstream.scripts.set('/o/silent', () => undefined)
    const client = await slow.connect(t)
    const { status, code } = await client.request(`GET /o/silent HTTP/1.1\r\n${host}\r\n`)
    t.strictSame([status, code], [504, 'upstream_timeout'])
    const request = await slow.upstream.requestFor('/o/silent')
    await new Promise<void>((resolve) => {
      if (request.connection.isClosed) resolve()
      else
        request.connection.socket.once('close', () => {
          resolve()
        })
    })
  })

  await t.test('nothing of that hurt the process', (t) => slow.invariants.checkAtEnd(t))
})

t.test('connections beyond limits.connections are not served and do no harm', async (t) => {
  const small = await startGate(t, { inbound: { limits: { connections: 20 } } })
  const clients: RawClient[] = []
  for (let i = 0; i < 60; i++) {
    const client = await small.connect(t).catch(() => undefined)
    if (client !== undefined) clients.push(client)
  }
  await Promise.all(clients.map((client) => client.send(`GET /o/x HTTP/1.1\r\n${host}\r\n`)))
  await Promise.all(clients.map((client) => client.answer().catch(() => undefined)))
  const served = clients.filter(({ answers }) => answers[0]?.status === 200).length
  t.equal(served, 20, 'exactly as many as the limit allows')
  for (const client of clients) client.destroy()
  await eventually('a free place', async () => {
    const again = await small.connect(t)
    await again.send(`GET /o/x HTTP/1.1\r\n${host}\r\n`)
    await eventually('an answer or the end', () => again.isEnded || again.answers.length > 0)
    return again.answers[0]?.status === 200
  })
  await small.invariants.checkAtEnd(t)
})

t.test('connections that come and go leave nothing behind', async (t) => {
  const ways = [
    '',
    'GET /o/x HT',
    `GET /o/x HTTP/1.1\r\n${host}\r\n`,
    `POST /o/x HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nhello`,
    `POST /p/x HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nhello`,
    'GET /o/x HTTP/9.9\r\n\r\n',
    `GET /o/x HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    `GET /o/x HTTP/1.1\r\n${host}\r\n`.repeat(20),
  ]
  const before = await gate.sidegate.residentKib()
  for (let i = 0; i < 1_600; i++) {
    const client = await gate.connect(t)
    await client.send(ways[i % ways.length] ?? '')
    if (i % 3 === 0) await new Promise(setImmediate)
    if (i % 2 === 0) client.socket.resetAndDestroy()
    else client.destroy()
  }
  const open = (side: string) => gate.sidegate.metric(`sidegate_open_connections{side="${side}"}`)
  await eventually('no inbound connection', async () => (await open('inbound')) === 0)
  await eventually('few upstream connections', async () => ((await open('upstream')) ?? 99) <= 20)
  const grown = (await gate.sidegate.residentKib()) - before
  t.ok(grown < 100_000, `memory grew by ${grown} KiB`)
})

t.test('names of headers that never end do not fill the log', async (t) => {
  // Each odd name is logged once; whoever makes up new ones must not write the disk full.
  const before = gate.sidegate.output.length
  const client = await gate.connect(t)
  for (let i = 0; i < 100; i++) {
    const lines = Array.from({ length: 250 }, (_, k) => `x_${i}_${k}: y\r\n`).join('')
    t.equal((await client.request(`GET /o/x HTTP/1.1\r\n${host}${lines}\r\n`)).status, 200)
  }
  const written = gate.sidegate.output.length - before
  t.ok(written < 500_000, `${written} characters for 25,000 names`)
})

t.test('no flood told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
