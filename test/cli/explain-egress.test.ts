/** What `explain --egress` says of calls that the service makes. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TestAuthority } from '../harness/egress-certificates.ts'
import { skipOpenssl } from '../tls/verifiers.ts'
import { createFolder, runCli } from './run-cli.ts'

const key = 'sg_0123456789-0123456789-0123456789'
const password = 'correct-horse-battery'
const header = 'in-a-header-0123456789'

const config = {
  egress: {
    listen: '127.0.0.1:3128',
    names: ['sidegate.svc'],
    unmatched: 'public',
    proxy: { url: 'http://proxy.example:8080', no_proxy: ['.direct.example', 'api.example.com'] },
  },
  security: [
    { name: 'key', type: 'api_key', header: 'X-Partner-Key', key },
    { name: 'off', type: 'api_key', key: `${key}-off`, is_active: false },
    { name: 'basic', type: 'basic_auth', username: 'api-user', password },
    {
      name: 'bearer',
      type: 'bearer_token',
      username: 'my-client',
      password,
      auth_server_url: 'https://auth.invalid/token',
      scopes: ['read'],
      allowed_scopes: ['read', 'write'],
    },
  ],
  outgoing: [
    { name: 'api', url: 'https://api.example.com/v1', security: 'bearer', paths: ['/v1/me/*'] },
    { name: 'partner', url: 'https://partner.example', security: 'key', methods: ['GET', 'POST'] },
    { name: 'polite', url: 'https://a.direct.example', security: 'basic', on_existing: 'keep' },
    { name: 'strict', url: 'https://b.direct.example', security: 'basic', on_existing: 'reject' },
    {
      name: 'blind',
      url: 'https://blind.example',
      security: 'key',
      https: 'tunnel',
      headers: { 'X-Version': '2', 'X-Other': '${env:HEADER}' },
    },
    { name: 'clear', url: 'http://clear.example', security: 'none' },
    { name: 'second', url: 'https://partner.example', security: 'basic', match: 'name' },
    { name: 'wild', url: 'https://*.wild.example', security: 'key' },
    { name: 'switched', url: 'https://switched.example', security: 'off' },
    { name: 'gone', url: 'https://gone.example', security: 'key', is_active: false },
  ],
}

/** With `change` in `egress`. */
async function explainWith(t: Test, change: object, args: readonly string[]) {
  const cwd = await createFolder(t)
  const changed = { ...config, egress: { ...config.egress, ...change } }
  await writeFile(join(cwd, 'sidegate.yaml'), JSON.stringify(changed), { mode: 0o600 })
  const run = await runCli(['explain', '--egress', ...args], { cwd, env: { HEADER: header } })
  const printed = run.stdout + run.stderr
  for (const secret of [key, password, header]) t.notMatch(printed, secret)
  const pair = Buffer.from(`api-user:${password}`).toString('base64')
  t.notMatch(printed, pair)
  return { ...run, printed }
}

const explain = (t: Test, ...args: string[]) => explainWith(t, {}, args)

t.test('in NAME form: which connection, which credential, what the API gets', async (t) => {
  const { code, printed } = await explain(t, 'GET', '/api/me/x?q=t0psecret', '-H', 'Accept: a/b')
  t.equal(code, 0, printed)
  t.match(printed, /^request +GET \/api\/me\/x\?q=\[masked\]$/m)
  t.match(printed, /^arrives +in NAME form$/m)
  t.match(
    printed,
    /^connection api: https:\/\/api\.example\.com\/v1, adds bearer \(bearer_token\), only \/v1\/me\/\*$/m,
  )
  t.match(printed, /^verdict +let in$/m)
  t.match(printed, /^note +the token is one of https:\/\/auth\.invalid\/token, with scopes read$/m)
  t.match(printed, /^upstream +https:\/\/api\.example\.com gets$/m)
  t.match(printed, /^ +GET \/v1\/me\/x\?q=\[masked\] HTTP\/1\.1$/m)
  t.match(printed, /^ +Host: api\.example\.com$/m)
  t.match(printed, /^ +Accept: a\/b$/m)
  t.match(printed, /^ +Authorization: \[masked\]$/m)
  t.match(printed, /^ +Via: 1\.1 sidegate-/m)
  t.notMatch(printed, 't0psecret')
})

