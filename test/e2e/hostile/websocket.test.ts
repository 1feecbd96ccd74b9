/** WebSockets: nothing flows before a 101, only a 101 opens, and what is no WebSocket stays closed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { once } from 'node:events'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '../../harness/eventually.ts'
import { host, mobileKey, secrets, startGate } from '../../harness/hostile-gate.ts'
import { identitiesIn } from '../../harness/invariants.ts'
import { answer } from '../../harness/recording-upstream.ts'

t.setTimeout(120_000)

const gate = await startGate(t)

const offer =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const accept =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

function upgrade(path: string, lines = '', protocol = offer): string {
  return `GET ${path} HTTP/1.1\r\n${host}${lines}${protocol}\r\n`
}

/** Bytes behind the request head on the upstream connection of this path. */
async function bytesBehind(path: string): Promise<string> {
  const { connection } = await gate.upstream.requestFor(path)
  const text = Buffer.concat(connection.chunks).toString('latin1')
  return text.slice(text.lastIndexOf('\r\n\r\n') + 4)
}

t.test(
  'an upgrade without credentials is 401 and puts no byte on an upstream connection',
  async (t) => {
    const mark = gate.invariants.mark()
    for (const cut of ['whole', 'bytes'] as const) {
      const client = await gate.connect(t)
      await client.send(`${upgrade('/p/ws')}GET /o/never HTTP/1.1\r\n${host}\r\n`, cut)
      const { code } = await client.answer()
      t.equal(code, 'unauthorized')
      await eventually(
        'the end or one more answer',
        () => client.isEnded || client.answers.length > 1,
      )
      t.ok(client.answers.length <= 2)
      client.destroy()
    }
    t.strictSame(gate.upstream.requestsFor('/p/ws'), [])
    gate.invariants.check(t, mark, { letIn: [null, null] })
  },
)

t.test('bytes flow both ways after a 101, and both ends close together', async (t) => {
  gate.upstream.scripts.set('/p/open', (_request, socket) => socket.write(`${accept}hello`))
  const client = await gate.connect(t)
  client.expect('GET')
  await client.send(upgrade('/p/open', mobileKey))
  await eventually('a greeting', () => client.answers[0]?.body === 'hello')
  await client.send('raw \x00\xff bytes')
  await eventually('the bytes', async () => (await bytesBehind('/p/open')) === 'raw \x00\xff bytes')
  const request = await gate.upstream.requestFor('/p/open')
  t.strictSame(identitiesIn(request), ['mobile'])
  t.strictSame(request.values('x-api-key'), [])
  t.strictSame(request.values('sec-websocket-key'), ['dGhlIHNhbXBsZSBub25jZQ=='])
  t.match(request.values('upgrade').join(), /^websocket$/i)
  client.destroy()
  await eventually('the upstream side to close', () => request.connection.isClosed)
})

t.test('bytes that come before the 101 never flow before it', async (t) => {
  // A smuggled request would wait on the upstream connection for an answer that is no 101.
  let open: () => void = () => undefined
  gate.upstream.scripts.set('/p/wait', (_request, socket) => {
    open = () => socket.write(accept)
  })
  const client = await gate.connect(t)
  await client.send(
    `${upgrade('/p/wait', mobileKey)}GET /p/hidden HTTP/1.1\r\n${host}X-Authenticated-User: root\r\n\r\n`,
  )
  await gate.upstream.requestFor('/p/wait')
  await client.send('more')
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(await bytesBehind('/p/wait'), '')
  open()
  await eventually('a 101', () => client.answers[0]?.status === 101)
})

const others: Readonly<Record<string, string>> = {
  'a 200': answer(200, [], 'no'),
  'a 426': answer(426, [], 'no'),
  'a chunked 403': 'HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
  'a 200 that offers an upgrade':
    'HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno',
}

for (const [claim, bytes] of Object.entries(others)) {
  t.test(`${claim} to an upgrade is relayed, and the socket closed`, async (t) => {
    const path = `/p/no-${claim.replace(/ /g, '-')}`
    gate.upstream.scripts.set(path, (_request, socket) => socket.write(bytes))
    const client = await gate.connect(t)
    await client.send(
      `${upgrade(path, mobileKey)}GET /p/hidden HTTP/1.1\r\n${host}X-Authenticated-User: root\r\n\r\n`,
    )
    await client.ended()
    t.equal(client.answers.length, 1)
    t.equal(client.answers[0]?.body, 'no')
    t.not(client.answers[0]?.status, 101)
    t.equal(await bytesBehind(path), '', 'what followed the request went nowhere')
    t.strictSame(gate.upstream.requestsFor('/p/hidden'), [])
  })
}

const malformed: Readonly<Record<string, string>> = {
  'an answer that is not HTTP': 'SSH-2.0\r\n\r\n',
  'a 101 that is not whole': 'HTTP/1.1 101 Switching Protocols\r\nConn',
  'a 101 to another protocol':
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
  'a 101 without Upgrade': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
}

for (const [claim, bytes] of Object.entries(malformed)) {
  t.test(`${claim} to an upgrade is 502 and opens nothing`, async (t) => {
    const path = `/p/bad-${claim.replace(/ /g, '-')}`
    gate.upstream.scripts.set(path, (_request, socket) => socket.end(bytes))
    const client = await gate.connect(t)
    await client.send(`${upgrade(path, mobileKey)}\x81\x00`)
    await client.ended()
    t.strictSame(
      client.answers.map(({ status, code }) => [status, code]),
      [[502, 'upstream_failed']],
    )
  })
}

