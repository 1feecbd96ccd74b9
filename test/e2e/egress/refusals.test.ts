/** What is refused, with which status and code, and what the refusal tells to do about it. */
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { refuses } from '../../harness/egress-refusal.ts'
import { TlsFront } from '../../harness/egress-tls-front.ts'
import { openTunnel, readFrom, refusedTunnel, secureTunnel } from '../../harness/egress-tunnel.ts'
import { World } from '../../harness/egress-world.ts'
import type { RawClient } from '../../harness/raw-client.ts'

t.setTimeout(60_000)

const world = await World.open(t)
const leaf = world.authority.issue()
const silentFront = await TlsFront.listen(t, leaf, world.upstreams.open.port)
const silent = `127.0.0.1:${silentFront.port}`
const openAuthority = world.authorityOf('open', 'http')
const keyTls = world.authorityOf('key', 'https')

const gate = await startEgressGate(
  t,
  {
    security: [
      { name: 'retired', type: 'api_key', key: 'retired-key-0123456789', is_active: false },
    ],
    outgoing: [
      {
        name: 'limited',
        url: `http://${openAuthority}/limited`,
        security: 'none',
        paths: ['/limited/ok/*'],
        methods: ['GET'],
      },
      {
        name: 'switched-off',
        url: `http://${openAuthority}/off`,
        security: 'none',
        is_active: false,
      },
      { name: 'retired-key', url: `http://${openAuthority}/retired`, security: 'retired' },
      {
        name: 'silent',
        url: `https://${silent}`,
        security: 'api',
        tls: { ca: 'upstreams.crt' },
      },
      { name: 'second', url: 'https://named.example', security: 'api', match: 'name' },
      { name: 'wild', url: 'https://*.wild.example', security: 'api', https: 'intercept' },
    ],
  },
  world,
)
const { host, port } = gate

const absolute = (url: string, lines = '', method = 'GET') =>
  `${method} ${url} HTTP/1.1\r\nHost: ignored.example\r\n${lines}\r\n`
