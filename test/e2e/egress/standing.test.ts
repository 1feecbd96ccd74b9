/** What an application or a token server may try with what is theirs to say, and who loses a right. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { expectRefusal } from '../../harness/egress-refusal.ts'
import { openTunnel, refusedTunnel } from '../../harness/egress-tunnel.ts'
import { World, clientPairs, proxyAuthorization, secrets } from '../../harness/egress-world.ts'
import { sendJson } from '../../oauth/token-server.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const { tokens } = world
const other = 'a-new-key-of-the-client-0123456789abcdef'
const gate = await startEgressGate(
  t,
  {
    egress: { clients: ['app', 'rotating'] },
    security: [{ name: 'rotating', type: 'api_key', key: '${file:rotating.txt}' }],
    outgoing: [
      {
        name: 'keep',
        url: `http://${world.authorityOf('token', 'http')}/keep`,
        security: 'svc',
        on_existing: 'keep',
        match: 'name',
      },
    ],
    kinds: { open: { https: 'tunnel' } },
  },
  world,
  { 'rotating.txt': secrets.clientKey },
)
const app = proxyAuthorization(clientPairs.app)

t.test('the app’s own credential is kept though its Connection names it', async (t) => {
  const lines = 'Authorization: Bearer mine\r\nConnection: authorization\r\n'
  const { status } = await gate.ask(t, `GET /keep/x HTTP/1.1\r\n${gate.host}${app}${lines}\r\n`)
  t.equal(status, 200)
  t.strictSame(world.upstreams.token.requestsFor('/keep/x').at(-1)?.values('authorization'), [
    'Bearer mine',
  ])
})

t.test('a refused CONNECT tells the log no userinfo and no query', async (t) => {
  for (const authority of ['user:s3cretpw@new.example:443', 'new.example:443/?key=QUERYSECRET']) {
    await refusedTunnel(t, gate.port, authority, `Host: new.example\r\n${app}`)
  }
  await eventually('both lines', () => gate.sidegate.output.split('connect_refused').length > 2)
  t.notMatch(gate.sidegate.output, /s3cretpw|QUERYSECRET/)
})

t.test('a token server cannot have us repeat what it was sent', async (t) => {
  const usual = tokens.answer
  const quotes = [
    encodeURIComponent(secrets.clientSecret),
    Buffer.from(`my-client:${secrets.clientSecret}`).toString('base64').slice(0, 60),
    Buffer.from(secrets.clientSecret).toString('hex'),
  ]
  for (const [at, error] of quotes.entries()) {
    tokens.answer = (response) => {
      sendJson(response, { error }, 400)
    }
    const scope = `X-Sidegate-Scopes: quote${at}\r\n`
    const client = await gate.connect(t)
    const answer = await client.request(`GET /token/x HTTP/1.1\r\n${gate.host}${app}${scope}\r\n`)
    expectRefusal(t, answer, '502 token_unavailable')
    t.match(answer.body, 'no error code')
    await gate.check(t, client)
  }
  t.notMatch((await gate.sidegate.admin('/status')).text, quotes[0])
  tokens.answer = usual
})

t.test('a token that had ended when it arrived is not sent', async (t) => {
  const usual = tokens.answer
  tokens.answer = (response, count) => {
    const token = { access_token: `late-${count}`, token_type: 'Bearer', expires_in: 1 }
    setTimeout(() => {
      sendJson(response, token)
    }, 1_300)
  }
  const count = world.upstreams.token.requests.length
  const scope = 'X-Sidegate-Scopes: late\r\n'
  const answer = await gate.ask(t, `GET /token/x HTTP/1.1\r\n${gate.host}${app}${scope}\r\n`)
  expectRefusal(t, answer, '502 token_unavailable')
  t.equal(world.upstreams.token.requests.length, count)
  tokens.answer = usual
})

t.test('a tunnel is closed when its client’s secret has changed', async (t) => {
  const authority = world.authorityOf('open', 'https')
  const rotating = proxyAuthorization(`rotating:${secrets.clientKey}`)
  const open = async (lines: string) => {
    const socket = await openTunnel(t, gate.port, authority, `Host: ${authority}\r\n${lines}`)
    const state = { isClosed: false }
    // The client's side stays half open.
    socket.on('end', () => {
      state.isClosed = true
    })
    socket.on('error', () => undefined)
    socket.resume()
    // The first byte of a TLS record: a tunnel that passes has begun.
    socket.write(Buffer.from([0x16, 3, 1, 2, 0]))
    await sleep(200)
    return state
  }
  const [lost, stays] = [await open(rotating), await open(app)]
  t.strictSame([lost.isClosed, stays.isClosed], [false, false])
  await gate.sidegate.write('rotating.txt', other)
  t.match(await gate.sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  await eventually('the end of the tunnel', () => lost.isClosed)
  t.equal(stays.isClosed, false)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
