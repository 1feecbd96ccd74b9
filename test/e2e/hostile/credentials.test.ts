/** Credentials as attackers send them: ambiguous, malformed, guessed, expired, or somebody else's. */
import t from 'tap'
import { basic, host, mobileKey, secrets, startGate } from '../../harness/hostile-gate.ts'
import { identitiesIn } from '../../harness/invariants.ts'
import type { Answer } from '../../harness/raw-client.ts'

t.setTimeout(120_000)

const gate = await startGate(t, {
  channels: [
    { name: 'keys-only', path: '/keys/*', security: 'mobile' },
    { name: 'basic-only', path: '/basic/*', security: 'crm' },
  ],
})

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

const right = encode(`crm:${secrets.password}`)
const refusals: [name: string, lines: string][] = [
  ['no credentials', ''],
  ['an empty key', 'X-API-Key:\r\n'],
  ['an unknown key', 'X-API-Key: nobody-has-this-key-0123456789\r\n'],
  ['a key with one more byte', `X-API-Key: ${secrets.mobile}x\r\n`],
  ['a key with one byte less', `X-API-Key: ${secrets.mobile.slice(0, -1)}\r\n`],
  ['a key in another case', `X-API-Key: ${secrets.mobile.toUpperCase()}\r\n`],
  ['a key in quotes', `X-API-Key: "${secrets.mobile}"\r\n`],
  ['a key listed twice in one line', `X-API-Key: ${secrets.mobile}, ${secrets.mobile}\r\n`],
  ['a URL-encoded key', `X-API-Key: ${encodeURIComponent(secrets.mobile)}\r\n`],
  ['a key with a byte above 0x7f', `X-API-Key: ${secrets.mobile}\xa0\r\n`],
  ['the key of another header', `X-API-Key: ${secrets.partner}\r\n`],
  ['our key in another definition’s header', `X-Partner-Key: ${secrets.mobile}\r\n`],
  ['the key of an inactive definition', `X-API-Key: ${secrets.retired}\r\n`],
  ['an expired key', `X-API-Key: ${secrets.expired}\r\n`],
  ['an unknown user', `Authorization: Basic ${encode('nobody:password')}\r\n`],
  ['a wrong password', `Authorization: Basic ${encode('crm:wrong')}\r\n`],
  ['an empty password', `Authorization: Basic ${encode('crm:')}\r\n`],
  ['an empty user', `Authorization: Basic ${encode(`:${secrets.password}`)}\r\n`],
  ['no colon', `Authorization: Basic ${encode('crm')}\r\n`],
  ['a user in another case', `Authorization: Basic ${encode(`CRM:${secrets.password}`)}\r\n`],
  ['a password cut at its colon', `Authorization: Basic ${encode('crm:pass')}\r\n`],
  // HMAC pads keys with zeros, so that these would be one password.
  ['a NUL behind the password', `Authorization: Basic ${encode(`crm:${secrets.password}\0`)}\r\n`],
  [
    'a newline behind the password',
    `Authorization: Basic ${encode(`crm:${secrets.password}\n`)}\r\n`,
  ],
  ['a NUL behind the user', `Authorization: Basic ${encode(`crm\0:${secrets.password}`)}\r\n`],
  [
    'invalid UTF-8',
    `Authorization: Basic ${Buffer.from('crm:\xff', 'latin1').toString('base64')}\r\n`,
  ],
  ['Basic without anything', 'Authorization: Basic\r\n'],
  ['Basic with a space', 'Authorization: Basic \r\n'],
  ['an empty Authorization', 'Authorization:\r\n'],
  ['base64 with a character of none', `Authorization: Basic ${right.slice(0, -1)}!\r\n`],
  ['base64 with a space within', `Authorization: Basic ${right.slice(0, 4)} ${right.slice(4)}\r\n`],
  ['base64 with junk behind it', `Authorization: Basic ${right}====\r\n`],
  ['base64 followed by a second one', `Authorization: Basic ${right}, Basic ${right}\r\n`],
  [
    'base64url',
    `Authorization: Basic ${encode('crm:\u{1f511}\u{1f511}>?>?').replace(/\+/g, '-').replace(/\//g, '_')}\r\n`,
  ],
  ['Bearer with the password', `Authorization: Bearer ${secrets.password}\r\n`],
  ['the scheme glued to its value', `Authorization: Basic${right}\r\n`],
  ['a made-up scheme', `Authorization: Basic2 ${right}\r\n`],
  ['Proxy-Authorization instead', `Proxy-Authorization: ${basic}\r\n`],
  ['the password in the query only', ''],
]

/** Everything a caller can see of an answer, without what differs by nature. */
function visible(answer: Answer): unknown {
  const body = JSON.parse(answer.body) as Record<string, unknown>
  delete body['request_id']
  const headers = answer.headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .map(([name, value]) => [name, name === 'x-request-id' || name === 'date' ? '' : value])
  return { status: answer.status, headers, body }
}