const byName = (path: string, lines = '', method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\n${host}${lines}\r\n`

interface Refused {
  readonly claim: string
  readonly expected: string
  readonly text: string
  readonly detail?: RegExp
}

const cases: readonly Refused[] = [
  {
    claim: 'an unknown NAME',
    expected: '404 no_outgoing',
    text: byName('/nobody/x'),
    detail: /nobody/,
  },
  { claim: 'no NAME at all', expected: '404 no_outgoing', text: byName('/') },
  {
    claim: 'a NAME in another case',
    expected: '404 no_outgoing',
    text: byName('/KEY/x'),
  },
  {
    claim: 'the NAME form of a wildcard connection',
    expected: '404 no_outgoing',
    text: byName('/wild/x'),
    detail: /\*\.wild\.example/,
  },
  {
    claim: 'a method that the connection does not have, in NAME form',
    expected: '403 outgoing_refused',
    text: byName('/limited/ok/x', '', 'DELETE'),
    detail: /limited.*method/,
  },
  {
    claim: 'a method that the connection does not have, by absolute URL',
    expected: '403 outgoing_refused',
    text: absolute(`http://${openAuthority}/limited/ok/x`, '', 'DELETE'),
    detail: /method/,
  },
  {
    claim: 'a path that no rule of the connection matches, in NAME form',
    expected: '403 outgoing_refused',
    text: byName('/limited/other'),
    detail: /paths/,
  },
  {
    claim: 'a path that no rule of the connection matches, by absolute URL',
    expected: '403 outgoing_refused',
    text: absolute(`http://${openAuthority}/limited/okx`),
    detail: /paths/,
  },
  {
    claim: 'a path below no base path of the host',
    expected: '403 outgoing_refused',
    text: absolute(`http://${openAuthority}/elsewhere`),
    detail: /\/limited/,
  },
  {
    claim: 'a base path that ends within a segment',
    expected: '403 outgoing_refused',
    text: absolute(`http://${openAuthority}/limitedx/ok/x`),
  },
  {
    claim: 'a connection that is switched off, in NAME form',
    expected: '403 outgoing_refused',
    text: byName('/switched-off/x'),
    detail: /is_active: false/,
  },
  {
    claim: 'a connection that is switched off, by absolute URL',
    expected: '403 outgoing_refused',
    text: absolute(`http://${openAuthority}/off/x`),
    detail: /is_active: false/,
  },
  {
    claim: 'a definition that is switched off',
    expected: '503 definition_inactive',
    text: byName('/retired-key/x'),
    detail: /retired/,
  },
  {
    claim: 'another port of a host that connections name',
    expected: '403 outgoing_refused',
    text: absolute('http://127.0.0.1:9/x'),
    detail: new RegExp(`${world.upstreams.open.port}`),
  },
  {
    claim: 'a host with several ports without saying one',
    expected: '403 outgoing_refused',
    text: absolute('http://127.0.0.1/x'),
    detail: new RegExp(`${world.upstreams.key.port}.*`),
  },
  {
    claim: 'a host that only match: name has',
    expected: '403 outgoing_refused',
    text: absolute('https://named.example/x'),
    detail: /\/second/,
  },
  {
    claim: 'https:// to a connection in cleartext',
    expected: '403 outgoing_refused',
    text: absolute(`https://${openAuthority}/base/x`),
  },
  {
    claim: 'two labels where the wildcard has one',
    expected: '403 unmatched_host',
    text: absolute('https://a.b.wild.example/x'),
  },
  {
    claim: 'a browser, by Origin',
    expected: '403 browser_refused',
    text: byName('/key/x', 'Origin: https://evil.example\r\n'),
  },
  {
    claim: 'a browser, by an Origin of null',
    expected: '403 browser_refused',
    text: byName('/key/x', 'Origin: null\r\n'),
  },
  {
    claim: 'a browser, by Sec-Fetch-Site',
    expected: '403 browser_refused',
    text: byName('/key/x', 'Sec-Fetch-Site: same-origin\r\n'),
  },
  {
    claim: 'a browser that rebinds a name to us: Host is not ours',
    expected: '421 authority_mismatch',
    text: `GET /key/x HTTP/1.1\r\nHost: evil.example:${port}\r\n\r\n`,
  },
  {
    claim: 'Host with another port than ours',
    expected: '421 authority_mismatch',
    text: 'GET /key/x HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n',
  },
  {
    claim: 'scopes for a connection without tokens',
    expected: '400 bad_control_header',
    text: byName('/key/x', 'X-Sidegate-Scopes: a\r\n'),
  },
  {
    claim: 'scopes for a connection without a definition',
    expected: '400 bad_control_header',
    text: byName('/open/x', 'X-Sidegate-Scopes: a\r\n'),
  },
  {
    claim: 'scopes said twice',
    expected: '400 bad_control_header',
    text: byName('/token/x', 'X-Sidegate-Scopes: a\r\nX-Sidegate-Scopes: a\r\n'),
  },
  {
    claim: 'scopes outside of the grammar',
    expected: '400 bad_control_header',
    text: byName('/token/x', 'X-Sidegate-Scopes: a"b\r\n'),
  },
  {
    claim: 'OPTIONS of everything',
    expected: '400 bad_request',
    text: `OPTIONS * HTTP/1.1\r\n${host}\r\n`,
  },
  {
    claim: 'a URL with userinfo',
    expected: '400 bad_request',
    text: absolute(`http://user:pass@${openAuthority}/base/x`),
  },
  {
    claim: 'another scheme',
    expected: '400 bad_request',
    text: absolute(`ftp://${openAuthority}/base/x`),
  },
]

for (const { claim, expected, text, detail } of cases) {
  t.test(`refused: ${claim}`, async (t) => {
    const problem = await refuses(t, gate, expected, () => gate.ask(t, text))
    if (detail !== undefined) t.match(problem.detail, detail)
  })
}

/** The YAML that a refusal prints, read. */
function readAdvice(detail = ''): unknown {
  return parse(detail.slice(detail.indexOf('outgoing:')))
}

t.test('an unmatched host is refused with the YAML that would allow it', async (t) => {
  const ask = (url: string) => () => gate.ask(t, absolute(url))
  const plain = await refuses(t, gate, '403 unmatched_host', ask('http://new.example:8080/a?q=1'))
  t.match(readAdvice(plain.detail), {
    outgoing: [{ url: 'http://new.example:8080', security: 'none' }],
  })
  const secure = await refuses(t, gate, '403 unmatched_host', ask('https://new.example/a'))
  t.match(readAdvice(secure.detail), { outgoing: [{ url: 'https://new.example' }] })
  const tunnel = await refuses(t, gate, '403 unmatched_host', () =>
    refusedTunnel(t, port, 'new.example:443'),
  )
  t.match(readAdvice(tunnel.detail), {
    outgoing: [{ url: 'https://new.example', https: 'tunnel' }],
  })
})

