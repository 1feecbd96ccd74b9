import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createFolder, runCli } from './run-cli.ts'

const password = 'correct-horse-battery'
const key = 'sg_0123456789-0123456789-0123456789'
const config = `
inbound:
  listen: 127.0.0.1:0
  upstream: http://127.0.0.1:8080
  trusted_proxies: [10.0.0.0/8]
security:
  - { name: crm, type: basic_auth, username: crm-user, password: "\${env:PASSWORD}" }
  - { name: mobile, type: api_key, key: "\${env:KEY}" }
  - { name: off, type: api_key, key: "off-0123456789-0123456789-0123456789", is_active: false }
groups:
  - { name: partners, members: [mobile] }
channels:
  - { name: orders, path: "/api/orders/{id}", methods: [GET, POST], security: crm, groups: [partners] }
  - { name: stock, path: /stock/*, security: [crm, off] }
  - { name: legacy, path: /legacy, security: mobile, forward_credentials: true }
  - { name: gone, path: /gone, security: none, is_active: false }
  - { name: health, path: /healthz, security: none }
`
const env = { PASSWORD: password, KEY: key }
const basic = `Authorization: Basic ${Buffer.from(`crm-user:${password}`).toString('base64')}`
const apiKey = `X-API-Key: ${key}`

async function explain(t: Test, ...args: string[]) {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'sidegate.yaml'), config, { mode: 0o600 })
  const run = await runCli(['explain', ...args], { cwd, env })
  t.notMatch(run.stdout + run.stderr, password)
  t.notMatch(run.stdout + run.stderr, key)
  t.notMatch(run.stdout + run.stderr, basic.slice('Authorization: Basic '.length))
  return run
}

t.test('a known caller is let in, and what the upstream gets is shown', async (t) => {
  const url = 'http://shop.example.com/api/orders/7?token=t0ps3cret&page='
  const { code, stdout, stderr } = await explain(t, 'POST', url, '-H', basic, '-H', 'Accept: a/b')
  t.equal(code, 0, stderr)
  t.match(stdout, /^request +POST \/api\/orders\/7\?token=\[masked\]&page=\[masked\]$/m)
  t.match(stdout, /^channel +orders: GET\|POST \/api\/orders\/\{id\}, for crm or group partners$/m)
  t.match(stdout, /^caller +crm \(basic_auth\), told as "crm-user"$/m)
  t.match(stdout, /^verdict +let in$/m)
  t.match(stdout, /^upstream +http:\/\/127\.0\.0\.1:8080 gets$/m)
  t.match(stdout, /^ +Host: shop\.example\.com$/m)
  t.match(stdout, /^ +X-Authenticated-User: crm-user$/m)
  t.match(stdout, /^ +Accept: a\/b$/m)
  t.notMatch(stdout, /Authorization/, 'the credential is not forwarded')
  t.notMatch(stdout, 't0ps3cret')
})

t.test('userinfo of the URL is Basic, as in curl', async (t) => {
  const { code, stdout } = await explain(t, 'GET', `http://crm-user:${password}@localhost/stock/1`)
  t.equal(code, 0, stdout)
})

t.test('a member of a group is let in by its key', async (t) => {
  const { code, stdout } = await explain(t, 'GET', '/api/orders/7', '-H', apiKey)
  t.equal(code, 0, stdout)
  t.match(stdout, /^caller +mobile \(api_key\), told as "mobile", in partners$/m)
})

t.test('a forwarded credential is masked', async (t) => {
  const { code, stdout } = await explain(t, 'GET', '/legacy', '-H', apiKey, '-H', 'Cookie: s=1')
  t.equal(code, 0, stdout)
  t.match(stdout, /^ +X-API-Key: \[masked\]$/m)
  t.match(stdout, /^ +Cookie: \[masked\]$/m)
})

t.test('an open channel sets no identity', async (t) => {
  const { code, stdout } = await explain(t, 'GET', '/healthz', '-H', 'X-Authenticated-User: me')
  t.equal(code, 0)
  t.match(stdout, /^caller +anybody: the channel is open/m)
  t.match(stdout, /a forged identity header/)
  t.notMatch(stdout, /X-Authenticated-User: /)
})

