/** No token, no request: what the token server can do wrong, and that the API sees nothing of it. */
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { expectRefusal, refuses } from '../../harness/egress-refusal.ts'
import { World } from '../../harness/egress-world.ts'
import { sendJson } from '../../oauth/token-server.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const { tokens } = world

/** What a token server says must reach neither the application nor the log. */
const LEAK = 'leak+of/the-token-server/Wq8ZtY3rBn=='
world.canary.guard(LEAK)

type Respond = Parameters<(typeof tokens)['answer']>[0]

const usual = { access_token: `${LEAK}token`, token_type: 'Bearer', expires_in: 60 }

/** Each has a definition of its own: failures are remembered. */
const failures: Readonly<Record<string, readonly [claim: string, answer: (r: Respond) => void]>> = {
  broken: ['a 500', (r) => r.writeHead(500).end(LEAK)],
  invalid: [
    'invalid_client',
    (r) => {
      sendJson(r, { error: 'invalid_client', error_description: LEAK }, 401)
    },
  ],
  polite: [
    'an error with status 200',
    (r) => {
      sendJson(r, { ...usual, error: 'invalid_scope', error_description: LEAK })
    },
  ],
  strange: [
    'an error that is no word of RFC 6749',
    (r) => {
      sendJson(r, { error: `"${LEAK}\r\nX: y` }, 400)
    },
  ],
  html: ['HTML', (r) => r.writeHead(200, { 'Content-Type': 'text/html' }).end(`<p>${LEAK}</p>`)],
  mac: [
    'a token of another type',
    (r) => {
      sendJson(r, { ...usual, token_type: 'mac' })
    },
  ],
  missing: [
    'no token',
    (r) => {
      sendJson(r, { token_type: 'Bearer', expires_in: 60, note: LEAK })
    },
  ],
  list: [
    'a token that is no string',
    (r) => {
      sendJson(r, { ...usual, access_token: [LEAK] })
    },
  ],
  header: [
    'a token that would break out of its header',
    (r) => {
      sendJson(r, { ...usual, access_token: `${LEAK}\r\nX-Admin: yes` })
    },
  ],
  huge: ['an answer of 2 MiB', (r) => r.writeHead(200).end(LEAK.repeat(60_000))],
  cut: [
    'an answer that is cut',
    (r) => {
      r.writeHead(200, { 'Content-Length': '1000' })
      r.write('{"access_token":')
      setImmediate(() => r.destroy())
    },
  ],
}

const definition = (name: string, more: object = {}) => ({
  name: `${name}-token`,
  type: 'bearer_token',
  username: `${name}-client`,
  password: '${env:CLIENT_SECRET}',
  auth_server_url: `${tokens.url}/${name}`,
  ...more,
})
const connection = (name: string, more: object = {}) => ({
  name,
  url: `http://${world.authorityOf('token', 'http')}/${name}`,
  security: `${name}-token`,
  ...more,
})
const names = Object.keys(failures)

tokens.answer = (response, _count, { url }) => {
  const failure = failures[url.slice('/token/'.length)]
  if (failure !== undefined) failure[1](response)
  else if (!url.endsWith('/silent')) sendJson(response, world.grant())
}

const gate = await startEgressGate(
  t,
  {
    security: [
      ...names.map((name) => definition(name)),
      definition('silent', { timeout: '300ms' }),
      definition('nowhere', { auth_server_url: 'http://127.0.0.1:1/token' }),
      definition('good'),
    ],
    outgoing: [
      ...names.map((name) => connection(name)),
      connection('silent'),
      connection('nowhere'),
      connection('good', { timeouts: { first_byte: '300ms', body_idle: '1s' } }),
    ],
  },
  world,
)

const call = (name: string, lines = '') => `GET /${name}/x HTTP/1.1\r\n${gate.host}${lines}\r\n`

for (const [name, [claim]] of Object.entries(failures)) {
  t.test(`${claim} of the token server: 502, and no byte of the request leaves`, async (t) => {
    const client = await gate.connect(t)
    await refuses(t, gate, '502 token_unavailable', () => client.request(call(name)))
    const count = tokens.requests.length
    const again = await client.request(call(name))
    expectRefusal(t, again, '502 token_unavailable')
    t.match(again.header('retry-after'), /^[1-9]\d?$/)
    t.equal(tokens.requests.length, count, 'the server is left alone meanwhile')
    await gate.check(t, client)
  })
}

t.test('the application own credential does not stand in for a token', async (t) => {
  const own = 'Authorization: Bearer of-the-app\r\n'
  await refuses(t, gate, '502 token_unavailable', () => gate.ask(t, call('broken', own)))
})

t.test('a token server that cannot be reached: 502', (t) =>
  refuses(t, gate, '502 token_unavailable', () => gate.ask(t, call('nowhere'))),
)

t.test('a token server that says nothing: 504', (t) =>
  refuses(t, gate, '504 token_timeout', () => gate.ask(t, call('silent'))),
)

t.test('an API that says nothing: 504, and its connection is given up', async (t) => {
  world.upstreams.token.scripts.set('/good/mute', () => undefined)
  const answer = await gate.ask(t, `GET /good/mute HTTP/1.1\r\n${gate.host}\r\n`)
  expectRefusal(t, answer, '504 upstream_timeout')
  const request = await world.upstreams.token.requestFor('/good/mute')
  await eventually('the end of its connection', () => request.connection.isClosed)
})

t.test('an API that cannot be reached: 502', async (t) => {
  world.upstreams.open.close()
  const answer = await gate.ask(t, `GET /open/x HTTP/1.1\r\n${gate.host}\r\n`)
  expectRefusal(t, answer, '502 upstream_unreachable')
})

t.test('an API that answers with no HTTP: 502', async (t) => {
  world.upstreams.token.scripts.set('/good/noise', (_request, socket) =>
    socket.end('noise\r\n\r\n'),
  )
  const answer = await gate.ask(t, `GET /good/noise HTTP/1.1\r\n${gate.host}\r\n`)
  expectRefusal(t, answer, '502 upstream_failed')
  await gate.check(t)
})

t.test('status shows which fetch failed, and nothing secret', async (t) => {
  const { tokens: rows } = (await gate.sidegate.status()) as {
    tokens: readonly { definition: string; last_error?: string }[]
  }
  const row = rows.find(({ definition: name }) => name === 'invalid-token')
  t.match(row?.last_error, /invalid_client/)
  await gate.check(t)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
