/** Bodies in both directions: framing is ours, nothing is buffered whole, early answers, slow readers. */
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { host, mobileKey, startGate } from '../../harness/hostile-gate.ts'
import { answer } from '../../harness/recording-upstream.ts'

t.setTimeout(120_000)

const gate = await startGate(t)

t.test('a body is framed upstream whatever the method, and no body is invented', async (t) => {
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const shapes = {
      none: '\r\n',
      empty: 'Content-Length: 0\r\n\r\n',
      sized: 'Content-Length: 5\r\n\r\nhello',
      chunked: 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      'empty-chunked': 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    }
    for (const [shape, rest] of Object.entries(shapes)) {
      const path = `/p/${method}-${shape}`
      const client = await gate.connect(t)
      const { status } = await client.request(
        `${method} ${path} HTTP/1.1\r\n${host}${mobileKey}${rest}`,
      )
      t.equal(status, 200, path)
      const request = await gate.upstream.requestFor(path)
      const wanted = shape === 'sized' || shape === 'chunked' ? 'hello' : ''
      t.equal(request.body.toString(), wanted, path)
      if (wanted !== '') t.not(request.message.framing.kind, 'none', path)
      if (shape === 'none' && (method === 'GET' || method === 'HEAD')) {
        t.equal(request.message.framing.kind, 'none', path)
      }
      client.destroy()
    }
  }
})

t.test('megabytes pass unchanged in both directions', async (t) => {
  const body = randomBytes(5_000_000).toString('latin1')
  const digest = createHash('sha256').update(body, 'latin1').digest('hex')
  gate.upstream.scripts.set('/p/mirror', async (request, socket) => {
    await request.whole
    socket.write(answer(200, [], request.body.toString('latin1')), 'latin1')
  })
  const client = await gate.connect(t)
  const head = `POST /p/mirror HTTP/1.1\r\n${host}${mobileKey}Content-Length: ${body.length}\r\n\r\n`
  const got = await client.request(head + body, 'POST')
  t.equal(createHash('sha256').update(got.body, 'latin1').digest('hex'), digest)
})

t.test('a body flows before it is whole', async (t) => {
  const client = await gate.connect(t)
  client.expect('POST')
  await client.send(`POST /p/flows HTTP/1.1\r\n${host}${mobileKey}Content-Length: 10\r\n\r\nhello`)
  const request = await gate.upstream.requestFor('/p/flows')
  await eventually('the first half', () => request.body.toString() === 'hello')
  await client.send('world')
  t.equal((await client.answer()).status, 200)
  t.equal(request.body.toString(), 'helloworld')
})

t.test(
  'an early answer reaches the client, and its upstream socket is not used again',
  async (t) => {
    // Kept in use, the rest of the body would be the beginning of the next caller's request.
    const mark = gate.invariants.mark()
    gate.upstream.scripts.set('/p/early', (_request, socket) => {
      socket.write(answer(413, [], 'too much'))
    })
    for (const framing of ['Content-Length: 100000', 'Transfer-Encoding: chunked']) {
      const client = await gate.connect(t)
      const first = framing.startsWith('C') ? 'hello' : '5\r\nhello\r\n'
      client.expect('POST')
      await client.send(`POST /p/early HTTP/1.1\r\n${host}${mobileKey}${framing}\r\n\r\n${first}`)
      const early = await client.answer()
      t.strictSame([early.status, early.body], [413, 'too much'])
      const request = gate.upstream.requestsFor('/p/early').at(-1)
      const other = await gate.connect(t)
      await other.request(`GET /o/next HTTP/1.1\r\n${host}\r\n`)
      const next = gate.upstream.requestsFor('/o/next').at(-1)
      t.not(next?.connection.id, request?.connection.id, 'another socket')
      await client.send(`GET /p/x HTTP/1.1\r\n${host}\r\n`)
      await client.ended()
      t.equal(client.answers.length, 1, 'no second answer on the client’s connection')
      other.destroy()
    }
    gate.invariants.check(t, mark, { letIn: ['mobile', null, 'mobile', null], incomplete: false })
  },
)

t.test('HEAD, 204 and 304 have no body and keep connections in step', async (t) => {
  const scripts = {
    '/o/head': 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n',
    '/o/204': 'HTTP/1.1 204 No Content\r\n\r\n',
    '/o/304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "x"\r\n\r\n',
  }
  for (const [path, text] of Object.entries(scripts)) {
    gate.upstream.scripts.set(path, (_request, socket) => socket.write(text))
  }
  const client = await gate.connect(t)
  const head = await client.request(`HEAD /o/head HTTP/1.1\r\n${host}\r\n`)
  t.strictSame([head.status, head.header('content-length')], [200, '1234'])
  const none = await client.request(`GET /o/204 HTTP/1.1\r\n${host}\r\n`)
  t.strictSame([none.status, none.header('content-length')], [204, undefined])
  const same = await client.request(`GET /o/304 HTTP/1.1\r\n${host}\r\n`)
  t.strictSame([same.status, same.header('etag'), same.body], [304, '"x"', ''])
  t.equal((await client.request(`GET /o/x HTTP/1.1\r\n${host}\r\n`)).body, 'GET /o/x')
})

