/** Tokens through the gate: fetched once, cached, by scopes, renewed, and never told. */
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { expectRefusal, refuses } from '../../harness/egress-refusal.ts'
import { World, secrets } from '../../harness/egress-world.ts'
import { RawClient } from '../../harness/raw-client.ts'
import { sendJson } from '../../oauth/token-server.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const { tokens } = world
const tokenUpstream = world.upstreams.token

/** Connections of their own definitions, so that no test depends on the tokens of another. */
const variants = {
  plain: {},
  crowd: {},
  bounded: { allowed_scopes: ['read', 'write'] },
  short: {},
  json: { data_format: 'json', extra_fields: { audience: 'https://api.example/' } },
  pair: { client_auth: 'basic' },
  rotated: { password: '${file:rotated.txt}' },
} as const

type Name = keyof typeof variants

const names = Object.keys(variants) as Name[]

const gate = await startEgressGate(
  t,
  {
    security: names.map((name) => ({
      name: `${name}-token`,
      type: 'bearer_token',
      username: `${name}-client`,
      password: '${env:CLIENT_SECRET}',
      auth_server_url: `${tokens.url}/${name}`,
      scopes: ['read', 'write'],
      ...variants[name],
    })),
    outgoing: names.map((name) => ({
      name,
      url: `http://${world.authorityOf('token', 'http')}/${name}`,
      security: `${name}-token`,
    })),
  },
  world,
  { 'rotated.txt': secrets.clientKey },
)
world.canary.allow(
  'the token server',
  new URLSearchParams({ x: secrets.clientKey }).toString().slice(2),
)
world.canary.allow('the token server', `\\"client_secret\\":\\"${secrets.clientSecret}\\"`)

const fetchesOf = (name: Name) => tokens.requests.filter(({ url }) => url === `/token/${name}`)
const formOf = (body = '') => Object.fromEntries(new URLSearchParams(body))
const call = (name: Name, lines = '') => `GET /${name}/x HTTP/1.1\r\n${gate.host}${lines}\r\n`
/** What the API saw as the credential of the newest call. */
const shown = (name: Name) =>
  tokenUpstream.requestsFor(`/${name}/x`).at(-1)?.values('authorization')

t.test('many calls share one token, asked for as the definition says', async (t) => {
  const client = await gate.connect(t)
  for (let at = 0; at < 20; at++) t.equal((await client.request(call('plain'))).status, 200)
  const [request, ...more] = fetchesOf('plain')
  t.strictSame(more, [])
  t.equal(request?.method, 'POST')
  t.equal(request?.headers['content-type'], 'application/x-www-form-urlencoded')
  t.strictSame(formOf(request?.body), {
    client_id: 'plain-client',
    client_secret: secrets.clientSecret,
    grant_type: 'client_credentials',
    scope: 'read write',
  })
  const seen = tokenUpstream.requestsFor('/plain/x').map((each) => each.values('authorization'))
  t.strictSame(new Set(seen.flat()), new Set([`Bearer ${world.issued.at(-1) ?? ''}`]))
  await gate.check(t, client)
})

t.test('a thousand cold calls at once make one fetch', async (t) => {
  tokens.isHolding = true
  const clients = await Promise.all(Array.from({ length: 1000 }, () => gate.connect(t)))
  const answers = clients.map((client) => client.request(call('crowd')))
  await eventually('the fetch', () => tokens.heldCount > 0)
  const isAllThere = async () => {
    const open = await gate.sidegate.metric('sidegate_open_connections{side="egress"}')
    return (open ?? 0) >= 1000
  }
  await eventually('a thousand connections', isAllThere)
  tokens.release()
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  t.strictSame(new Set(statuses), new Set([200]))
  t.equal(fetchesOf('crowd').length, 1)
  t.equal(tokenUpstream.requestsFor('/crowd/x').length, 1000)
  for (const client of clients) client.destroy()
  await gate.check(t, ...clients.slice(0, 10))
})

