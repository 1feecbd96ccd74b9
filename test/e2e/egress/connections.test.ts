/**
 * Many hosts through one client connection: every answer belongs to its request, every upstream sees
 * its own requests alone, and each with its own credential, pipelined or not.
 */
import t from 'tap'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { kinds, slots, upstreamTarget, type Kind } from '../../harness/egress-world.ts'
import { openTunnel, readFrom, secureTunnel } from '../../harness/egress-tunnel.ts'
import type { RawClient } from '../../harness/raw-client.ts'

t.setTimeout(60_000)

const gate = await startEgressGate(t)
const { world } = gate

interface Call {
  readonly kind: Kind
  readonly method: string
  readonly rest: string
  readonly text: string
}

/** Calls to all upstreams in turn, by NAME and by URL, of both schemes, with and without bodies. */
function planCalls(mark: string, count: number): Call[] {
  return Array.from({ length: count }, (_, at) => {
    const kind = kinds[(at * 7 + Math.floor(at / 4)) % kinds.length] ?? 'key'
    const rest = `/${mark}-${at}`
    const isPost = at % 3 === 1
    const method = isPost ? 'POST' : 'GET'
    const body = `body of ${at}`
    const framing = isPost ? `Content-Length: ${body.length}\r\n\r\n${body}` : '\r\n'
    const scheme = at % 5 < 3 ? 'http' : 'https'
    const authority = world.authorityOf(kind, scheme)
    const name = scheme === 'http' ? kind : `${kind}-tls`
    const text =
      at % 2 === 0
        ? `${method} /${name}${rest} HTTP/1.1\r\n${gate.host}${framing}`
        : `${method} ${scheme}://${authority}${upstreamTarget(kind, rest)} HTTP/1.1\r\nHost: ${authority}\r\n${framing}`
    return { kind, method, rest, text }
  })
}

/** What the echoing upstream of a call says. */
const echoOf = ({ kind, method, rest }: Call) => `${method} ${upstreamTarget(kind, rest)}`

/** Every upstream has seen exactly its own calls, once, with its own credential. */
function findCrossings(mark: string, calls: readonly Call[]): string[] {
  return kinds.flatMap((kind) => {
    const seen = world.upstreams[kind].requests.filter(({ target }) => target.includes(`/${mark}-`))
    const wanted = calls.filter((call) => call.kind === kind).map(echoOf)
    const got = seen.map(({ method, target }) => `${method} ${target}`)
    const slot = slots[kind]
    const wrong = seen.filter((request) => {
      const values = [...request.values('authorization'), ...request.values('x-api-key')]
      const own = slot === undefined ? [] : [world.credentialOf(kind)]
      return JSON.stringify(values) !== JSON.stringify(own)
    })
    return [
      ...(JSON.stringify([...got].sort()) === JSON.stringify([...wanted].sort())
        ? []
        : [`${kind} saw ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`]),
      ...wrong.map(({ target }) => `${kind} saw ${target} with another credential`),
    ]
  })
}

const answersOf = (client: RawClient) => client.answers.map(({ body }) => body)

t.test('one after the other, hosts and forms mixed on one connection', async (t) => {
  const calls = planCalls('turns', 60)
  const client = await gate.connect(t)
  for (const { text } of calls) await client.request(text)
  t.strictSame(answersOf(client), calls.map(echoOf))
  t.strictSame(findCrossings('turns', calls), [])
  await gate.check(t, client)
})

for (const cut of ['whole', 'random'] as const) {
  t.test(`pipelined, hosts and forms mixed on one connection, sent ${cut}`, async (t) => {
    const mark = `piped-${cut}`
    const calls = planCalls(mark, 40)
    const client = await gate.connect(t)
    client.expect(...calls.map(({ method }) => method))
    await client.send(calls.map(({ text }) => text).join(''), cut)
    await client.answer(calls.length - 1)
    t.strictSame(answersOf(client), calls.map(echoOf))
    t.strictSame(findCrossings(mark, calls), [])
    await gate.check(t, client)
  })
}

t.test('a slow upstream does not make the answer of another come first', async (t) => {
  world.upstreams.key.scripts.set('/base/v1/slow', (_request, socket) => {
    setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow'), 50)
  })
  const client = await gate.connect(t)
  client.expect('GET', 'GET')
  await client.send(
    `GET /key/slow HTTP/1.1\r\n${gate.host}\r\nGET /basic/fast HTTP/1.1\r\n${gate.host}\r\n`,
  )
  await client.answer(1)
  t.strictSame(answersOf(client), ['slow', 'GET /fast'])
})

t.test('a refusal in between leaves the connection in step', async (t) => {
  const client = await gate.connect(t)
  t.equal((await client.request(`GET /key/a HTTP/1.1\r\n${gate.host}\r\n`)).status, 200)
  t.equal((await client.request(`GET /nobody/a HTTP/1.1\r\n${gate.host}\r\n`)).status, 404)
  const { body } = await client.request(`GET /open/a HTTP/1.1\r\n${gate.host}\r\n`)
  t.equal(body, 'GET /base/a')
  t.equal(client.isEnded, false)
})

t.test('twenty connections at once, each with its own mixture, never cross', async (t) => {
  const clients = await Promise.all(
    Array.from({ length: 20 }, async (_, number) => {
      const calls = planCalls(`crowd${number}`, 20)
      const client = await gate.connect(t)
      for (const { text } of calls) await client.request(text)
      t.strictSame(answersOf(client), calls.map(echoOf))
      return { number, calls, client }
    }),
  )
  for (const { number, calls } of clients) {
    t.strictSame(findCrossings(`crowd${number}`, calls), [])
  }
  await gate.check(t, ...clients.map(({ client }) => client))
})

t.test('requests pipelined inside an intercepted tunnel stay in order', async (t) => {
  const authority = world.authorityOf('key', 'https')
  const plain = await openTunnel(t, gate.port, authority)
  const ca = world.interceptor.cert
  const client = readFrom(await secureTunnel(t, plain, { host: '127.0.0.1', ca }))
  const rests = Array.from({ length: 20 }, (_, at) => `/inner-${at}`)
  client.expect(...rests.map(() => 'GET'))
  const texts = rests.map(
    (rest) => `GET ${upstreamTarget('key', rest)} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
  )
  await client.send(texts.join(''))
  await client.answer(rests.length - 1)
  t.strictSame(
    answersOf(client),
    rests.map((rest) => `GET ${upstreamTarget('key', rest)}`),
  )
  await gate.check(t, client)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  for (const kind of kinds) t.strictSame(world.upstreams[kind].smuggled, [])
  t.equal(await gate.sidegate.stop(), 0)
})
