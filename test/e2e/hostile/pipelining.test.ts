/** Several requests on one connection: order, identity, faults in the middle, and clients that leave. */
import t from 'tap'
import { basic, host, mobileKey, secrets, startGate } from '../../harness/hostile-gate.ts'
import { eventually } from '../../harness/eventually.ts'
import { identitiesIn } from '../../harness/invariants.ts'
import type { RawClient } from '../../harness/raw-client.ts'
import { answer, type UpstreamConnection } from '../../harness/recording-upstream.ts'

t.setTimeout(120_000)

const gate = await startGate(t)
const cuts = ['whole', 'bytes', 'random'] as const

function get(path: string, lines = ''): string {
  return `GET ${path} HTTP/1.1\r\n${host}${lines}\r\n`
}

const outcomes = (client: RawClient) =>
  client.answers.map(({ status, code, body }) => (code === undefined ? body : `${status} ${code}`))

/** Waits until the upstream's side of a connection is gone. */
function gone(connection: UpstreamConnection): Promise<boolean> {
  return eventually('the upstream connection to go', () => connection.isClosed)
}

gate.upstream.scripts.set('/p/slow', async (request, socket) => {
  await request.whole
  await new Promise((resolve) => setTimeout(resolve, 150))
  socket.write(answer(200, [], 'slow'))
})

t.test('pipelined requests are answered in order, each under its own name', async (t) => {
  for (const cut of cuts) {
    const mark = gate.invariants.mark()
    const client = await gate.connect(t)
    await client.send(
      [
        get('/p/slow', mobileKey),
        get(`/p/a-${cut}`, `Authorization: ${basic}\r\n`),
        get(`/o/b-${cut}`),
        get('/p/none'),
        get(`/p/c-${cut}`, `X-Partner-Key: ${secrets.partner}\r\n`),
      ].join(''),
      cut,
    )
    await client.answer(4)
    t.strictSame(outcomes(client), [
      'slow',
      `GET /p/a-${cut}`,
      `GET /o/b-${cut}`,
      '401 unauthorized',
      `GET /p/c-${cut}`,
    ])
    const seen = ['/p/a', '/o/b', '/p/c'].map((path) =>
      gate.upstream.requestsFor(`${path}-${cut}`).map(identitiesIn),
    )
    t.strictSame(seen, [[['crm']], [[]], [['partner']]])
    gate.invariants.check(t, mark, { letIn: ['mobile', 'crm', null, 'partner'] })
  }
})

t.test('an authorised request lends its name to nobody behind it', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  await client.send(get('/p/first', mobileKey) + get('/p/second') + get('/p/third'))
  await client.answer(2)
  t.strictSame(outcomes(client), ['GET /p/first', '401 unauthorized', '401 unauthorized'])
  gate.invariants.check(t, mark, { letIn: ['mobile'] })
})

t.test(
  'a fault behind good requests is answered in its turn, and nothing follows it',
  async (t) => {
    const faults = [
      'GET /p/x HTTP/1.1\r\nX y\r\n\r\n',
      'GET /p/x HTTP/9.9\r\n\r\n',
      '\x00\x00\x00\x00',
    ]
    for (const [i, fault] of faults.entries()) {
      for (const cut of cuts) {
        const mark = gate.invariants.mark()
        const client = await gate.connect(t)
        await client.send(
          get('/p/slow', mobileKey) + get('/o/after') + fault + get('/o/never') + get('/o/never'),
          cut,
        )
        await client.ended()
        t.strictSame(outcomes(client), ['slow', 'GET /o/after', '400 bad_request'], `${i} ${cut}`)
        t.strictSame(gate.upstream.requestsFor('/o/never'), [])
        gate.invariants.check(t, mark, { letIn: ['mobile', null] })
      }
    }
  },
)

t.test('what strict HTTP refuses, but Node does not, ends a pipeline just so', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  await client.send(
    `${get('/p/slow', mobileKey)}GET /o/x HTTP/1.1\r\n${host}${host}\r\n${get('/o/never')}`,
  )
  await client.ended()
  t.strictSame(outcomes(client), ['slow', '400 bad_request'])
  gate.invariants.check(t, mark, { letIn: ['mobile'] })
})

