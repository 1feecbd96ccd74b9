/** Sent twice or not: only an idempotent request without body, on a reused socket that gave no byte. */
import t from 'tap'
import { host, mobileKey, startGate, type Gate } from '../../harness/hostile-gate.ts'
import { answer, type UpstreamRequest } from '../../harness/recording-upstream.ts'

let count = 0

/** A gate with exactly one upstream socket in its pool, which has answered once. */
async function warm(test: typeof t): Promise<Gate> {
  const gate = await startGate(test)
  const client = await gate.connect(test)
  await client.request(`GET /o/warm HTTP/1.1\r\n${host}\r\n`)
  client.destroy()
  return gate
}

t.setTimeout(120_000)

const gate = await warm(t)

/** Warms a socket up, then has the upstream do this to the first request that comes on it. */
async function strike(
  request: string,
  act: (request: UpstreamRequest) => void,
): Promise<{ status: number; code: string | undefined; seen: readonly UpstreamRequest[] }> {
  const path = `/o/strike-${++count}`
  const warmer = await gate.connect(t)
  await warmer.request(`GET /o/warm HTTP/1.1\r\n${host}\r\n`)
  let struck = false
  gate.upstream.scripts.set(path, async (arrived, socket) => {
    if (struck) {
      await arrived.whole
      socket.write(answer(200, [], 'second'))
      return
    }
    struck = true
    act(arrived)
  })
  const client = await gate.connect(t)
  const { status, code } = await client.request(request.replace('PATH', path))
  warmer.destroy()
  client.destroy()
  return { status, code, seen: gate.upstream.requestsFor(path) }
}

const close = ({ connection }: UpstreamRequest) => connection.socket.destroy()
const reset = ({ connection }: UpstreamRequest) => connection.socket.resetAndDestroy()
const closeAfterByte = ({ connection }: UpstreamRequest) => {
  connection.socket.write('H')
  setTimeout(() => connection.socket.destroy(), 30)
}

for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']) {
  t.test(
    `${method} without body on a reused socket that was closed is sent once more`,
    async (t) => {
      for (const act of [close, reset]) {
        const { status, seen } = await strike(`${method} PATH HTTP/1.1\r\n${host}\r\n`, act)
        t.equal(seen[0]?.connection.requests.length !== 1, true, 'the socket had been used before')
        t.equal(status, 200)
        t.equal(seen.length, 2, 'once more, on another socket')
        t.not(seen[0]?.connection.id, seen[1]?.connection.id)
      }
    },
  )
}

const once: readonly [claim: string, request: string][] = [
  ['POST with a body', `POST PATH HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`],
  ['POST without body', `POST PATH HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`],
  ['PATCH', `PATCH PATH HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`],
  ['PUT with a body', `PUT PATH HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`],
  ['GET with a body', `GET PATH HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`],
  [
    'DELETE with chunks',
    `DELETE PATH HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  ],
]

for (const [claim, request] of once) {
  // Sent twice, a payment is made twice.
  t.test(`${claim} is never sent twice`, async (t) => {
    for (const act of [close, reset, closeAfterByte]) {
      const { status, code, seen } = await strike(request, act)
      t.strictSame([status, code], [502, 'upstream_failed'])
      t.equal(seen.length, 1)
    }
  })
}

t.test('a GET is not sent again once a byte of an answer has come', async (t) => {
  const { status, code, seen } = await strike(`GET PATH HTTP/1.1\r\n${host}\r\n`, closeAfterByte)
  t.strictSame([status, code], [502, 'upstream_failed'])
  t.equal(seen.length, 1)
})

t.test('a GET on a fresh socket is not sent again', async (t) => {
  const fresh = await startGate(t)
  fresh.upstream.scripts.set('/o/first', close)
  const client = await fresh.connect(t)
  const { status, code } = await client.request(`GET /o/first HTTP/1.1\r\n${host}\r\n`)
  t.strictSame([status, code], [502, 'upstream_failed'])
  t.equal(fresh.upstream.requestsFor('/o/first').length, 1)
})

t.test('a GET whose every socket is closed is sent twice at most', async (t) => {
  const path = '/o/always'
  gate.upstream.scripts.set(path, close)
  for (let i = 0; i < 3; i++) {
    const client = await gate.connect(t)
    await client.request(`GET /o/warm HTTP/1.1\r\n${host}\r\n`)
    const before = gate.upstream.requestsFor(path).length
    const { code } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    t.equal(code, 'upstream_failed')
    t.ok(gate.upstream.requestsFor(path).length - before <= 2)
  }
})

t.test(
  'a socket that the upstream closes while idle is not an error for the next POST',
  async (t) => {
    const client = await gate.connect(t)
    for (let i = 0; i < 5; i++) {
      await client.request(`GET /p/idle HTTP/1.1\r\n${host}${mobileKey}\r\n`)
      for (const { socket } of gate.upstream.connections) socket.end()
      await new Promise((resolve) => setTimeout(resolve, 30))
      const answered = await client.request(
        `POST /p/idle HTTP/1.1\r\n${host}${mobileKey}Content-Length: 2\r\n\r\nhi`,
      )
      t.equal(answered.status, 200)
    }
  },
)

t.test('nothing of that told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