t.test('refusals of HEAD have no body', async (t) => {
  const client = await gate.connect(t)
  for (const [path, code] of [
    ['/p/x', 'unauthorized'],
    ['/nowhere', 'no_channel'],
  ] as const) {
    const refusal = await client.request(`HEAD ${path} HTTP/1.1\r\n${host}\r\n`)
    t.equal(refusal.code, code)
  }
  t.equal((await client.request(`GET /o/x HTTP/1.1\r\n${host}\r\n`)).status, 200)
})

t.test('server-sent events arrive one by one', async (t) => {
  let emit: (text: string) => void = () => undefined
  gate.upstream.scripts.set('/o/events', (_request, socket) => {
    socket.write(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    emit = (text) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`)
  })
  const client = await gate.connect(t)
  await client.send(`GET /o/events HTTP/1.1\r\n${host}\r\n`)
  // The head comes before any event does.
  await eventually('the head', () => client.answers[0]?.status === 200)
  for (let i = 0; i < 10; i++) {
    emit(`data: ${i}\n\n`)
    await eventually(`event ${i}`, () => client.answers[0]?.body.endsWith(`data: ${i}\n\n`))
  }
  t.equal(client.answers[0]?.isComplete, false)
})

/** Writes up to `total` bytes as the socket takes them; tells how many it took. */
function pour(socket: NodeJS.WritableStream & { writableNeedDrain: boolean }, total: number) {
  const state = { taken: 0 }
  const block = Buffer.alloc(65_536, 'x')
  const next = () => {
    while (state.taken < total) {
      state.taken += block.length
      if (!socket.write(block)) {
        socket.once('drain', next)
        return
      }
    }
  }
  next()
  return state
}

/** Waits until a count stands still. */
async function settle(count: () => number): Promise<number> {
  let last = -1
  for (let still = 0; still < 10;) {
    await new Promise((resolve) => setTimeout(resolve, 30))
    still = count() === last ? still + 1 : 0
    last = count()
  }
  return last
}

const TOTAL = 200 * 65_536 * 10

t.test('a client that reads slowly slows its upstream down, not the memory', async (t) => {
  let poured = { taken: 0 }
  gate.upstream.scripts.set('/o/river', (_request, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${TOTAL}\r\n\r\n`)
    poured = pour(socket, TOTAL)
  })
  const before = await gate.sidegate.residentKib()
  const client = await gate.connect(t)
  client.socket.pause()
  await client.send(`GET /o/river HTTP/1.1\r\n${host}\r\n`)
  await gate.upstream.requestFor('/o/river')
  const taken = await settle(() => poured.taken)
  t.ok(taken < TOTAL / 2, `the upstream got rid of ${taken} of ${TOTAL} bytes`)
  const grown = (await gate.sidegate.residentKib()) - before
  t.ok(grown < 80_000, `memory grew by ${grown} KiB`)
  client.socket.resume()
  await eventually('the whole answer', () => client.bytesReceived > TOTAL, 60_000)
  t.equal((await client.answer()).isComplete, true)
})

t.test('an upstream that reads slowly slows its client down, not the memory', async (t) => {
  let release: () => void = () => undefined
  gate.upstream.scripts.set('/o/dam', async (request, socket) => {
    socket.pause()
    await new Promise<void>((resolve) => {
      release = resolve
    })
    socket.resume()
    await request.whole
    socket.write(answer(200, [], 'done'))
  })
  const before = await gate.sidegate.residentKib()
  const client = await gate.connect(t)
  client.expect('POST')
  await client.send(`POST /o/dam HTTP/1.1\r\n${host}Content-Length: ${TOTAL}\r\n\r\n`)
  const poured = pour(client.socket, TOTAL)
  await gate.upstream.requestFor('/o/dam')
  const taken = await settle(() => poured.taken)
  t.ok(taken < TOTAL / 2, `the client got rid of ${taken} of ${TOTAL} bytes`)
  const grown = (await gate.sidegate.residentKib()) - before
  t.ok(grown < 80_000, `memory grew by ${grown} KiB`)
  release()
  t.equal((await client.answer()).body, 'done')
})

t.test('nothing of that told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