t.test('a body that looks like requests is a body, and what follows it a request', async (t) => {
  const hidden = get('/p/hidden', 'X-Authenticated-User: root\r\n')
  const sized = `Content-Length: ${hidden.length}\r\n\r\n${hidden}`
  const inChunks = `Transfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`
  for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS', 'HEAD', 'PUT', 'PATCH']) {
    for (const framed of [sized, inChunks]) {
      for (const cut of ['whole', 'bytes'] as const) {
        const mark = gate.invariants.mark()
        const path = `/p/body-${method}-${framed === sized ? 'sized' : 'chunks'}-${cut}`
        const client = await gate.connect(t)
        client.expect(method, 'GET')
        await client.send(
          `${method} ${path} HTTP/1.1\r\n${host}${mobileKey}${framed}${get('/o/next')}`,
          cut,
        )
        await client.answer(1)
        t.strictSame(
          outcomes(client),
          [method === 'HEAD' ? '' : `${method} ${path}`, 'GET /o/next'],
          path,
        )
        const request = await gate.upstream.requestFor(path)
        t.equal(request.body.toString('latin1'), hidden)
        gate.invariants.check(t, mark, { letIn: ['mobile', null] })
        client.destroy()
      }
    }
  }
  t.strictSame(gate.upstream.requestsFor('/p/hidden'), [])
})

t.test('the body of a refused request is never read as requests', async (t) => {
  for (const cut of ['whole', 'bytes'] as const) {
    const mark = gate.invariants.mark()
    const hidden = get('/o/hidden-in-refused')
    const client = await gate.connect(t)
    await client.send(
      `POST /p/x HTTP/1.1\r\n${host}Content-Length: ${hidden.length}\r\n\r\n${hidden}${get('/p/x')}`,
      cut,
    )
    await eventually('both answers or the end', () => client.answers.length === 2 || client.isEnded)
    t.equal(outcomes(client)[0], '401 unauthorized')
    t.match(outcomes(client)[1] ?? '401 unauthorized', '401 unauthorized')
    gate.invariants.check(t, mark, { letIn: [] })
  }
})

t.test('the rest of a large refused body is not read for ever', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  await client.send(`POST /p/x HTTP/1.1\r\n${host}Content-Length: 100000000\r\n\r\n`)
  let sent = 0
  while (!client.isEnded && sent < 50_000_000) {
    await client.send('y'.repeat(16_384))
    sent += 16_384
    await new Promise(setImmediate)
  }
  await client.ended()
  t.strictSame(outcomes(client), ['401 unauthorized'], 'the refusal arrives all the same')
  t.ok(sent < 20_000_000, `closed after ${sent} bytes`)
  gate.invariants.check(t, mark, { letIn: [] })
})

t.test('HTTP/1.0 gets one answer and the end, unless it asks for more', async (t) => {
  const once = await gate.connect(t)
  await once.send(`GET /o/one HTTP/1.0\r\n${host}\r\n${get('/o/never')}`)
  await once.ended()
  t.strictSame(outcomes(once), ['GET /o/one'])
  const kept = await gate.connect(t)
  for (const i of [1, 2, 3]) {
    const { body, message } = await kept.request(
      `GET /o/${i} HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`,
    )
    t.equal(body, `GET /o/${i}`)
    t.equal(message.framing.kind, 'length')
  }
})

t.test('HTTP/1.0 never gets chunks', async (t) => {
  gate.upstream.scripts.set('/o/chunks', (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
  })
  const client = await gate.connect(t)
  const { body, message } = await client.request(
    `GET /o/chunks HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`,
  )
  await client.ended()
  t.equal(message.framing.kind, 'close')
  t.equal(body, 'hello')
})

t.test('Connection: close is kept to, and requests behind it are not served', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  await client.send(get('/o/last', 'Connection: close\r\n') + get('/o/never'))
  await client.ended()
  t.strictSame(outcomes(client), ['GET /o/last'])
  gate.invariants.check(t, mark, { letIn: [null] })
})

t.test('a client that closes its half gets its answers', async (t) => {
  const client = await gate.connect(t)
  await client.send(get('/p/slow', mobileKey) + get('/o/two'))
  client.halfClose()
  await client.ended()
  t.strictSame(outcomes(client), ['slow', 'GET /o/two'])
})