t.test('a key of the app is masked in every spelling of its header', async (t) => {
  for (const name of ['X_Partner_Key', 'x.partner-key', 'X_API_Key', 'AUTHORIZATION']) {
    const sent = ['-H', `${name}: of-the-app-0123`, '-H', 'Accept: a/b']
    const { code, printed } = await explain(t, 'GET', 'http://clear.example/', ...sent)
    t.equal(code, 0, printed)
    t.match(printed, `    ${name}: [masked]\n`)
    t.notMatch(printed, 'of-the-app-0123')
  }
})

t.test('every spelling of our own address is the NAME form', async (t) => {
  for (const url of [
    'http://127.0.0.1:3128/partner/x',
    'http://localhost:3128/partner/x',
    'http://sidegate.svc/partner/x',
  ]) {
    const { code, printed } = await explain(t, 'GET', url)
    t.equal(code, 0, printed)
    t.match(printed, /^arrives +in NAME form$/m, url)
    t.match(printed, /^ +X-Partner-Key: \[masked\]$/m)
  }
})

t.test(
  'an absolute URL is chosen by host, and dialled by the scheme of the connection',
  async (t) => {
    const { code, printed } = await explain(t, 'GET', 'http://partner.example/x')
    t.equal(code, 0, printed)
    t.match(printed, /^arrives +as an absolute URL/m)
    t.match(
      printed,
      /^upstream +https:\/\/partner\.example by the parent proxy proxy\.example:8080 gets$/m,
    )
    const direct = await explain(t, 'GET', 'http://api.example.com/v1/me/')
    t.match(direct.printed, /^upstream +https:\/\/api\.example\.com gets$/m)
  },
)

t.test('https:// begins with CONNECT', async (t) => {
  const tunnel = await explain(t, 'GET', 'https://blind.example/x')
  t.equal(tunnel.code, 0, tunnel.printed)
  t.match(tunnel.printed, /^arrives +CONNECT blind\.example:443, https: tunnel$/m)
  t.match(tunnel.printed, /^then +TLS passes as it is and nothing is added/m)
  const missing = await explain(t, 'GET', 'https://partner.example/x')
  t.equal(missing.code, 1)
  t.match(missing.printed, /^verdict +refused: 403 https_mode_missing$/m)
  t.match(missing.printed, 'http://127.0.0.1:3128/partner/…')
  const connect = await explain(t, 'CONNECT', 'partner.example:443')
  t.equal(connect.code, 1)
  t.match(connect.printed, 'https_mode_missing')
  const clear = await explain(t, 'GET', 'https://clear.example/')
  t.equal(clear.code, 1)
  t.match(clear.printed, 'outgoing_refused')
  const own = await explain(t, 'CONNECT', '127.0.0.1:3128')
  t.equal(own.code, 0, own.printed)
  t.match(own.printed, 'takes requests in NAME form')
})

