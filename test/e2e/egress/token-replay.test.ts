/**
 * The API says 401 to a token that had been good: one new token, one replay; and all the cases in
 * which the application gets the 401. Every connection has a definition of its own and all of them
 * are warmed first, so that the five seconds are waited for once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { World } from '../../harness/egress-world.ts'
import { answer } from '../../harness/recording-upstream.ts'
import { sendJson } from '../../oauth/token-server.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const { tokens } = world
const upstream = world.upstreams.token

const endings = ['closed', 'unframed', 'unannounced', 'reset'] as const
const names = [
  ...['get', 'post', 'chunked', 'large', 'socket', 'failing', 'forbidden', 'again', 'twice'],
  ...['young', ...endings],
]

const gate = await startEgressGate(
  t,
  {
    security: names.map((name) => ({
      name: `${name}-token`,
      type: 'bearer_token',
      username: `${name}-client`,
      password: '${env:CLIENT_SECRET}',
      auth_server_url: `${tokens.url}/${name}`,
    })),
    outgoing: names.map((name) => ({
      name,
      url: `http://${world.authorityOf('token', 'http')}/${name}`,
      security: `${name}-token`,
    })),
  },
  world,
)

const head = (name: string, method = 'GET') => `${method} /${name}/x HTTP/1.1\r\n${gate.host}`
const fetches = (name: string) =>
  tokens.requests.filter(({ url }) => url === `/token/${name}`).length
const requests = (name: string) => upstream.requestsFor(`/${name}/x`)

/** From now on the API knows only tokens that are fetched later. */
function revoke(name: string, status = 401): void {
  const [old] = requests(name).at(-1)?.values('authorization') ?? []
  upstream.scripts.set(`/${name}/x`, async (request, socket) => {
    await request.whole
    const [value] = request.values('authorization')
    const isOld = value === old
    socket.write(
      answer(isOld ? status : 200, [], isOld ? 'revoked' : request.body.toString('latin1')),
    )
  })
}

t.test('a 401 to a token younger than 5 s is the answer', async (t) => {
  for (const name of names) {
    if (name !== 'young') t.equal((await gate.ask(t, `${head(name)}\r\n`)).status, 200)
  }
  const warmAt = performance.now()
  t.equal((await gate.ask(t, `${head('young')}\r\n`)).status, 200)
  revoke('young')
  t.equal((await gate.ask(t, `${head('young')}\r\n`)).status, 401)
  t.equal(fetches('young'), 1)
  // The clock of the rule is the program's own.
  await sleep(Math.max(0, 5_300 - (performance.now() - warmAt)))
})

t.test('a GET is replayed with a new token, and the app sees one answer', async (t) => {
  revoke('get')
  const client = await gate.connect(t)
  t.equal((await client.request(`${head('get')}\r\n`)).status, 200)
  t.equal(fetches('get'), 2)
  const [, first, second, ...more] = requests('get')
  t.strictSame(more, [])
  t.equal(second?.message.startLine, first?.message.startLine)
  t.not(second?.values('authorization')[0], first?.values('authorization')[0])
  t.equal(second?.values('authorization').length, 1)
  t.equal((await client.request(`${head('get')}\r\n`)).status, 200)
  t.equal(fetches('get'), 2, 'the new one is kept')
  await gate.check(t, client)
})

const body = 'x'.repeat(64 * 1024)

