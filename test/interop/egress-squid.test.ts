// Squid as parent proxy: https goes through it in tunnels in which it sees nothing, http in the open;
// it is told who we are and the upstream is not; what it refuses is a plain error.
import { text as readText } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { TokenServer, sendJson } from '../oauth/token-server.ts'
import { Canary } from '../harness/egress-canary.ts'
import { TestAuthority } from '../harness/egress-certificates.ts'
import { TlsFront } from '../harness/egress-tls-front.ts'
import { RecordingUpstream } from '../harness/recording-upstream.ts'
import { ask, createBody } from './bytes.ts'
import { type AppGate, startAppGate } from './egress-gate.ts'
import { SQUID_PASSWORD, SQUID_USER, type Squid, skipSquid, startSquid } from './egress-squid.ts'
import { findFreePort, missing } from './programs.ts'

// Only Squid knows where they are.
const HOST = 'api.sidegate.test'
const AUTH_HOST = 'auth.sidegate.test'
const FORBIDDEN_HOST = 'forbidden.sidegate.test'

const secrets = {
  key: 'squid+key/Vx4RtLq8NmYc2PwH==s1',
  clientSecret: 'squid+client/Bd7KzJf3WsXn6TgQ==s2',
  token: 'squid+token/s3.Mh9GvQy5ZpRa1LkE==',
  wrong: 'squid+wrong/Ce2UxNb6TdHs8YqF==s4',
} as const

const names = [HOST, AUTH_HOST, FORBIDDEN_HOST]
const proxyValue = `Basic ${Buffer.from(`${SQUID_USER}:${SQUID_PASSWORD}`).toString('base64')}`

interface World {
  readonly squid: Squid
  /** What came to it in this test. */
  readonly received: () => string
  readonly gate: AppGate
  readonly canary: Canary
  readonly plain: RecordingUpstream
  readonly secured: RecordingUpstream
  readonly front: TlsFront
  readonly tokens: TokenServer
  readonly tokenFront: TlsFront
}

interface WorldOptions {
  readonly password?: string
  readonly isGone?: boolean
}

async function openWorld(
  t: Test,
  squid: Squid,
  { password = SQUID_PASSWORD, isGone = false }: WorldOptions = {},
): Promise<World> {
  const authority = new TestAuthority(t, 'Upstreams')
  const leaf = authority.issue({ names: names.map((name) => `DNS:${name}`).join(',') })
  const plain = await RecordingUpstream.listen(t)
  const secured = await RecordingUpstream.listen(t)
  const front = await TlsFront.listen(t, leaf, secured.port)
  const tokens = await TokenServer.start(t)
  tokens.answer = (response) => {
    sendJson(response, { access_token: secrets.token, token_type: 'Bearer', expires_in: 3600 })
  }
  const tokenFront = await TlsFront.listen(t, leaf, tokens.port)
  const url = `https://${HOST}:${front.port}`
  const tls = { ca: 'upstreams.crt' }
  const gate = await startAppGate(t, {
    egress: {
      proxy: {
        url: `http://127.0.0.1:${isGone ? await findFreePort() : squid.port}`,
        security: 'squid',
      },
    },
    security: [
      {
        name: 'squid',
        type: 'basic_auth',
        username: SQUID_USER,
        password: '${env:SQUID_PASSWORD}',
      },
      { name: 'api', type: 'api_key', key: '${env:API_KEY}' },
      {
        name: 'token',
        type: 'bearer_token',
        username: 'my-client',
        password: '${env:CLIENT_SECRET}',
        auth_server_url: `https://${AUTH_HOST}:${tokenFront.port}/token`,
        tls,
      },
    ],
    outgoing: [
      {
        name: 'plain',
        url: `http://${HOST}:${plain.port}`,
        security: 'api',
        allow_plaintext: true,
      },
      { name: 'secured', url, security: 'api', https: 'intercept', tls },
      { name: 'bearer', url, match: 'name', security: 'token', tls },
      {
        name: 'forbidden',
        url: `https://${FORBIDDEN_HOST}:${front.port}`,
        security: 'api',
        tls,
      },
    ],
    env: {
      SQUID_PASSWORD: password,
      API_KEY: secrets.key,
      CLIENT_SECRET: secrets.clientSecret,
    },
    files: { 'upstreams.crt': authority.cert },
  })
  const canary = new Canary()
  for (const secret of [...Object.values(secrets), SQUID_PASSWORD]) canary.guard(secret)
  canary.watchOutput(gate.sidegate)
  const key = `X-API-Key: ${secrets.key}\r\n`
  canary.watchUpstream('the upstream in cleartext', plain, [key])
  const bearer = `Authorization: Bearer ${secrets.token}\r\n`
  canary.watchUpstream('the upstream over TLS', secured, [key, bearer])
  const from = squid.received.length
  let seen = from
  const takeReceived = () => {
    const text = squid.received.slice(seen)
    seen = squid.received.length
    return text
  }
  canary.watch('Squid', takeReceived, [`Proxy-Authorization: ${proxyValue}\r\n`])
  const received = () => squid.received.slice(from)
  return { squid, received, gate, canary, plain, secured, front, tokens, tokenFront }
}

