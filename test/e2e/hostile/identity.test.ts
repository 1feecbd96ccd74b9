/** Spoofing: identities, Sidegate's own headers and forwarding headers that a caller brings along. */
import t, { type Test } from 'tap'
import {
  host,
  mobileKey,
  basic,
  secrets,
  startGate,
  type Gate,
} from '../../harness/hostile-gate.ts'
import { foldName, identitiesIn } from '../../harness/invariants.ts'
import type { UpstreamRequest } from '../../harness/recording-upstream.ts'

t.setTimeout(120_000)

const gate = await startGate(t, {
  channels: [
    {
      name: 'told',
      path: '/told/*',
      security: ['mobile', 'crm'],
      forward_identity: ['definition', 'type', 'groups'],
    },
    { name: 'override', path: '/m/*', methods: ['GET', 'POST'], security: 'none' },
    { name: 'kept', path: '/kept/*', security: 'mobile', forward_credentials: true },
    {
      name: 'names',
      path: '/names/*',
      security: 'none',
      allow_header_names: [
        'X_Allowed',
        'X_Authenticated_User',
        'X_Sidegate_Scopes',
        'X_Forwarded_For',
      ],
    },
  ],
})

let count = 0

/** Sends a GET with these header lines; what the upstream got. */
async function arrive(
  test: Test,
  prefix: string,
  lines: string,
  target: Gate = gate,
): Promise<UpstreamRequest> {
  const path = `${prefix}/${++count}`
  const client = await target.connect(test)
  const answer = await client.request(`GET ${path} HTTP/1.1\r\n${host}${lines}\r\n`)
  test.equal(answer.status, 200, `${path} is let in`)
  client.destroy()
  return target.upstream.requestFor(path)
}

/** Names that some server takes for the identity header, or that belong to Sidegate. */
const forgeries = [
  'X-Authenticated-User',
  'x-authenticated-user',
  'X-AUTHENTICATED-USER',
  'X_Authenticated_User',
  'X-Authenticated_User',
  'X.Authenticated.User',
  'X_Authenticated-User',
  'x.authenticated_user',
  'X-Authenticated-Definition',
  'X-Authenticated-Groups',
  'X_Authenticated_Type',
  'X-Authenticated-Anything',
  'X-Authenticated-',
  'X-Sidegate-Scopes',
  'X_Sidegate_Scopes',
  'X-Sidegate-Error',
  'x-sidegate-anything',
]

const isOurs = (name: string) => /^x-(authenticated|sidegate)-/.test(foldName(name))

for (const name of forgeries) {
  // A caller who brings the header himself would be whoever he likes to be.
  t.test(`${name} from a caller never arrives`, async (t) => {
    for (const prefix of ['/p', '/o']) {
      const mark = gate.invariants.mark()
      const key = prefix === '/p' ? mobileKey : ''
      for (const lines of [
        `${name}: root\r\n${key}`,
        `${key}${name}: root\r\n${name}: admin\r\n`,
      ]) {
        const request = await arrive(t, prefix, lines)
        const seen = request.headers.filter(([n]) => isOurs(n))
        const wanted = prefix === '/p' ? [['X-Authenticated-User', 'mobile']] : []
        t.strictSame(seen, wanted)
      }
      const letIn = prefix === '/p' ? ['mobile', 'mobile'] : [null, null]
      gate.invariants.check(t, mark, { letIn })
    }
  })
}

