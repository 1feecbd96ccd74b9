/** What egress would refuse call by call is said when the configuration is read. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { loadConfiguration } from '../../src/config/load.ts'
import { createAuthority } from '../../src/tls/authority.ts'

const DAY_MS = 24 * 3_600_000

/** The warnings about connections, as `PATH: problem`. */
async function warningsOf(
  t: Test,
  outgoing: readonly object[],
  more: {
    readonly egress?: object
    readonly files?: Record<string, string>
    readonly definitions?: readonly object[]
    nowMs?: number
  } = {},
): Promise<readonly string[]> {
  const folder = t.testdir(more.files ?? {})
  const file = join(folder, 'sidegate.yaml')
  const text = JSON.stringify({
    egress: { listen: '127.0.0.1:3128', ...more.egress },
    security: more.definitions ?? [
      { name: 'key', type: 'api_key', key: '0123456789abcdef0123456789abcdef-01' },
    ],
    outgoing: outgoing.map((each, index) => ({ name: `c${index}`, security: 'key', ...each })),
  })
  writeFileSync(file, text, { mode: 0o600 })
  const result = await loadConfiguration({
    paths: [file],
    env: {},
    fingerprintKey: Buffer.alloc(32),
    nowMs: more.nowMs ?? Date.now(),
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.warnings
    .map(({ path, problem }) => `${path}: ${problem}`)
    .filter((warning) => !warning.endsWith('can read the file of this private key'))
}

const url = 'https://api.example.com'

t.test('paths or methods that a tunnel would hide are warned about', async (t) => {
  t.match(await warningsOf(t, [{ url, https: 'tunnel', paths: ['/a/*'] }]), [
    /^outgoing\.0\.https: nobody sees paths in a tunnel/,
  ])
  t.match(await warningsOf(t, [{ url, https: 'tunnel', methods: ['GET'] }]), [
    /^outgoing\.0\.https: nobody sees methods in a tunnel/,
  ])
  t.strictSame(await warningsOf(t, [{ url, https: 'tunnel' }]), [])
  t.strictSame(await warningsOf(t, [{ url, https: 'tunnel', paths: ['/a'], match: 'name' }]), [])
  t.strictSame(await warningsOf(t, [{ url, https: 'tunnel', paths: ['/a'], is_active: false }]), [])
})

t.test('a tunnel beside a connection that does not say so is warned about', async (t) => {
  const other = { url: `${url}/v2`, security: 'none' }
  t.match(await warningsOf(t, [{ url, https: 'tunnel' }, other]), [
    /^outgoing\.0\.https: "c1", on the same host and port, does not say https: tunnel/,
  ])
  t.strictSame(
    await warningsOf(t, [
      { url, https: 'tunnel' },
      { ...other, https: 'tunnel' },
    ]),
    [],
  )
  t.strictSame(
    await warningsOf(t, [
      { url, https: 'tunnel' },
      { ...other, match: 'name' },
    ]),
    [],
  )
  const elsewhere = { url: 'https://api.example.com:8443' }
  t.strictSame(await warningsOf(t, [{ url, https: 'tunnel' }, elsewhere]), [])
})

t.test('an authority that no client would believe is warned about', async (t) => {
  const { certPem, keyPem } = await createAuthority({
    hosts: ['api.example.com'],
    validityDays: 3650,
    nowMs: Date.now(),
  })
  const files = { 'ca.crt': certPem, 'ca.key': keyPem }
  const egress = { ca: { cert: 'ca.crt', key: 'ca.key' } }
  const intercept = { url, https: 'intercept' }
  t.strictSame(await warningsOf(t, [intercept], { egress, files }), [])
  t.match(
    await warningsOf(t, [intercept, { ...intercept, url: 'https://other.example' }], {
      egress,
      files,
    }),
    [/^egress\.ca\.cert: the authority may not issue for "other\.example"/],
  )
  t.match(
    await warningsOf(t, [intercept], { egress, files, nowMs: Date.now() + 40_000 * DAY_MS }),
    [/^egress\.ca\.cert: the authority ended on /],
  )
  t.strictSame(
    await warningsOf(t, [{ url: 'https://other.example' }], { egress, files }),
    [],
    'nobody asks it for that host',
  )
})

t.test('a credential that travels to a parent proxy in cleartext is warned about', async (t) => {
  const security = 'px'
  const definitions = [
    { name: 'key', type: 'api_key', key: '0123456789abcdef0123456789abcdef-01' },
    { name: 'px', type: 'basic_auth', username: 'px', password: 'abcdef0123456789abcdef-02' },
  ]
  const proxyOf = (proxy: string) => ({ url: proxy, security })
  const at = (egress: string, own?: string) =>
    warningsOf(t, [{ url, ...(own === undefined ? {} : { proxy: proxyOf(own) }) }], {
      egress: { proxy: proxyOf(egress) },
      definitions,
    })
  const problem = '"px" travels to this proxy in cleartext, wanted https://'
  t.strictSame(await at('http://proxy.corp:3128'), [`egress.proxy.url: ${problem}`])
  t.strictSame(await at('http://10.0.0.1:3128'), [`egress.proxy.url: ${problem}`])
  t.strictSame(await at('https://proxy.corp'), [])
  t.strictSame(await at('http://127.0.0.1:3128'), [])
  t.strictSame(await at('https://proxy.corp', 'http://proxy.corp'), [
    `outgoing.0.proxy.url: ${problem}`,
  ])
  const open = { egress: { proxy: { url: 'http://proxy.corp' } } }
  t.strictSame(await warningsOf(t, [{ url }], open), [], 'nothing is shown to it')
  const ntlm = { name: 'px', type: 'ntlm', username: 'CORP\\px', password: 'abcdef0123456789-04' }
  const login = { egress: { proxy: proxyOf('http://proxy.corp') } }
  t.strictSame(
    await warningsOf(t, [{ url }], { ...login, definitions: [...definitions.slice(0, 1), ntlm] }),
    [],
    'NTLM shows it no password',
  )
  const token = {
    name: 'token',
    type: 'bearer_token',
    username: 'id',
    password: 'abcdef0123456789abcdef-03',
    auth_server_url: 'https://auth.example.com/token',
    proxy: proxyOf('http://proxy.corp'),
  }
  t.strictSame(await warningsOf(t, [{ url }], { definitions: [...definitions, token] }), [
    `security.2.proxy.url: ${problem}`,
  ])
})
