/** Clients whose right or secret ends while their connections last, and scopes that nobody reads. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { expectRefusal } from '../../harness/egress-refusal.ts'
import { openTunnel, readFrom } from '../../harness/egress-tunnel.ts'
import { World, clientPairs, proxyAuthorization, secrets } from '../../harness/egress-world.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const brief = 'key-of-a-client-that-ends-0123456789abcdef'
/** Long enough for the program to start and for one request. */
const endsAt = Date.now() + 8_000
const gate = await startEgressGate(
  t,
  {
    egress: { clients: ['app', 'batch', 'brief'] },
    security: [
      {
        name: 'brief',
        type: 'api_key',
        keys: [{ label: 'only', key: brief, not_after: new Date(endsAt).toISOString() }],
      },
    ],
    kinds: { open: { https: 'tunnel' } },
  },
  world,
)
const app = proxyAuthorization(clientPairs.app)

t.test('a tunnel that ends here is no longer a client’s when its secret has ended', async (t) => {
  const authority = world.authorityOf('key', 'http')
  const lines = `Host: ${authority}\r\n${proxyAuthorization(`brief:${brief}`)}`
  const inner = `GET /base/v1/x HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
  const client = readFrom(await openTunnel(t, gate.port, authority, lines))
  t.equal((await client.request(inner)).status, 200)
  await sleep(Math.max(endsAt - Date.now() + 50, 0))
  const count = world.upstreams.key.requests.length
  expectRefusal(t, await client.request(inner), '407 client_unauthorized')
  t.equal(world.upstreams.key.requests.length, count)
})

t.test('X-Sidegate-Scopes on a CONNECT has no effect, and the log says so', async (t) => {
  const authority = world.authorityOf('open', 'https')
  for (const lines of ['', 'X-Sidegate-Scopes: other\r\n']) {
    const socket = await openTunnel(t, gate.port, authority, `Host: ${authority}\r\n${app}${lines}`)
    socket.destroy()
  }
  const line = await gate.sidegate.line('it', ({ event }) => event === 'scopes_ignored')
  t.match(line, { level: 'warn', target: authority, detail: /on CONNECT has no effect/ })
  t.equal(gate.sidegate.lines.filter(({ event }) => event === 'scopes_ignored').length, 1)
  t.notOk(world.tokens.requests.some(({ body }) => /scope=other/.test(body)))
})

t.test('a WebSocket is closed with 1008 when its client is none any more', async (t) => {
  world.upstreams.open.scripts.set('/base/ws', (_, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    )
  })
  const open = async (lines: string) => {
    const client = await gate.connect(t)
    await client.send(
      `GET /open/ws HTTP/1.1\r\n${gate.host}${lines}Connection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await eventually('a 101', () => client.answers[0]?.status === 101)
    return client
  }
  const batch = proxyAuthorization(clientPairs.batch)
  const [lost, stays] = [await open(batch), await open(app)]
  const file = join(gate.sidegate.folder, 'sidegate.yaml')
  const config = JSON.parse(await readFile(file, 'utf8')) as { egress: { clients: string[] } }
  config.egress.clients = ['app']
  await gate.sidegate.write('sidegate.yaml', JSON.stringify(config))
  t.match(await gate.sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  await lost.ended()
  t.equal(lost.answers[0]?.body.slice(0, 4), '\x88\x02\x03\xf0', 'Close 1008')
  t.equal(stays.isEnded, false)
  const again = await gate.ask(t, `GET /open/ws HTTP/1.1\r\n${gate.host}${batch}\r\n`)
  expectRefusal(t, again, '407 client_unauthorized')
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.notMatch(gate.sidegate.output, new RegExp(`${brief}|${secrets.clientPassword.slice(-12)}`))
})