t.test('an identity in a trailer never arrives', async (t) => {
  for (const name of [...forgeries, 'Authorization', 'X-API-Key', 'X-Forwarded-For', 'Host']) {
    const path = `/p/trailer-${name}`
    const client = await gate.connect(t)
    const head = `POST ${path} HTTP/1.1\r\n${host}${mobileKey}Trailer: ${name}\r\nTE: trailers\r\n`
    const answer = await client.request(
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n${name}: root\r\n\r\n`,
    )
    t.equal(answer.status, 200)
    const request = await gate.upstream.requestFor(path)
    t.strictSame(request.message.trailers, [])
    t.strictSame(identitiesIn(request), ['mobile'])
    t.strictSame(request.values('trailer'), [])
    t.equal(request.body.toString(), 'hello')
    client.destroy()
  }
})

t.test('Connection cannot name our headers away', async (t) => {
  // Were the headers that Connection names removed last, a caller could strip his own identity.
  for (const name of [
    'X-Authenticated-User',
    'x-authenticated-user',
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Request-Id',
    'Host',
    'Content-Length',
    'Transfer-Encoding',
    'close, X-Authenticated-User',
    'keep-alive,,X-Authenticated-User',
    'X-Authenticated-User\r\nConnection: X-Forwarded-For',
  ]) {
    const request = await arrive(t, '/p', `${mobileKey}Connection: ${name}\r\n`)
    t.strictSame(identitiesIn(request), ['mobile'], name)
    t.strictSame(request.values('x-forwarded-for'), ['127.0.0.1'], name)
    t.strictSame(request.values('x-forwarded-proto'), ['http'], name)
    t.strictSame(request.values('x-forwarded-host'), ['gate.example'], name)
    t.equal(request.values('x-request-id').length, 1, name)
    t.strictSame(request.values('host'), ['gate.example'], name)
  }
})

t.test('Connection cannot name the framing of a body away', async (t) => {
  for (const name of ['Content-Length', 'Transfer-Encoding']) {
    const path = `/p/nominated-${name}`
    const client = await gate.connect(t)
    const framing = name === 'Content-Length' ? 'Content-Length: 5' : 'Transfer-Encoding: chunked'
    const body = name === 'Content-Length' ? 'hello' : '5\r\nhello\r\n0\r\n\r\n'
    const answer = await client.request(
      `POST ${path} HTTP/1.1\r\n${host}${mobileKey}Connection: ${name}\r\n${framing}\r\n\r\n${body}`,
    )
    t.equal(answer.status, 200)
    t.equal((await gate.upstream.requestFor(path)).body.toString(), 'hello')
  }
})

t.test('hop-by-hop headers, and what Connection names, stay here', async (t) => {
  const hopByHop = [
    'Connection: X-Hop, close',
    'X-Hop: a',
    'Keep-Alive: timeout=5',
    'Proxy-Authorization: Basic eDp5',
    'Proxy-Authenticate: Basic',
    'Proxy-Connection: keep-alive',
    'TE: trailers',
    'Trailer: X-T',
  ]
  const request = await arrive(t, '/o', hopByHop.map((line) => `${line}\r\n`).join(''))
  const names = request.headers.map(([name]) => name.toLowerCase())
  for (const line of hopByHop.slice(1)) {
    const name = (line.split(':', 1)[0] ?? '').toLowerCase()
    t.notOk(names.includes(name), name)
  }
  t.notMatch(request.values('connection').join(), /hop|close/i)
})

t.test('forwarding headers of a stranger are replaced, in every spelling', async (t) => {
  const forged = [
    'Forwarded: for=10.0.0.1;host=evil',
    'X-Forwarded-For: 10.0.0.1',
    'x-forwarded-for: 10.0.0.2',
    'X_Forwarded_For: 10.0.0.3',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Port: 443',
    'X-Forwarded-Prefix: /admin',
    'X-Forwarded-Anything: x',
    'X-Forwarded-User: root',
    'X-Real-IP: 10.0.0.1',
    'X_Real_IP: 10.0.0.1',
    'X-Original-URL: /p/admin',
    'X-Rewrite-URL: /p/admin',
    'X_Original_URL: /p/admin',
  ]
  const request = await arrive(t, '/o', forged.map((line) => `${line}\r\n`).join(''))
  const seen = request.headers.filter(([name]) =>
    /^(x-forwarded-|forwarded$|x-real-ip$|x-original-url$|x-rewrite-url$)/.test(foldName(name)),
  )
  t.strictSame(
    new Map(seen.map(([name, value]) => [name.toLowerCase(), value])),
    new Map([
      ['x-forwarded-for', '127.0.0.1'],
      ['x-forwarded-proto', 'http'],
      ['x-forwarded-host', 'gate.example'],
    ]),
  )
  t.equal(seen.length, 3, 'each of ours once and nothing else')
})

t.test('forwarding headers of a trusted proxy are kept and appended to', async (t) => {
  const trusting = await startGate(t, { inbound: { trusted_proxies: ['127.0.0.0/8'] } })
  const lines =
    'X-Forwarded-For: 203.0.113.7\r\nX_Forwarded_For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 203.0.113.7\r\n'
  const request = await arrive(
    t,
    '/p',
    `${mobileKey}${lines}X-Authenticated-User: root\r\n`,
    trusting,
  )
  t.match(request.values('x-forwarded-for').join(', '), /^203\.0\.113\.7, ?127\.0\.0\.1$/)
  t.strictSame(request.values('x-real-ip'), ['203.0.113.7'])
  t.strictSame(identitiesIn(request), ['mobile'], 'trust does not reach to identities')
  await trusting.invariants.checkAtEnd(t)
})

t.test('method overrides stay out of channels that name methods', async (t) => {
  const lines = [
    'X-HTTP-Method-Override',
    'X-HTTP-Method',
    'X-Method-Override',
    'X_HTTP_Method_Override',
  ]
  const text = lines.map((name) => `${name}: DELETE\r\n`).join('')
  const request = await arrive(t, '/m', text)
  t.strictSame(
    request.headers.filter(([name]) => /method/i.test(name)),
    [],
  )
  const elsewhere = await arrive(t, '/o', text)
  t.equal(elsewhere.headers.filter(([name]) => /method/i.test(name)).length, 3, 'not elsewhere')
})

t.test('a request id that could forge a log line or a header is replaced', async (t) => {
  for (const id of ['a b', 'x'.repeat(129), '', 'a"b', 'a,b', '\xe9', '{"event":"x"}', '../x']) {
    const request = await arrive(t, '/o', `X-Request-Id: ${id}\r\n`)
    t.match(request.values('x-request-id').join('|'), /^[A-Za-z0-9._-]{1,128}$/, JSON.stringify(id))
    t.notSame(request.values('x-request-id'), [id])
  }
  const kept = await arrive(t, '/o', 'X-Request-Id: My.id_1-2\r\n')
  t.strictSame(kept.values('x-request-id'), ['My.id_1-2'])
  const twice = await arrive(t, '/o', 'X-Request-Id: one\r\nX-Request-Id: two\r\n')
  t.equal(twice.values('x-request-id').length, 1, 'never two')
})

t.test('the consumed credential does not reach the upstream, the service’s own does', async (t) => {
  const byKey = await arrive(t, '/p', mobileKey)
  t.strictSame(byKey.values('x-api-key'), [])
  const byBasic = await arrive(t, '/p', `Authorization: ${basic}\r\n`)
  t.strictSame(byBasic.values('authorization'), [])
  t.strictSame(identitiesIn(byBasic), ['crm'])
  const openWithToken = await arrive(t, '/o', 'Authorization: Bearer service-token\r\n')
  t.strictSame(openWithToken.values('authorization'), ['Bearer service-token'])
})

t.test(
  'forward_credentials passes the credential as it came, and the identity beside it',
  async (t) => {
    const request = await arrive(t, '/kept', mobileKey)
    t.strictSame(request.values('x-api-key'), [secrets.mobile])
    t.strictSame(identitiesIn(request), ['mobile'])
  },
)

t.test('an alias of the key header is neither a credential nor passed on', async (t) => {
  const mark = gate.invariants.mark()
  for (const name of ['X_API_Key', 'X.API.Key', 'X-API_Key']) {
    const client = await gate.connect(t)
    const answer = await client.request(
      `GET /p/alias HTTP/1.1\r\n${host}${name}: ${secrets.mobile}\r\n\r\n`,
    )
    t.equal(answer.code, 'unauthorized', name)
    const request = await arrive(t, '/o', `${name}: x\r\n`)
    t.strictSame(request.values(name), [])
  }
  gate.invariants.check(t, mark, { letIn: [null, null, null] })
})

t.test('forward_identity tells more, exactly once each, whatever the caller says', async (t) => {
  const lines =
    'X-Authenticated-Definition: root\r\nX-Authenticated-Groups: admins\r\nX-Authenticated-Type: x\r\n'
  const request = await arrive(t, '/told', `Authorization: ${basic}\r\n${lines}`)
  t.strictSame(request.values('x-authenticated-user'), ['crm'])
  t.strictSame(request.values('x-authenticated-definition'), ['crm'])
  t.strictSame(request.values('x-authenticated-type'), ['basic_auth'])
  t.notMatch(request.values('x-authenticated-groups').join(), /admins/)
})

t.test('allow_header_names lets a name pass, but never an alias of the identity', async (t) => {
  const lines =
    'X_Allowed: a\r\nX_Other: b\r\nX_Authenticated_User: root\r\nX_Sidegate_Scopes: x\r\nX_Forwarded_For: 10.0.0.1\r\n'
  const request = await arrive(t, '/names', lines)
  t.strictSame(request.values('x_allowed'), ['a'])
  t.strictSame(request.values('x_other'), [])
  t.strictSame(request.values('x_sidegate_scopes'), [])
  t.strictSame(request.values('x_forwarded_for'), [])
  t.strictSame(request.values('x-forwarded-for'), ['127.0.0.1'])
  t.strictSame(identitiesIn(request), [])
})

t.test('an identity header of the operator’s choice is guarded like ours', async (t) => {
  const custom = await startGate(t, { inbound: { identity_header: 'Remote-User' } })
  for (const name of ['Remote-User', 'remote_user', 'REMOTE.USER', 'Remote_User']) {
    const request = await arrive(
      t,
      '/p',
      `${mobileKey}${name}: root\r\nX-Authenticated-User: root\r\n`,
      custom,
    )
    const seen = request.headers.filter(([n]) => foldName(n) === 'remote-user')
    t.strictSame(seen, [['Remote-User', 'mobile']])
    t.strictSame(identitiesIn(request), [])
    const open = await arrive(t, '/o', `${name}: root\r\n`, custom)
    t.strictSame(
      open.headers.filter(([n]) => foldName(n) === 'remote-user'),
      [],
    )
  }
})

t.test('spoof attempts are counted', async (t) => {
  const sample = 'sidegate_identity_spoof_attempts_total{channel="protected"}'
  t.ok(((await gate.sidegate.metric(sample)) ?? 0) > 0)
})

t.test('no spoofing told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