t.test('a body of up to 64 KiB is replayed whole, in either framing', async (t) => {
  revoke('post')
  const posted = await gate.ask(
    t,
    `${head('post', 'POST')}Content-Length: ${body.length}\r\n\r\n${body}`,
  )
  t.strictSame([posted.status, posted.body.length], [200, body.length])
  revoke('chunked')
  const chunked = await gate.ask(
    t,
    `${head('chunked', 'PUT')}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
  )
  t.strictSame([chunked.status, chunked.body], [200, 'abcde'])
  for (const name of ['post', 'chunked']) {
    t.equal(requests(name).length, 3)
    t.ok(requests(name).every(({ isComplete }) => isComplete))
  }
})

t.test('a larger body is not replayed: the app gets the 401', async (t) => {
  revoke('large')
  const large = `${body}y`
  const { status } = await gate.ask(
    t,
    `${head('large', 'POST')}Content-Length: ${large.length}\r\n\r\n${large}`,
  )
  t.equal(status, 401)
  await eventually('the new token', () => fetches('large') === 2)
  t.equal(requests('large').length, 2)
  t.equal((await gate.ask(t, `${head('large')}\r\n`)).status, 200, 'the next call has a new token')
})

t.test('a WebSocket is not replayed either, and its token is not kept', async (t) => {
  revoke('socket')
  const opening = `${head('socket')}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  t.equal((await gate.ask(t, opening)).status, 401)
  await eventually('the new token', () => fetches('socket') === 2)
})

/** How an upstream may end a connection while its 401 is held. */
const refusals: Readonly<Record<(typeof endings)[number], string>> = {
  closed: 'HTTP/1.1 401 Scripted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  unframed: 'HTTP/1.1 401 Scripted\r\n\r\n',
  unannounced: 'HTTP/1.1 401 Scripted\r\nContent-Length: 0\r\n\r\n',
  reset: 'HTTP/1.1 401 Scripted\r\nContent-Length: 0\r\n\r\n',
}

for (const ending of endings) {
  t.test(
    `a 401 behind which the upstream ends the connection is replayed: ${ending}`,
    async (t) => {
      const [old] = requests(ending).at(-1)?.values('authorization') ?? []
      upstream.scripts.set(`/${ending}/x`, (request, socket) => {
        if (request.values('authorization')[0] !== old) {
          socket.write(answer(200, [], 'mine'))
          return
        }
        socket.write(refusals[ending])
        if (ending === 'reset') setTimeout(() => socket.resetAndDestroy(), 20)
        else socket.end()
      })
      const usual = tokens.answer
      // The end comes while the answer is held.
      tokens.answer = (...parts) => {
        setTimeout(() => usual(...parts), 200)
      }
      const found = await gate.ask(t, `${head(ending)}\r\n`)
      t.strictSame([found.status, found.body], [200, 'mine'])
      tokens.answer = usual
    },
  )
}

t.test('a held 401 is passed on whole though the upstream has ended the connection', async (t) => {
  revoke('young')
  upstream.scripts.set('/young/x', (_request, socket) => {
    socket.end(refusals.closed)
  })
  const usual = tokens.answer
  tokens.answer = (response) => {
    setTimeout(() => sendJson(response, { error: 'temporarily_unavailable' }, 503), 200)
  }
  const client = await gate.connect(t)
  t.equal((await client.request(`${head('young')}\r\n`)).status, 401)
  tokens.answer = usual
})

t.test('a fetch that fails leaves the app with the 401 of the API', async (t) => {
  revoke('failing')
  const usual = tokens.answer
  tokens.answer = (response) => {
    sendJson(response, { error: 'temporarily_unavailable' }, 503)
  }
  const found = await gate.ask(t, `${head('failing')}\r\n`)
  t.strictSame([found.status, found.body, found.code], [401, 'revoked', undefined])
  t.equal(requests('failing').length, 2)
  tokens.answer = usual
})

t.test('a 403 never makes a replay', async (t) => {
  revoke('forbidden', 403)
  t.equal((await gate.ask(t, `${head('forbidden')}\r\n`)).status, 403)
  t.equal(fetches('forbidden'), 1)
  t.equal(requests('forbidden').length, 2)
})

t.test('an API that refuses every token costs one fetch and one replay', async (t) => {
  upstream.scripts.set('/again/x', (_request, socket) => socket.write(answer(401, [], 'never')))
  for (let at = 0; at < 3; at++) {
    const found = await gate.ask(t, `${head('again')}\r\n`)
    t.strictSame([found.status, found.body], [401, 'never'])
  }
  t.equal(fetches('again'), 2)
  t.equal(requests('again').length, 5, 'the warm one, one and its replay, and two')
})

t.test('many calls that are refused at once share one new token', async (t) => {
  revoke('twice')
  const found = await Promise.all(
    Array.from({ length: 20 }, () => gate.ask(t, `${head('twice')}\r\n`)),
  )
  t.strictSame(new Set(found.map(({ status }) => status)), new Set([200]))
  t.equal(fetches('twice'), 2)
  await gate.check(t)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(upstream.smuggled, [])
  t.strictSame(upstream.scriptErrors, [])
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
