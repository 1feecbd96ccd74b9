/** The end of a Sidegate: what is under way finishes, nothing new begins, and the exit code tells. */
import t from 'tap'
import { eventually } from '../harness/eventually.ts'
import { host, mobileKey, startGate } from '../harness/hostile-gate.ts'
import { answer } from '../harness/recording-upstream.ts'

t.setTimeout(120_000)

const get = (path: string) => `GET ${path} HTTP/1.1\r\n${host}\r\n`

t.test('SIGTERM lets a request finish, says Connection: close, and ends with 0', async (t) => {
  const gate = await startGate(t, { shutdown: { drain_delay: '0s', drain_timeout: '10s' } })
  let finish: () => void = () => undefined
  gate.upstream.scripts.set('/p/slow', async (_request, socket) => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    socket.write(answer(200, [], 'slow'))
  })
  const client = await gate.connect(t)
  await client.send(`GET /p/slow HTTP/1.1\r\n${host}${mobileKey}\r\n`)
  await gate.upstream.requestFor('/p/slow')
  const idle = await gate.connect(t)
  await idle.request(get('/o/x'))
  gate.sidegate.child.kill('SIGTERM')
  await eventually(
    '/readyz to be 503',
    async () => (await gate.sidegate.admin('/readyz')).status === 503,
  )
  t.equal((await gate.sidegate.admin('/livez')).status, 200, 'alive while draining')
  await idle.ended()
  t.pass('an idle connection was closed')
  finish()
  const slow = await client.answer()
  t.strictSame([slow.status, slow.body, slow.isComplete], [200, 'slow', true])
  t.match(slow.header('connection'), /^close$/i)
  t.equal(await gate.sidegate.exited(), 0)
})

t.test('during drain_delay new requests are served, while /readyz says 503 at once', async (t) => {
  const gate = await startGate(t, { shutdown: { drain_delay: '1500ms', drain_timeout: '2s' } })
  gate.sidegate.child.kill('SIGTERM')
  await eventually(
    '/readyz to be 503',
    async () => (await gate.sidegate.admin('/readyz')).status === 503,
  )
  const client = await gate.connect(t)
  t.equal((await client.request(get('/o/x'))).status, 200)
  t.equal(await gate.sidegate.exited(), 0)
  await t.rejects(gate.connect(t), 'nobody listens any more')
})

// node:http does not count a connection without a request as idle.
t.test('a connection that never sent a request does not hold up the end', async (t) => {
  const gate = await startGate(t, { shutdown: { drain_delay: '0s', drain_timeout: '1h' } })
  await gate.connect(t)
  gate.sidegate.child.kill('SIGTERM')
  t.equal(await gate.sidegate.exited(), 0)
})

t.test('a request that does not finish is cut after drain_timeout', async (t) => {
  const gate = await startGate(t, { shutdown: { drain_delay: '0s', drain_timeout: '500ms' } })
  gate.upstream.scripts.set('/o/never', (_request, socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'),
  )
  const client = await gate.connect(t)
  await client.send(get('/o/never'))
  await eventually('the beginning', () => client.answers.length === 1)
  gate.sidegate.child.kill('SIGTERM')
  await client.ended()
  t.equal(client.answers[0]?.isComplete, false, 'and does not look whole')
  t.type(await gate.sidegate.exited(), 'number')
})

t.test('a second signal ends it at once', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const gate = await startGate(t, { shutdown: { drain_delay: '1m', drain_timeout: '1m' } })
    gate.upstream.scripts.set('/o/never', () => undefined)
    const client = await gate.connect(t)
    await client.send(get('/o/never'))
    await gate.upstream.requestFor('/o/never')
    gate.sidegate.child.kill('SIGTERM')
    await eventually(
      '/readyz to be 503',
      async () => (await gate.sidegate.admin('/readyz')).status === 503,
    )
    gate.sidegate.child.kill(signal)
    await eventually('the end', () => !gate.sidegate.isAlive, 5_000)
    t.pass('it ended')
  }
})

t.test('Ctrl-C does not wait for drain_delay', async (t) => {
  const gate = await startGate(t, { shutdown: { drain_delay: '1m', drain_timeout: '1m' } })
  gate.sidegate.child.kill('SIGINT')
  await eventually('the end', () => !gate.sidegate.isAlive, 5_000)
  t.equal(await gate.sidegate.exited(), 0)
})

t.end()