async function tunnelRefused(t: Test, authority: string, expected: string, detail?: RegExp) {
  const from = gate.sidegate.lines.length
  const problem = await refuses(t, gate, expected, () => refusedTunnel(t, port, authority))
  if (detail !== undefined) t.match(problem.detail, detail)
  // Clients hide what a failed CONNECT says, so the log says it too.
  const code = expected.slice(4)
  await gate.sidegate.line(
    `a line on the refused CONNECT of ${authority}`,
    (line) => line['code'] === code && line['detail'] === problem.detail,
    from,
  )
}

t.test('CONNECT without an https mode is refused with both modes and the NAME URL', (t) =>
  tunnelRefused(
    t,
    silent,
    '403 https_mode_missing',
    new RegExp(`intercept[^]*tunnel[^]*http://127\\.0\\.0\\.1:${port}/silent`),
  ),
)

t.test('CONNECT to another port of a host that connections name is refused', (t) =>
  tunnelRefused(t, '127.0.0.1:9', '403 outgoing_refused'),
)

t.test('CONNECT to a host that only match: name has is refused', (t) =>
  tunnelRefused(t, 'named.example:443', '403 outgoing_refused', /second/),
)

t.test('CONNECT without a port is refused', (t) =>
  refuses(t, gate, '400 bad_request', () => refusedTunnel(t, port, 'named.example')),
)

const inner = (hostValue: string, target = '/base/v1/x') =>
  `GET ${target} HTTP/1.1\r\nHost: ${hostValue}\r\n\r\n`

async function intercepted(t: Test, serverName?: string): Promise<RawClient> {
  const plain = await openTunnel(t, port, keyTls)
  const ca = world.interceptor.cert
  const more = serverName === undefined ? {} : { serverName }
  return readFrom(await secureTunnel(t, plain, { host: '127.0.0.1', ca, ...more }))
}

t.test('inside a tunnel every request must name the authority of the tunnel', async (t) => {
  const others = ['127.0.0.1', `127.0.0.1:${port}`, openAuthority, 'api.example', 'localhost']
  for (const other of others) {
    await refuses(t, gate, '421 authority_mismatch', async () =>
      (await intercepted(t)).request(inner(other)),
    )
    await refuses(t, gate, '421 authority_mismatch', async () => {
      const plain = await openTunnel(t, port, world.authorityOf('key', 'http'))
      return readFrom(plain).request(inner(other))
    })
  }
  await refuses(t, gate, '421 authority_mismatch', async () =>
    (await intercepted(t)).request(inner(keyTls, `http://${openAuthority}/base/x`)),
  )
})

t.test('a mismatch counts on a later request of the tunnel just as on the first', async (t) => {
  const client = await intercepted(t)
  t.equal((await client.request(inner(keyTls))).status, 200)
  await refuses(t, gate, '421 authority_mismatch', () => client.request(inner(openAuthority)))
})

t.test('a name in SNI that is not the tunnel host is a mismatch', async (t) => {
  await refuses(t, gate, '421 authority_mismatch', async () =>
    (await intercepted(t, 'localhost')).request(inner(keyTls)),
  )
})

t.test('CONNECT inside a tunnel that ends here is refused', (t) =>
  refuses(t, gate, '400 bad_request', async () =>
    (await intercepted(t)).request(`CONNECT ${keyTls} HTTP/1.1\r\nHost: ${keyTls}\r\n\r\n`),
  ),
)

t.test('what has been here before is refused as a loop, in every form', async (t) => {
  await gate.ask(t, byName('/open/via'))
  const [request] = world.upstreams.open.requestsFor('/base/via')
  const [via = 'none'] = request?.values('via') ?? []
  t.match(via, /^1\.1 \S+$/)
  const lines = `Via: 1.0 front.example, ${via}\r\n`
  await refuses(t, gate, '508 loop', () => gate.ask(t, byName('/open/x', lines)))
  await refuses(t, gate, '508 loop', () =>
    gate.ask(t, absolute(`http://${openAuthority}/base/x`, lines)),
  )
  await refuses(t, gate, '508 loop', async () =>
    (await intercepted(t)).request(`GET /base/v1/x HTTP/1.1\r\nHost: ${keyTls}\r\n${lines}\r\n`),
  )
  await refuses(t, gate, '508 loop', () =>
    refusedTunnel(t, port, keyTls, `Host: ${keyTls}\r\n${lines}`),
  )
})

t.test('refusals are counted by connection, mode and status', async (t) => {
  const sample = 'sidegate_egress_requests_total{outgoing="limited",mode="name",status="403"}'
  const before = (await gate.sidegate.metric(sample)) ?? 0
  await gate.ask(t, byName('/limited/other'))
  t.equal(await gate.sidegate.metric(sample), before + 1)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
