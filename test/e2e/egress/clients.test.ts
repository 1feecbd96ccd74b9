/** With `clients` the port asks everybody who they are, in every form, and tells nothing to others. */
import t from 'tap'
import { forms } from '../../harness/egress-forms.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { problemOf, refuses } from '../../harness/egress-refusal.ts'
import { openTunnel, readFrom, refusedTunnel, secureTunnel } from '../../harness/egress-tunnel.ts'
import { World, clientPairs, proxyAuthorization } from '../../harness/egress-world.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const gate = await startEgressGate(
  t,
  {
    egress: { clients: ['callers'] },
    top: { groups: [{ name: 'callers', members: ['app', 'batch'] }] },
    outgoing: [
      {
        name: 'batch-only',
        url: `http://${world.authorityOf('open', 'http')}/batch`,
        security: 'none',
        clients: ['batch'],
      },
    ],
  },
  world,
)
const { host, port } = gate
const app = proxyAuthorization(clientPairs.app)
const batch = proxyAuthorization(clientPairs.batch)

const wrong: readonly (readonly [claim: string, lines: string])[] = [
  ['nothing', ''],
  ['an empty value', 'Proxy-Authorization: \r\n'],
  ['an unknown user', proxyAuthorization('nobody:x')],
  ['a wrong key', proxyAuthorization('app:wrong')],
  ['the key of another', proxyAuthorization(`batch-user:${clientPairs.app.slice(4)}`)],
  ['a definition that is no client', proxyAuthorization('svc:x')],
  ['the name of the definition in place of the username', proxyAuthorization('batch:x')],
  ['another scheme', `Proxy-Authorization: Bearer ${clientPairs.app.slice(4)}\r\n`],
  ['what is no base64', 'Proxy-Authorization: Basic %%%\r\n'],
  ['the credentials in Authorization', app.replace('Proxy-', '')],
]
world.canary.guard(clientPairs.app.slice(4))

const calls = {
  name: `GET /key/x HTTP/1.1\r\n${host}`,
  absolute: `GET http://${world.authorityOf('key', 'http')}/base/v1/x HTTP/1.1\r\nHost: a.example\r\n`,
  unknown: `GET /nobody/x HTTP/1.1\r\n${host}`,
  unmatched: 'GET http://new.example/ HTTP/1.1\r\nHost: new.example\r\n',
}

for (const [claim, lines] of wrong) {
  t.test(`407 in every form, and nothing is told: ${claim}`, async (t) => {
    const bodies = new Set<string>()
    for (const call of Object.values(calls)) {
      await refuses(t, gate, '407 client_unauthorized', async () => {
        const answer = await gate.ask(t, `${call}${lines}\r\n`)
        t.equal(answer.header('proxy-authenticate')?.slice(0, 6), 'Basic ', 'a challenge')
        bodies.add(JSON.stringify({ ...problemOf(answer), request_id: '' }))
        return answer
      })
    }
    for (const authority of [world.authorityOf('key', 'https'), 'new.example:443']) {
      await refuses(t, gate, '407 client_unauthorized', async () => {
        const answer = await refusedTunnel(t, port, authority, `Host: ${authority}\r\n${lines}`)
        t.equal(answer.header('proxy-authenticate')?.slice(0, 6), 'Basic ', 'a challenge')
        bodies.add(JSON.stringify({ ...problemOf(answer), request_id: '' }))
        return answer
      })
    }
    t.equal(bodies.size, 1, 'every refusal says the same, whatever was asked for')
  })
}

t.test('the same is said whatever was wrong', async (t) => {
  const bodies = new Set<string>()
  for (const [, lines] of wrong) {
    const answer = await gate.ask(t, `${calls.name}${lines}\r\n`)
    bodies.add(JSON.stringify({ ...problemOf(answer), request_id: '' }))
  }
  t.equal(bodies.size, 1)
})

t.test('an api_key client by its name and key, a basic_auth client by its username', async (t) => {
  for (const lines of [app, batch]) {
    for (const call of [calls.name, calls.absolute]) {
      const client = await gate.connect(t)
      t.equal((await client.request(`${call}${lines}\r\n`)).status, 200)
      await gate.check(t, client)
    }
  }
})

t.test('who was let in once is asked again on the same connection', async (t) => {
  for (const call of [calls.name, calls.absolute]) {
    const client = await gate.connect(t)
    t.equal((await client.request(`${call}${app}\r\n`)).status, 200)
    await refuses(t, gate, '407 client_unauthorized', () => client.request(`${call}\r\n`))
  }
})

t.test('inside a tunnel the CONNECT has shown who it is, and nothing of it leaves', async (t) => {
  const authority = world.authorityOf('key', 'https')
  const plain = await openTunnel(t, port, authority, `Host: ${authority}\r\n${app}`)
  const ca = world.interceptor.cert
  const client = readFrom(await secureTunnel(t, plain, { host: '127.0.0.1', ca }))
  for (const lines of ['', app, proxyAuthorization('x:y')]) {
    const { status } = await client.request(
      `GET /base/v1/inner HTTP/1.1\r\nHost: ${authority}\r\n${lines}\r\n`,
    )
    t.equal(status, 200)
  }
  for (const request of world.upstreams.key.requestsFor('/base/v1/inner')) {
    t.strictSame(request.values('proxy-authorization'), [])
  }
  await gate.check(t, client)
})

t.test('a connection for some clients refuses the others, in every form', async (t) => {
  const url = `http://${world.authorityOf('open', 'http')}/batch/x`
  const texts = [
    `GET /batch-only/x HTTP/1.1\r\n${host}`,
    `GET ${url} HTTP/1.1\r\nHost: a.example\r\n`,
  ]
  for (const text of texts) {
    t.equal((await gate.ask(t, `${text}${batch}\r\n`)).status, 200)
    await refuses(t, gate, '403 outgoing_refused', () => gate.ask(t, `${text}${app}\r\n`))
  }
  const authority = world.authorityOf('open', 'http')
  const lines = `Host: ${authority}\r\n${app}`
  await refuses(t, gate, '403 outgoing_refused', async () =>
    readFrom(await openTunnel(t, port, authority, lines)).request(
      `GET /batch/x HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
    ),
  )
})

t.test('the standard forms are closed to those who say nothing', async (t) => {
  for (const form of forms.filter(({ name }) => !name.startsWith('CONNECT'))) {
    const way = await form.open(t, gate, 'token')
    await refuses(t, gate, '407 client_unauthorized', () =>
      way.client.request(`GET ${way.target('/x')} HTTP/1.1\r\n${way.host}\r\n`),
    )
  }
  t.equal(world.tokens.requests.length, 0, 'no token was fetched for them')
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