t.test('with https: intercept the request inside is told', { skip: skipOpenssl }, async (t) => {
  const { cert, key: caKey } = new TestAuthority(t)
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'ca.pem'), cert)
  await writeFile(join(cwd, 'ca.key'), caKey, { mode: 0o600 })
  const intercepting = {
    egress: { listen: '127.0.0.1:3128', clients: ['app'], ca: { cert: 'ca.pem', key: 'ca.key' } },
    security: [
      { name: 'app', type: 'api_key', key: `${key}-app` },
      { name: 'key', type: 'api_key', key },
    ],
    outgoing: [{ name: 'in', url: 'https://in.example/v1', security: 'key', https: 'intercept' }],
  }
  await writeFile(join(cwd, 'sidegate.yaml'), JSON.stringify(intercepting), { mode: 0o600 })
  const ask = (...args: string[]) => runCli(['explain', '--egress', ...args], { cwd })
  const proof = Buffer.from(`app:${key}-app`).toString('base64')
  const shown = ['-H', `Proxy-Authorization: Basic ${proof}`]

  const right = await ask('GET', 'https://in.example/v1/x', ...shown)
  t.equal(right.code, 0, right.stdout + right.stderr)
  t.match(right.stdout, /^request +GET https:\/\/in\.example\/v1\/x$/m)
  t.match(right.stdout, /^arrives +CONNECT in\.example:443, https: intercept$/m)
  t.match(right.stdout, /^client +app$/m)
  t.match(right.stdout, /^ +X-API-Key: \[masked\]$/m)
  t.notMatch(right.stdout, /Proxy-Auth/)
  const outside = await ask('GET', 'https://in.example/v2/x', ...shown)
  t.equal(outside.code, 1)
  t.match(outside.stdout, 'outgoing_refused')
  const nobody = await ask('GET', 'https://in.example/v1/x')
  t.equal(nobody.code, 1)
  t.match(nobody.stdout, /refused: 407 client_unauthorized\nwhy +no Proxy-Authorization was sent/)
  const wrong = await ask('GET', '/in/x', '-H', 'Proxy-Authorization: Basic YXBwOng=')
  t.match(wrong.stdout, /refused: 407 client_unauthorized\nwhy +the Proxy-Authorization is none of/)
  const connect = await ask('CONNECT', 'in.example:443', ...shown)
  t.equal(connect.code, 0, connect.stdout)
  t.match(connect.stdout, 'the tunnel ends here, and takes TLS or cleartext HTTP')
})

t.test('the slot of the app: replaced, kept or refused', async (t) => {
  const mine = ['-H', 'Authorization: Basic bWluZTptaW5l']
  const replaced = await explain(t, 'GET', '/second/x', ...mine)
  t.equal(replaced.code, 0, replaced.printed)
  t.match(replaced.printed, 'the authorization header of the app is replaced')
  t.equal(replaced.printed.match(/^ +Authorization: /gm)?.length, 1)
  const kept = await explain(t, 'GET', '/polite/x', ...mine)
  t.equal(kept.code, 0)
  t.match(kept.printed, 'the authorization header of the app stays (on_existing: keep)')
  t.notMatch(kept.printed, 'bWluZTptaW5l')
  const twice = await explain(t, 'GET', '/polite/x', '-H', 'X-A: 1', ...mine, ...mine)
  t.match(twice.printed, 'refused: 400 bad_request')
  const rejected = await explain(t, 'GET', '/strict/x', ...mine)
  t.equal(rejected.code, 1)
  t.match(rejected.printed, 'on_existing: reject')
})

t.test('headers of the connection are set, those from references masked', async (t) => {
  const { printed } = await explain(t, 'GET', 'http://blind.example/', '-H', 'X-Version: 1')
  t.match(printed, /^ +X-Version: 2$/m)
  t.notMatch(printed, /X-Version: 1/)
  t.match(printed, /^ +X-Other: \[redacted\]$/m)
})

t.test('scopes of one call', async (t) => {
  const asked = await explain(t, 'GET', '/api/me/', '-H', 'X-Sidegate-Scopes: write read')
  t.equal(asked.code, 0, asked.printed)
  t.match(asked.printed, 'with scopes write read')
  t.notMatch(asked.printed, /^ +X-Sidegate/m)
  for (const [name, scopes, code] of [
    ['api/me/', 'admin', '403 scope_refused'],
    ['api/me/', 'a  b', '400 bad_control_header'],
    ['partner/', 'a', '400 bad_control_header'],
  ]) {
    const run = await explain(t, 'GET', `/${name}`, '-H', `X-Sidegate-Scopes: ${scopes}`)
    t.equal(run.code, 1)
    t.match(run.printed, `refused: ${code}\n`)
  }
})