const swallowsFaults = Number.parseInt(process.versions.node) >= 26

t.test('an upgrade with a body is refused, or its body stays a body', async (t) => {
  const mark = gate.invariants.mark()
  gate.upstream.scripts.set('/p/with-body', (_request, socket) => socket.write(accept))
  const hidden = `GET /p/hidden HTTP/1.1\r\n${host}X-Authenticated-User: root\r\n\r\n`
  for (const framing of [
    `Content-Length: ${hidden.length}\r\n`,
    'Transfer-Encoding: chunked\r\n',
  ]) {
    const client = await gate.connect(t)
    await client.send(upgrade('/p/with-body', mobileKey + framing) + hidden)
    // Node 26 does not tell that such a chunk is malformed: there it ends with `body_idle`.
    if (swallowsFaults && framing.startsWith('Transfer')) await sleep(500)
    else await eventually('an answer or the end', () => client.answers.length > 0 || client.isEnded)
    client.destroy()
  }
  t.strictSame(gate.upstream.requestsFor('/p/hidden'), [])
  gate.invariants.check(t, mark, { letIn: ['mobile', 'mobile'] })
})

t.test('spellings of the offer mean the same', async (t) => {
  for (const [i, protocol] of [
    offer.replace('websocket', 'WebSocket'),
    offer.replace('Connection: Upgrade', 'connection: keep-alive, upgrade'),
    offer.replace('Connection: Upgrade', 'Connection: keep-alive\r\nConnection: Upgrade'),
  ].entries()) {
    const path = `/p/spelled-${i}`
    gate.upstream.scripts.set(path, (_request, socket) => socket.write(accept))
    const client = await gate.connect(t)
    await client.send(upgrade(path, mobileKey, protocol))
    await eventually('a 101', () => client.answers[0]?.status === 101)
    client.destroy()
  }
})

t.test('a spoofed identity in an upgrade never arrives', async (t) => {
  gate.upstream.scripts.set('/p/spoof', (_request, socket) => socket.write(accept))
  const client = await gate.connect(t)
  await client.send(
    upgrade(
      '/p/spoof',
      `${mobileKey}X-Authenticated-User: root\r\nX_Authenticated_User: root\r\n`,
      offer.replace('Upgrade\r\n', 'Upgrade, X-Authenticated-User\r\n'),
    ),
  )
  const request = await gate.upstream.requestFor('/p/spoof')
  t.strictSame(identitiesIn(request), ['mobile'])
})

t.test('a client that leaves before the 101 takes its upstream socket along', async (t) => {
  gate.upstream.scripts.set('/p/leaves', () => undefined)
  const client = await gate.connect(t)
  await client.send(upgrade('/p/leaves', mobileKey))
  const { connection } = await gate.upstream.requestFor('/p/leaves')
  client.destroy()
  await eventually('the upstream side to close', () => connection.isClosed)
})

t.test('an upstream that leaves closes the client', async (t) => {
  gate.upstream.scripts.set('/p/drops', (_request, socket) => {
    socket.write(accept)
    setTimeout(() => socket.destroy(), 30)
  })
  const client = await gate.connect(t)
  await client.send(upgrade('/p/drops', mobileKey))
  await client.ended()
  t.equal(client.answers[0]?.status, 101)
})

t.test('a reset on one side ends the other', async (t) => {
  gate.upstream.scripts.set('/p/reset', (_request, socket) => socket.write(accept))
  for (const [i, side] of (['client', 'upstream'] as const).entries()) {
    const client = await gate.connect(t)
    await client.send(upgrade('/p/reset', mobileKey))
    await eventually('a 101', () => client.answers[0]?.status === 101)
    const { connection } = await gate.upstream.requestFor('/p/reset', i)
    if (side === 'client') client.socket.resetAndDestroy()
    else connection.socket.resetAndDestroy()
    await eventually('both ends', () => connection.isClosed && client.isEnded)
  }
  t.pass('both were closed')
})

t.test('with a real client and a real server', async (t) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.after(() => {
    server.close()
  })
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const real = await startGate(t, {
    channels: [
      { name: 'ws', path: '/ws', security: 'mobile', upstream: `http://127.0.0.1:${port}` },
    ],
  })
  server.on('connection', (socket, request) => {
    socket.send(String(request.headers['x-authenticated-user']))
    socket.on('message', (data) => {
      socket.send(data)
    })
  })
  const refused = new WebSocket(`ws://127.0.0.1:${real.port}/ws`)
  const [error] = (await once(refused, 'error')) as [Error]
  t.match(error.message, '401')
  const socket = new WebSocket(`ws://127.0.0.1:${real.port}/ws`, {
    headers: { 'X-API-Key': secrets.mobile },
  })
  const messages: string[] = []
  socket.on('message', (data: Buffer) => messages.push(data.toString()))
  await once(socket, 'open')
  const large = 'x'.repeat(1_000_000)
  socket.send(large)
  await eventually('both messages', () => messages.length === 2)
  t.strictSame(messages, ['mobile', large])
  real.sidegate.child.kill('SIGTERM')
  const [code] = (await once(socket, 'close')) as [number]
  t.equal(code, 1001, 'draining says 1001')
  t.equal(await real.sidegate.exited(), 0)
  server.close()
})

t.test('nothing of that told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