t.test('the app chooses scopes for one call, and says so to nobody else', async (t) => {
  const own = fetchesOf('bounded').length
  const scoped = (value: string) => call('bounded', `X-Sidegate-Scopes: ${value}\r\n`)
  t.equal((await gate.ask(t, scoped('read'))).status, 200)
  t.equal(formOf(fetchesOf('bounded').at(-1)?.body)['scope'], 'read')
  const first = shown('bounded')
  t.equal((await gate.ask(t, scoped('read read'))).status, 200, 'repeats do not matter')
  t.strictSame(shown('bounded'), first)
  t.equal(fetchesOf('bounded').length - own, 1)
  t.equal((await gate.ask(t, scoped('write read'))).status, 200, 'order does not matter')
  t.equal((await gate.ask(t, scoped(''))).status, 200, 'empty means its own')
  t.equal((await gate.ask(t, call('bounded'))).status, 200)
  t.equal(fetchesOf('bounded').length - own, 2, 'all three are the scopes of the definition')
  for (const { headers } of tokenUpstream.requestsFor('/bounded/x')) {
    t.notOk(headers.some(([name]) => /sidegate/i.test(name)))
  }
  await refuses(t, gate, '403 scope_refused', () => gate.ask(t, scoped('read admin')))
  t.equal(fetchesOf('bounded').length - own, 2, 'nobody was asked for a refused scope')
})

t.test('a token is renewed at half of its life, and the numbers may be strings', async (t) => {
  let granted = 0
  const usual = tokens.answer
  tokens.answer = (response) => {
    granted += 1
    sendJson(response, world.grant({ expires_in: '3', token_type: 'bEaReR' }))
  }
  t.equal((await gate.ask(t, call('short'))).status, 200)
  const first = shown('short')
  t.equal((await gate.ask(t, call('short'))).status, 200)
  t.strictSame(shown('short'), first)
  await eventually('another token', async () => {
    await gate.ask(t, call('short'))
    return JSON.stringify(shown('short')) !== JSON.stringify(first)
  })
  t.equal(granted, 2)
  tokens.answer = usual
})

t.test('the token request is JSON, or authenticates by Basic, where it is said', async (t) => {
  t.equal((await gate.ask(t, call('json'))).status, 200)
  const [json] = fetchesOf('json')
  t.equal(json?.headers['content-type'], 'application/json')
  t.strictSame(JSON.parse(json?.body ?? ''), {
    client_id: 'json-client',
    client_secret: secrets.clientSecret,
    grant_type: 'client_credentials',
    scope: 'read write',
    audience: 'https://api.example/',
  })
  const pair = `pair-client:${encodeURIComponent(secrets.clientSecret)}`
  const value = `Basic ${Buffer.from(pair).toString('base64')}`
  world.canary.allow('the token server', value)
  t.equal((await gate.ask(t, call('pair'))).status, 200)
  const [basic] = fetchesOf('pair')
  t.equal(basic?.headers.authorization, value)
  t.equal(formOf(basic?.body)['client_secret'], undefined)
  await gate.check(t)
})

t.test('a changed secret drops its tokens, and those of others stay', async (t) => {
  t.equal((await gate.ask(t, call('rotated'))).status, 200)
  t.equal((await gate.ask(t, call('plain'))).status, 200)
  const [before, plain] = [shown('rotated'), fetchesOf('plain').length]
  await gate.sidegate.write('rotated.txt', secrets.clientSecret)
  t.match(await gate.sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  t.equal((await gate.ask(t, call('rotated'))).status, 200)
  t.not(JSON.stringify(shown('rotated')), JSON.stringify(before), 'another token')
  const [old, changed, ...more] = fetchesOf('rotated')
  t.equal(formOf(old?.body)['client_secret'], secrets.clientKey)
  t.equal(formOf(changed?.body)['client_secret'], secrets.clientSecret)
  t.strictSame(more, [])
  t.equal((await gate.ask(t, call('plain'))).status, 200)
  t.equal(fetchesOf('plain').length, plain, 'an unchanged definition keeps its token')
  await gate.check(t)
})

t.test(
  'a caller who leaves while the token is fetched takes nothing from the others',
  async (t) => {
    tokens.isHolding = true
    const scope = 'X-Sidegate-Scopes: leaving\r\n'
    const leaver = await gate.connect(t)
    await leaver.send(call('plain', scope))
    await eventually('the fetch', () => tokens.heldCount > 0)
    const stayer = await gate.connect(t)
    const stayed = stayer.request(call('plain', scope))
    leaver.destroy()
    tokens.release()
    t.equal((await stayed).status, 200)
  },
)

t.test('a redirect of the token server is not followed', async (t) => {
  const usual = tokens.answer
  tokens.answer = (response) => {
    response.writeHead(302, { Location: `${tokens.url}/plain` }).end()
  }
  const count = tokens.requests.length
  const client = await RawClient.connect(t, gate.port)
  const answer = await client.request(call('plain', 'X-Sidegate-Scopes: redirected\r\n'))
  expectRefusal(t, answer, '502 token_unavailable')
  t.equal(tokens.requests.length - count, 1)
  tokens.answer = usual
  await gate.check(t, client)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
