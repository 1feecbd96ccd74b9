import t from 'tap'
import { createAuthority } from '../../src/tls/authority.ts'
import { checkAuthority } from '../../src/tls/check-authority.ts'
import { createPemFolder, openssl, skipOpenssl } from './verifiers.ts'

const DAY_MS = 86_400_000
const hosts = ['api.example.com', '*.wild.example.com', '10.1.2.3', 'fd00::5']
const create = (nowMs = Date.now()) => createAuthority({ hosts, validityDays: 30, nowMs })

/** A certificate as openssl makes it from extensions. */
function createForeign(
  t: Parameters<typeof createPemFolder>[0],
  extensions: readonly string[],
  key = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
) {
  const keyPath = createPemFolder(t)('key.pem', '')
  const certPem = openssl([
    ...['req', '-x509', '-newkey', ...key, '-nodes', '-keyout', keyPath, '-subj', '/CN=Foreign'],
    ...extensions.flatMap((extension) => ['-addext', extension]),
  ]).replace(/^[\s\S]*?(?=-----BEGIN)/, '')
  return { certPem, keyPem: openssl(['pkey', '-in', keyPath]) }
}

t.test('an authority of ours is right for its hosts', async (t) => {
  const { certPem, keyPem } = await create()
  t.same(checkAuthority(certPem, keyPem, hosts, Date.now()), [])
})

t.test('a host that it may not issue for is named', async (t) => {
  const { certPem, keyPem } = await create()
  for (const host of [
    'bank.example',
    'example.com',
    '*.example.com',
    '10.1.2.4',
    'fd00::6',
    '::1',
  ]) {
    const [problem, ...others] = checkAuthority(certPem, keyPem, [...hosts, host], Date.now())
    t.match(problem, `may not issue for "${host}"`)
    t.same(others, [])
  }
})

t.test('one that has ended, or has not begun, is refused', async (t) => {
  const nowMs = Date.parse('2026-11-24T12:00:00Z')
  const { certPem, keyPem } = await create(nowMs)
  const check = (atMs: number) => checkAuthority(certPem, keyPem, hosts, atMs)
  t.same(check(nowMs + 31 * DAY_MS), ['the authority ended on 2026-12-24'])
  t.same(check(nowMs - DAY_MS), ['the authority is not valid before 2026-11-24'])
})

t.test('the key of another is refused', async (t) => {
  const [a, b] = [await create(), await create()]
  t.same(checkAuthority(a.certPem, b.keyPem, hosts, Date.now()), [
    'the key does not belong to the certificate',
  ])
})

t.test('what is no PEM is refused, and not repeated', async (t) => {
  const { certPem, keyPem } = await create()
  const bad = keyPem.replace(/(?<=\n).{20}/, '')
  const problems = [
    ...checkAuthority('nonsense', keyPem, hosts, Date.now()),
    ...checkAuthority(certPem, bad, hosts, Date.now()),
  ]
  t.same(problems, [
    'the certificate of the authority cannot be read',
    'the private key of the authority cannot be read',
  ])
})

const ca = 'basicConstraints=critical,CA:TRUE'
const foreign: readonly {
  claim: string
  extensions: readonly string[]
  key?: string[]
  problem?: RegExp
}[] = [
  { claim: 'one without constraints may issue for all', extensions: [ca] },
  {
    claim: 'CA:FALSE is refused',
    extensions: ['basicConstraints=critical,CA:FALSE'],
    problem: /wanted CA:TRUE/,
  },
  {
    claim: 'a key usage without keyCertSign is refused',
    extensions: [ca, 'keyUsage=digitalSignature'],
    problem: /keyCertSign/,
  },
  {
    claim: 'an extended key usage without servers is refused',
    extensions: [ca, 'extendedKeyUsage=clientAuth'],
    problem: /wanted serverAuth/,
  },
  {
    claim: 'an extended key usage with servers is right',
    extensions: [ca, 'extendedKeyUsage=clientAuth,serverAuth'],
  },
  {
    claim: 'a leading dot means the names below alone',
    extensions: [
      ca,
      'nameConstraints=critical,permitted;DNS:.api.example.com,permitted;DNS:wild.example.com',
    ],
    problem: /"api\.example\.com"/,
  },
  {
    claim: 'an excluded name is refused',
    extensions: [ca, 'nameConstraints=critical,excluded;DNS:api.example.com'],
    problem: /"api\.example\.com"/,
  },
  {
    claim: 'an excluded network is refused',
    extensions: [ca, 'nameConstraints=critical,excluded;IP:10.0.0.0/255.0.0.0'],
    problem: /"10\.1\.2\.3"/,
  },
  {
    claim: 'constraints on addresses leave names free',
    extensions: [ca, 'nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0'],
    problem: /"fd00::5"/,
  },
  {
    claim: 'an RSA key of 1024 bits is refused',
    extensions: [ca],
    key: ['rsa:1024'],
    problem: /1024 bits/,
  },
  { claim: 'Ed25519 is refused', extensions: [ca], key: ['ed25519'], problem: /ed25519/ },
  {
    claim: 'a curve that clients do not have is refused',
    extensions: [ca],
    key: ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    problem: /secp256k1/,
  },
]

for (const { claim, extensions, key, problem } of foreign) {
  t.test(claim, { skip: skipOpenssl }, async (t) => {
    const { certPem, keyPem } = createForeign(t, extensions, key)
    const problems = checkAuthority(certPem, keyPem, hosts, Date.now())
    t.equal(problems.length, problem === undefined ? 0 : 1, problems.join('; '))
    if (problem !== undefined) t.match(problems[0], problem)
  })
}
