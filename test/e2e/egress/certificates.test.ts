/**
 * No byte of a request before the upstream's certificate is verified: whatever is wrong with it, the
 * answer is 502 `upstream_tls`, in every form.
 */
import t from 'tap'
import { TestAuthority, type Pem } from '../../harness/egress-certificates.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { expectRefusal } from '../../harness/egress-refusal.ts'
import { TlsFront } from '../../harness/egress-tls-front.ts'
import { openTunnel, readFrom, secureTunnel } from '../../harness/egress-tunnel.ts'
import { World } from '../../harness/egress-world.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const { authority } = world
const foreign = new TestAuthority(t, 'Foreign')
const impostor = new TestAuthority(t, 'Upstreams')

interface Bad {
  readonly name: string
  readonly claim: string
  readonly pem: Pem
  readonly trusts?: 'system'
}

const bad: readonly Bad[] = [
  { name: 'expired', claim: 'an expired certificate', pem: authority.issue({ days: -1 }) },
  {
    name: 'other-name',
    claim: 'a certificate for another name',
    pem: authority.issue({ names: 'DNS:other.example,IP:127.0.0.2' }),
  },
  { name: 'foreign', claim: 'a certificate of another authority', pem: foreign.issue() },
  {
    name: 'impostor',
    claim: 'a certificate of an authority of the same name',
    pem: impostor.issue(),
  },
  { name: 'self-signed', claim: 'the certificate of an authority itself', pem: impostor },
  {
    name: 'system',
    claim: 'a private authority where only the roots of the system are trusted',
    pem: authority.issue(),
    trusts: 'system',
  },
]

const fronts = new Map<string, TlsFront>()
for (const { name, pem } of bad) {
  fronts.set(name, await TlsFront.listen(t, pem, world.upstreams.key.port))
}
const named = await TlsFront.listen(t, authority.issue(), world.upstreams.key.port)
const portOf = (name: string) => fronts.get(name)?.port ?? 0

const gate = await startEgressGate(
  t,
  {
    outgoing: [
      ...bad.map(({ name, trusts }) => ({
        name,
        url: `https://127.0.0.1:${portOf(name)}`,
        security: 'api',
        https: 'intercept',
        ...(trusts === undefined && { tls: { ca: 'upstreams.crt' } }),
      })),
      {
        name: 'named',
        url: `https://localhost:${named.port}`,
        security: 'api',
        https: 'intercept',
        tls: { ca: 'upstreams.crt' },
      },
    ],
  },
  world,
)

for (const { name, claim } of bad) {
  t.test(`${claim} gets no byte of a request, in any form`, async (t) => {
    const front = fronts.get(name)
    const host = `127.0.0.1:${portOf(name)}`
    const body = 'Content-Length: 4\r\n\r\nbody'
    const texts = [
      `POST /${name}/x HTTP/1.1\r\n${gate.host}${body}`,
      `POST https://${host}/x HTTP/1.1\r\nHost: ${host}\r\n${body}`,
      `POST http://${host}/x HTTP/1.1\r\nHost: ${host}\r\n${body}`,
    ]
    for (const text of texts) {
      expectRefusal(t, await gate.ask(t, text), '502 upstream_tls')
    }
    const plain = await openTunnel(t, gate.port, host)
    const ca = world.interceptor.cert
    const client = readFrom(await secureTunnel(t, plain, { host: '127.0.0.1', ca }))
    const inner = await client.request(`POST /x HTTP/1.1\r\nHost: ${host}\r\n${body}`)
    expectRefusal(t, inner, '502 upstream_tls')
    t.ok((front?.connections ?? 0) >= 4, 'it was really asked')
    t.equal(front?.bytesReceived, 0, 'no byte came inside TLS')
    await gate.check(t, client)
  })
}

t.test('the name of the connection is what SNI says, and an address is not said', async (t) => {
  t.equal((await gate.ask(t, `GET /named/x HTTP/1.1\r\n${gate.host}\r\n`)).status, 200)
  t.strictSame(new Set(named.serverNames), new Set(['localhost']))
  const [request] = world.upstreams.key.requestsFor('/x')
  t.strictSame(request?.values('host'), [`localhost:${named.port}`])
  t.equal((await gate.ask(t, `GET /key-tls/y HTTP/1.1\r\n${gate.host}\r\n`)).status, 200)
  t.strictSame(new Set(world.fronts.key.serverNames), new Set([undefined]))
})

t.test('the only connection of a host is found without its port', async (t) => {
  const before = world.upstreams.key.requests.length
  const urls = ['http://localhost/z', 'https://LOCALHOST./z', 'http://localhost:80/z']
  for (const url of urls) {
    t.equal((await gate.ask(t, `GET ${url} HTTP/1.1\r\nHost: x.example\r\n\r\n`)).status, 200, url)
  }
  for (const request of world.upstreams.key.requests.slice(before)) {
    t.strictSame(request.values('host'), [`localhost:${named.port}`])
  }
})

t.test('an application that does not trust our authority gets no further', async (t) => {
  const plain = await openTunnel(t, gate.port, world.authorityOf('key', 'https'))
  await t.rejects(secureTunnel(t, plain, { host: '127.0.0.1', ca: foreign.cert }))
  await gate.check(t)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