t.test('every failed attempt looks the same from outside', async (t) => {
  let first: unknown
  for (const [name, lines] of refusals) {
    const mark = gate.invariants.mark()
    const client = await gate.connect(t)
    const query = name.includes('query') ? `?password=${encodeURIComponent(secrets.password)}` : ''
    const answer = await client.request(`GET /p/x${query} HTTP/1.1\r\n${host}${lines}\r\n`)
    t.equal(answer.code, 'unauthorized', name)
    first ??= visible(answer)
    t.strictSame(visible(answer), first, name)
    gate.invariants.check(t, mark, { letIn: [] })
    client.destroy()
  }
})

t.test('401 challenges once for each scheme that the channel accepts', async (t) => {
  const challenges = async (path: string) => {
    const client = await gate.connect(t)
    const { headers } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    return headers
      .filter(([n]) => n.toLowerCase() === 'www-authenticate')
      .map(([, v]) => v)
      .sort()
  }
  t.strictSame(await challenges('/p/x'), [
    'ApiKey realm="protected"',
    'Basic realm="protected", charset="UTF-8"',
  ])
  t.strictSame(await challenges('/keys/x'), ['ApiKey realm="keys-only"'])
  t.strictSame(await challenges('/basic/x'), ['Basic realm="basic-only", charset="UTF-8"'])
})

t.test('the right credentials are let in, however their scheme is spelled', async (t) => {
  for (const lines of [
    mobileKey,
    `x-api-key:${secrets.mobile}\r\n`,
    `X-Partner-Key: ${secrets.partner}\r\n`,
    `Authorization: ${basic}\r\n`,
    `Authorization: basic ${right}\r\n`,
    `authorization: BASIC ${right}\r\n`,
  ]) {
    const client = await gate.connect(t)
    const answer = await client.request(`GET /p/right HTTP/1.1\r\n${host}${lines}\r\n`)
    t.equal(answer.status, 200, lines.slice(0, 20))
  }
  const identities = gate.upstream.requestsFor('/p/right').flatMap(identitiesIn)
  t.strictSame(identities, ['mobile', 'mobile', 'partner', 'crm', 'crm', 'crm'])
})

// One program checks the first credential, the next one acts on the second.
const ambiguous: [name: string, lines: string][] = [
  ['a key and a password', `${mobileKey}Authorization: ${basic}\r\n`],
  ['a key and a wrong password', `${mobileKey}Authorization: Basic eDp5\r\n`],
  ['a key and an empty Authorization', `${mobileKey}Authorization:\r\n`],
  ['a key and another scheme', `${mobileKey}Authorization: Bearer x\r\n`],
  ['two keys of two headers', `${mobileKey}X-Partner-Key: ${secrets.partner}\r\n`],
  ['an empty key and a right one', `X-API-Key:\r\nX-Partner-Key: ${secrets.partner}\r\n`],
  ['a password and an empty key', `Authorization: ${basic}\r\nX-API-Key: \r\n`],
]

for (const [name, lines] of ambiguous) {
  t.test(`${name} in one request are ambiguous`, async (t) => {
    const mark = gate.invariants.mark()
    const client = await gate.connect(t)
    const answer = await client.request(`GET /p/x HTTP/1.1\r\n${host}${lines}\r\n`)
    t.strictSame([answer.status, answer.code], [400, 'ambiguous_credentials'])
    gate.invariants.check(t, mark, { letIn: [] })
  })
}

t.test('a header that the channel does not accept is the service’s business', async (t) => {
  const client = await gate.connect(t)
  const answer = await client.request(
    `GET /keys/token HTTP/1.1\r\n${host}${mobileKey}Authorization: Bearer of-the-service\r\n\r\n`,
  )
  t.equal(answer.status, 200)
  const request = await gate.upstream.requestFor('/keys/token')
  t.strictSame(request.values('authorization'), ['Bearer of-the-service'])
  t.strictSame(identitiesIn(request), ['mobile'])
})

t.test('right credentials of a definition that the channel does not accept are 403', async (t) => {
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  const answer = await client.request(
    `GET /p/x HTTP/1.1\r\n${host}X-API-Key: ${secrets.elsewhere}\r\n\r\n`,
  )
  t.strictSame([answer.status, answer.code], [403, 'forbidden'])
  gate.invariants.check(t, mark, { letIn: [] })
})

t.test('what stands in a query, or in headers of a caller, is in no log line', async (t) => {
  // People put tokens into links, and logs are read by more people than secrets are.
  for (const path of ['/o/x', '/p/x', '/nowhere', '/o//x', '/o/x%00']) {
    const client = await gate.connect(t)
    await client.request(
      `GET ${path}?token=query-marker HTTP/1.1\r\n${host}Cookie: cookie-marker\r\nX-Mine: header-marker\r\nReferer: http://x/?referer-marker\r\n\r\n`,
    )
  }
  const lines = () => gate.sidegate.lines.filter(({ path }) => path === '/nowhere')
  await gate.sidegate.line('the access line', () => lines().length > 0)
  t.notMatch(gate.sidegate.output, /(query|cookie|header|referer)-marker/)
})

t.test('reasons of failures are counted, for the operator only', async (t) => {
  for (const reason of [
    'missing',
    'malformed',
    'ambiguous',
    'unknown',
    'expired',
    'inactive',
    'not_allowed',
  ]) {
    const sample = `sidegate_auth_failures_total{channel="protected",reason="${reason}"}`
    t.ok(((await gate.sidegate.metric(sample)) ?? 0) > 0, reason)
  }
})

t.test('no guessing told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