t.test('what a trusted proxy says is kept, what others say is not', async (t) => {
  const header = ['-H', 'X-Forwarded-For: 1.2.3.4']
  const trusted = await explain(t, 'GET', '/healthz', ...header, '--from', '10.1.2.3')
  t.match(trusted.stdout, /X-Forwarded-For: 1\.2\.3\.4, 10\.1\.2\.3$/m)
  const other = await explain(t, 'GET', '/healthz', ...header, '--from', '11.1.2.3')
  t.match(other.stdout, /X-Forwarded-For: 11\.1\.2\.3$/m)
})

const refused: readonly [claim: string, args: string[], code: string, why: RegExp][] = [
  [
    'no credential',
    ['GET', '/stock/1'],
    '401 unauthorized',
    /no credential was sent .*authorization/,
  ],
  [
    'a wrong password',
    ['GET', 'http://crm-user:x@h/stock/1'],
    '401 unauthorized',
    /the password of "crm"/,
  ],
  [
    'an unknown key',
    ['GET', '/legacy', '-H', 'X-API-Key: x'],
    '401 unauthorized',
    /no definition has/,
  ],
  [
    'an unreadable credential',
    ['GET', '/stock/1', '-H', 'Authorization: Basic !'],
    '401 unauthorized',
    /cannot be read/,
  ],
  [
    'an inactive definition',
    ['GET', '/stock/1', '-H', 'X-API-Key: off-0123456789-0123456789-0123456789'],
    '401 unauthorized',
    /"off" is right, but the definition is switched off/,
  ],
  [
    'a caller of another channel',
    ['GET', '/stock/1', '-H', apiKey],
    '403 forbidden',
    /"mobile" is right, but the channel accepts other/,
  ],
  [
    'two credentials',
    ['GET', '/stock/1', '-H', basic, '-H', apiKey],
    '400 ambiguous_credentials',
    /more than one/,
  ],
  [
    'the same header twice',
    ['GET', '/legacy', '-H', apiKey, '-H', apiKey],
    '400 bad_request',
    /twice/,
  ],
  [
    'a dot segment',
    ['GET', 'http://h/stock/../legacy'],
    '400 path_rejected',
    /no channel can allow/,
  ],
  ['an empty segment', ['GET', '/stock//1'], '400 path_rejected', /the channel does not allow/],
  ['no channel', ['GET', '/nothing'], '404 no_channel', /no channel has this host and path/],
  ['a channel that is off', ['GET', '/gone'], '404 no_channel', /switched off/],
  ['another method', ['DELETE', '/api/orders/7'], '405 method_refused', /only GET, POST/],
  ['TRACE', ['TRACE', '/healthz'], '405 method_refused', /strict HTTP/],
  [
    'two hosts',
    ['GET', '/healthz', '-H', 'Host: a', '-H', 'Host: b'],
    '400 bad_request',
    /strict HTTP/,
  ],
  [
    'an unknown expectation',
    ['GET', '/healthz', '-H', 'Expect: x'],
    '417 expectation_failed',
    /100-continue/,
  ],
]

for (const [claim, args, code, why] of refused) {
  t.test(`${claim}: refused, and why`, async (t) => {
    const run = await explain(t, ...args)
    t.equal(run.code, 1, run.stderr)
    t.match(run.stdout, `verdict   refused: ${code}\n`)
    t.match(/^why +(.*)$/m.exec(run.stdout)?.[1] ?? '', why)
    t.match(run.stdout, /^cure +\S/m)
  })
}

t.test('a wrong line is a matter of usage, and is not repeated', async (t) => {
  for (const args of [
    [],
    ['GET'],
    ['GET', 'shop.example.com'],
    ['GET', '/x', '-H', password],
    ['GET', '/x', password],
    ['GET', '/x', '--from', 'here'],
  ]) {
    t.equal((await explain(t, ...args)).code, 2, args.join(' '))
  }
})

t.test('--egress without egress is a problem of the configuration', async (t) => {
  const { code, stderr } = await explain(t, '--egress', 'GET', 'https://api.example.com/')
  t.equal(code, 1)
  t.match(stderr, 'the configuration has no egress')
})