t.test('a client that closes its half within a body is never whole upstream', async (t) => {
  for (const framing of [
    'Content-Length: 10\r\n\r\nhello',
    'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  ]) {
    const mark = gate.invariants.mark()
    const path = `/p/half-${framing.slice(0, 8)}`
    const client = await gate.connect(t)
    await client.send(`POST ${path} HTTP/1.1\r\n${host}${mobileKey}${framing}`)
    const request = await gate.upstream.requestFor(path)
    client.halfClose()
    await client.ended()
    await gone(request.connection)
    t.ok(
      client.answers.every(({ status }) => status >= 400),
      'never a success',
    )
    gate.invariants.check(t, mark, { letIn: ['mobile'], incomplete: true })
  }
})

t.test('a client that goes away while it waits takes its upstream socket along', async (t) => {
  gate.upstream.scripts.set('/p/never', () => undefined)
  const client = await gate.connect(t)
  await client.send(get('/p/never', mobileKey))
  const request = await gate.upstream.requestFor('/p/never')
  client.destroy()
  await gone(request.connection)
  t.pass('the connection went')
})

t.test('a client that goes away within its body takes its upstream socket along', async (t) => {
  for (const framing of [
    'Content-Length: 10\r\n\r\nhello',
    'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  ]) {
    const mark = gate.invariants.mark()
    const path = `/p/gone-${framing.slice(0, 8)}`
    const client = await gate.connect(t)
    await client.send(`POST ${path} HTTP/1.1\r\n${host}${mobileKey}${framing}`)
    const request = await gate.upstream.requestFor(path)
    client.destroy()
    await gone(request.connection)
    gate.invariants.check(t, mark, { letIn: ['mobile'], incomplete: true })
  }
})

t.test('a client that goes away within an answer takes its upstream socket along', async (t) => {
  gate.upstream.scripts.set('/p/endless', (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  })
  const client = await gate.connect(t)
  await client.send(get('/p/endless', mobileKey))
  await eventually('the beginning of the answer', () => client.answers.length === 1)
  const request = await gate.upstream.requestFor('/p/endless')
  client.destroy()
  await gone(request.connection)
  t.pass('the connection went')
})

t.test('requests that wait behind one whose client left are never sent', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  await client.send(get('/p/never', mobileKey) + get('/p/behind', mobileKey))
  const request = await gate.upstream.requestFor('/p/never', 1)
  client.destroy()
  await gone(request.connection)
  t.strictSame(gate.upstream.requestsFor('/p/behind'), [])
  gate.invariants.check(t, mark, { letIn: ['mobile'] })
})

t.test('10,000 tiny pipelined requests are answered in order', async (t) => {
  const total = 10_000
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  for (let i = 0; i < total; i += 100) {
    const batch = Array.from({ length: 100 }, (_, k) => `GET /o/${i + k} HTTP/1.1\r\n${host}\r\n`)
    await client.send(batch.join(''))
  }
  await eventually('all answers', () => client.answers.length === total || client.isEnded, 60_000)
  await client.answer(total - 1)
  const wrong = client.answers.findIndex(({ body }, i) => body !== `GET /o/${i}`)
  t.equal(wrong, -1, 'every answer in its place')
  gate.invariants.check(t, mark, { letIn: Array.from({ length: total }, () => null) })
})

t.test('a client that pipelines and never reads is not read from for ever', async (t) => {
  const before = await gate.sidegate.residentKib()
  const client = await gate.connect(t)
  client.socket.pause()
  const batch = get('/p/flood').repeat(200)
  let blocked = 0
  let sent = 0
  // Kernel buffers take some megabytes; a gate that reads on would take all of it.
  while (blocked < 50 && sent < 64_000_000 && !client.isEnded) {
    if (client.socket.writableLength < 1_000_000) {
      client.socket.write(batch)
      sent += batch.length
      blocked = 0
    } else blocked++
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  t.ok(sent < 64_000_000, `${sent} bytes were taken`)
  const grown = (await gate.sidegate.residentKib()) - before
  t.ok(grown < 150_000, `memory grew by ${grown} KiB`)
  client.destroy()
})

t.test('nothing of that told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