t.test('a host that no connection names, under public', async (t) => {
  const { code, printed } = await explain(t, 'GET', 'http://other.example/x', '-H', 'Cookie: a=b')
  t.equal(code, 0, printed)
  t.match(printed, /^note +no connection names the host/m)
  t.notMatch(printed, /^connection/m)
  t.match(printed, /^ +Cookie: \[masked\]$/m)
  const tunnel = await explain(t, 'GET', 'https://other.example/x')
  t.equal(tunnel.code, 0)
  t.match(tunnel.printed, 'no outgoing connection names the host')
  const deny = await explainWith(t, { unmatched: 'deny' }, ['GET', 'https://other.example/x'])
  t.equal(deny.code, 1)
  t.match(deny.printed, 'refused: 403 unmatched_host')
  t.match(deny.printed, / {11} {4}https: tunnel$/m)
  t.match(deny.printed, /^there are +api: /m)
})

const refused: readonly [args: string[], code: string, why: RegExp][] = [
  [['DELETE', '/partner/x'], '403 outgoing_refused', /does not have this method/],
  [['GET', '/api/you'], '403 outgoing_refused', /None of the paths/],
  [['GET', 'http://api.example.com/v2'], '403 outgoing_refused', /below no base path/],
  [['GET', 'http://api.example.com:8443/v1'], '403 outgoing_refused', /port 8443/],
  [['GET', '/wild/x'], '404 no_outgoing', /no single host/],
  [['GET', '/nothing/x'], '404 no_outgoing', /No outgoing connection is named "nothing"/],
  [['GET', '/partner/../x'], '400 path_rejected', /dot segments/],
  [['GET', '/switched/x'], '503 definition_inactive', /"off" says is_active: false/],
  [['GET', '/gone/x'], '403 outgoing_refused', /is_active: false/],
  [['GET', '/partner/x', '-H', 'Origin: null'], '403 browser_refused', /Origin/],
  [
    ['GET', '/partner/x', '-H', 'Host: evil.example'],
    '421 authority_mismatch',
    /Host that is ours/,
  ],
  [['GET', 'http://169.254.169.254/'], '403 destination_refused', /metadata address/],
  [['GET', 'http://127.0.0.1:80/'], '403 destination_refused', /loopback/],
  [['GET', 'http://other.example:81/'], '403 destination_refused', /unmatched_ports/],
  [['GET', '/partner/', '-H', 'Expect: x'], '417 expectation_failed', /100-continue/],
  [['TRACE', 'http://partner.example/'], '405 method_refused', /strict HTTP/],
  [['GET', '/partner/', '-H', 'Host: a', '-H', 'Host: b'], '400 bad_request', /strict HTTP/],
]

for (const [args, code, why] of refused) {
  t.test(`${args.join(' ')}: refused with ${code}, and why`, async (t) => {
    const run = await explain(t, ...args)
    t.equal(run.code, 1, run.stderr)
    t.match(run.stdout, `verdict    refused: ${code}\n`)
    t.match(/^why +(.*)$/m.exec(run.stdout)?.[1] ?? '', why)
    t.match(run.stdout, /^cure +\S/m)
  })
}

t.test('an address outside of client_networks is closed', async (t) => {
  const change = { clients: 'none', client_networks: ['10.0.0.0/8'] }
  const inside = await explainWith(t, change, ['GET', '/partner/x', '--from', '10.1.2.3'])
  t.equal(inside.code, 0, inside.printed)
  const outside = await explainWith(t, change, ['GET', '/partner/x', '--from', '11.1.2.3'])
  t.equal(outside.code, 1)
  t.match(outside.printed, 'refused: the connection is closed')
})

t.test('a wrong line is a matter of usage, before the configuration is looked at', async (t) => {
  const cwd = await createFolder(t)
  for (const args of [
    ['GET'],
    ['GET', 'api.example.com'],
    ['CONNECT', 'api.example.com'],
    ['CONNECT', 'https://api.example.com:443'],
    ['GET', '/x', '-H', 'no colon'],
  ]) {
    t.equal((await runCli(['explain', '--egress', ...args], { cwd })).code, 2, args.join(' '))
  }
})
