/**
 * What does not fit in one write, through every form that ends here: WebSockets, events without end,
 * large bodies both ways, trailers; always with the one credential of the connection.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { forms } from '../../harness/egress-forms.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { secrets, upstreamTarget } from '../../harness/egress-world.ts'
import { answer } from '../../harness/recording-upstream.ts'

t.setTimeout(120_000)

const gate = await startEgressGate(t)
const upstream = gate.world.upstreams.key
const large = Buffer.alloc(8 * 1024 * 1024, 'sidegate-0123456789-')
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const offer =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const accept =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

for (const [index, form] of forms.entries()) {
  const rest = (what: string) => `/${what}-${index}`
  const seen = (what: string) => upstreamTarget('key', rest(what))
  const checkKey = (t: { strictSame(a: unknown, b: unknown): unknown }, what: string): void => {
    const keys = upstream.requestsFor(seen(what)).map((request) => request.values('x-api-key'))
    t.strictSame(keys, [[secrets.key]])
  }

  t.test(`a WebSocket: ${form.name}`, async (t) => {
    upstream.scripts.set(seen('ws'), (_request, socket) => socket.write(`${accept}hello`))
    const way = await form.open(t, gate, 'key')
    way.client.expect('GET')
    await way.client.send(`GET ${way.target(rest('ws'))} HTTP/1.1\r\n${way.host}${offer}\r\n`)
    await eventually('the greeting', () => way.client.answers[0]?.body === 'hello')
    t.equal(way.client.answers[0]?.status, 101)
    await way.client.send('raw \x00\xff bytes')
    const { connection } = await upstream.requestFor(seen('ws'))
    await eventually('the bytes', () =>
      Buffer.concat(connection.chunks).toString('latin1').endsWith('\r\n\r\nraw \x00\xff bytes'),
    )
    checkKey(t, 'ws')
    way.client.destroy()
  })

  t.test(`events come one by one: ${form.name}`, async (t) => {
    let tell = (): void => undefined
    const told = new Promise<void>((resolve) => (tell = resolve))
    upstream.scripts.set(seen('sse'), async (_request, socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n',
      )
      await told
      socket.write('9\r\ndata: 2\n\n\r\n0\r\n\r\n')
    })
    const way = await form.open(t, gate, 'key')
    way.client.expect('GET')
    await way.client.send(`GET ${way.target(rest('sse'))} HTTP/1.1\r\n${way.host}\r\n`)
    await eventually('the first event', () => way.client.answers[0]?.body === 'data: 1\n\n')
    tell()
    t.equal((await way.client.answer()).body, 'data: 1\n\ndata: 2\n\n')
    checkKey(t, 'sse')
  })

  t.test(`8 MiB up and down, whole: ${form.name}`, async (t) => {
    upstream.scripts.set(seen('big'), async (request, socket) => {
      await request.whole
      socket.write(answer(200, [['X-Sum', sha256(request.body)]], large.toString('latin1')))
    })
    const way = await form.open(t, gate, 'key')
    way.client.expect('PUT')
    await way.client.send(
      `PUT ${way.target(rest('big'))} HTTP/1.1\r\n${way.host}Content-Length: ${large.length}\r\n\r\n`,
    )
    way.client.socket.write(large)
    await eventually('the whole answer', () => way.client.answers[0]?.isComplete === true, 30_000)
    const found = await way.client.answer()
    t.equal(found.header('x-sum'), sha256(large))
    t.equal(sha256(Buffer.from(found.body, 'latin1')), sha256(large))
    checkKey(t, 'big')
  })

  t.test(`trailers pass both ways, but no credential in them: ${form.name}`, async (t) => {
    upstream.scripts.set(seen('trailers'), async (request, socket) => {
      await request.whole
      socket.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nWWW-Authenticate: Basic\r\n\r\n',
      )
    })
    const way = await form.open(t, gate, 'key')
    const found = await way.client.request(
      `POST ${way.target(rest('trailers'))} HTTP/1.1\r\n${way.host}TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-API-Key: forged\r\n\r\n`,
    )
    t.equal(found.body, 'abc')
    t.notMatch(JSON.stringify(found.message.trailers), /authenticate/i)
    const [request] = upstream.requestsFor(seen('trailers'))
    t.equal(request?.body.toString('latin1'), 'abc')
    t.notMatch(JSON.stringify(request?.message), 'forged')
    checkKey(t, 'trailers')
  })
}

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(upstream.smuggled, [])
  t.strictSame(upstream.scriptErrors, [])
  await gate.check(t)
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