interface Told {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

async function call({ gate }: World, path: string, mebibytes = 0): Promise<Told> {
  const options = mebibytes === 0 ? {} : { method: 'POST', body: createBody(mebibytes) }
  const answer = await ask(gate.port, path, options)
  const { statusCode: status = 0, headers } = answer
  return { status, headers, text: await readText(answer) }
}

const refusals = [
  {
    what: 'a password that Squid does not know, https',
    options: { password: secrets.wrong },
    path: '/secured/v1/e',
    detail: /parent proxy wants other credentials \(407\)/,
  },
  {
    what: 'a password that Squid does not know, http',
    options: { password: secrets.wrong },
    path: '/plain/v1/e',
    detail: /parent proxy wants other credentials \(407\)/,
  },
  {
    what: 'a host that Squid does not allow',
    options: {},
    path: '/forbidden/v1/e',
    detail: /parent proxy refused the tunnel \(403\)/,
  },
  {
    what: 'a Squid that is not there, https',
    options: { isGone: true },
    path: '/secured/v1/e',
    detail: /ECONNREFUSED/,
  },
  {
    what: 'a Squid that is not there, http',
    options: { isGone: true },
    path: '/plain/v1/e',
    detail: /ECONNREFUSED/,
  },
]

void t.test('Squid as parent proxy', { skip: skipSquid, timeout: 120_000 }, async (t) => {
  // One for all: it needs a second or two to start.
  const squid = await startSquid(t, names)

  await t.test(
    'https goes through a tunnel of Squid, which sees neither credential nor request',
    async (t) => {
      const world = await openWorld(t, squid)
      const { received, secured, front } = world
      t.strictSame((await call(world, '/secured/v1/a')).text, 'GET /v1/a')
      t.strictSame((await call(world, '/secured/v1/b', 1)).text, 'POST /v1/b')
      for (const request of secured.requests) {
        t.strictSame(request.values('x-api-key'), [secrets.key])
        t.strictSame(request.values('proxy-authorization'), [])
        t.strictSame(request.values('host'), [`${HOST}:${front.port}`])
      }
      t.equal(secured.requestsFor('/v1/b')[0]?.body.length, 1024 * 1024)
      t.strictSame([...new Set(front.serverNames)], [HOST])
      await world.gate.sidegate.stop()
      const target = `${HOST}:${front.port}`
      const line = await squid.line('the tunnel', (each) => each.target === target)
      t.strictSame(line, { method: 'CONNECT', target, user: SQUID_USER, status: 200 })
      t.ok(received().includes(`Proxy-Authorization: ${proxyValue}\r\n`))
      t.notOk(received().includes('/v1/'), 'not even the path')
    },
  )

  await t.test(
    'http goes to Squid in absolute form, and the upstream is not told who we are to Squid',
    async (t) => {
      const world = await openWorld(t, squid)
      const { plain, canary, gate } = world
      t.strictSame((await call(world, '/plain/v1/a?q=1')).text, 'GET /v1/a?q=1')
      t.strictSame((await call(world, '/plain/v1/b', 1)).text, 'POST /v1/b')
      for (const request of plain.requests) {
        t.strictSame(request.values('x-api-key'), [secrets.key])
        t.strictSame(request.values('proxy-authorization'), [])
        t.strictSame(request.values('host'), [`${HOST}:${plain.port}`])
      }
      t.equal(plain.requestsFor('/v1/b')[0]?.body.length, 1024 * 1024)
      const target = `http://${HOST}:${plain.port}/v1/a?q=1`
      const line = await squid.line('the request', (each) => each.target === target)
      t.strictSame(line, { method: 'GET', target, user: SQUID_USER, status: 200 })
      // In the open, as `allow_plaintext` says.
      canary.allow('Squid', `X-API-Key: ${secrets.key}\r\n`)
      await canary.check(t, gate.sidegate)
    },
  )

  await t.test(
    'a token is fetched through Squid, which does not see the secret of the client',
    async (t) => {
      const world = await openWorld(t, squid)
      const { secured, tokens, tokenFront, canary, gate } = world
      t.equal((await call(world, '/bearer/v1/c')).status, 200)
      t.strictSame(secured.requests[0]?.values('authorization'), [`Bearer ${secrets.token}`])
      t.equal(tokens.requests.length, 1)
      t.equal(tokens.requests[0]?.headers['proxy-authorization'], undefined)
      t.ok(tokens.requests[0]?.body.includes(encodeURIComponent(secrets.clientSecret)))
      const target = `${AUTH_HOST}:${tokenFront.port}`
      const line = await squid.line('the tunnel', (each) => each.target === target)
      t.strictSame(line, { method: 'CONNECT', target, user: SQUID_USER, status: 200 })
      await canary.check(t, gate.sidegate)
    },
  )

  await t.test(
    'curl behind sidegate run comes through both proxies, over http:// and https://',
    { skip: missing('curl') },
    async (t) => {
      const world = await openWorld(t, squid)
      const { gate, plain, secured, front } = world
      const urls = [`http://${HOST}:${plain.port}/v1/d`, `https://${HOST}:${front.port}/v1/d`]
      for (const url of urls) {
        const { exitCode, stdout, stderr } = await gate.run(['curl', '-sS', '-f', url])
        t.equal(exitCode, 0, stderr)
        t.equal(stdout, 'GET /v1/d')
      }
      for (const { requests } of [plain, secured]) {
        t.equal(requests.length, 1)
        t.strictSame(requests[0]?.values('x-api-key'), [secrets.key])
      }
      await gate.sidegate.stop()
      await squid.line('the request', ({ target }) => target === urls[0])
      await squid.line('the tunnel', ({ target }) => target === `${HOST}:${front.port}`)
    },
  )

  for (const { what, options, path, detail } of refusals) {
    await t.test(`${what}: 502, and the log says why`, async (t) => {
      const world = await openWorld(t, squid, options)
      const { gate, canary, plain, secured } = world
      const { status, headers, text } = await call(world, path)
      t.equal(status, 502)
      t.match(text, /"upstream_unreachable"/)
      t.equal(headers['proxy-authenticate'], undefined)
      t.notMatch(text, /squid/i, "nothing of Squid's page")
      const line = await gate.sidegate.line('why', (each) => each['event'] === 'egress_failed')
      t.match(line, { detail })
      t.equal(plain.requests.length + secured.requests.length, 0, 'no upstream was called')
      if (path.startsWith('/plain')) canary.allow('Squid', `X-API-Key: ${secrets.key}\r\n`)
      const wrong = Buffer.from(`${SQUID_USER}:${secrets.wrong}`).toString('base64')
      canary.allow('Squid', `Proxy-Authorization: Basic ${wrong}\r\n`)
      await canary.check(t, gate.sidegate)
    })
  }

  await t.test('a token server that Squid keeps us from: 502, and the log says why', async (t) => {
    const world = await openWorld(t, squid, { password: secrets.wrong })
    const { status, text } = await call(world, '/bearer/v1/f')
    t.equal(status, 502)
    t.match(text, /"token_unavailable"/)
    const line = await world.gate.sidegate.line(
      'why',
      (each) => each['event'] === 'token_fetch_failed',
    )
    t.match(line, { detail: /parent proxy wants other credentials \(407\)/ })
    t.equal(world.tokens.requests.length, 0)
  })
})
