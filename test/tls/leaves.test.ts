import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { setImmediate } from 'node:timers/promises'
import { TLSSocket, connect as connectTls } from 'node:tls'
import t from 'tap'
import { createAuthority } from '../../src/tls/authority.ts'
import { Leaves } from '../../src/tls/leaves.ts'
import { makeConnection } from '../harness/connection.ts'
import {
  connectWithNode,
  connectWithPython,
  createPemFolder,
  openssl,
  serveTls,
  skipOpenssl,
  skipPython,
  verifyStrictly,
} from './verifiers.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const HOST = 'api.example.com'

const createTestAuthority = (validityDays = 30, nowMs = Date.now()) =>
  createAuthority({ hosts: [HOST, '*.example.org', '127.0.0.1'], validityDays, nowMs })

const readLeaf = async (leaves: Leaves, host = HOST) =>
  new X509Certificate((await leaves.issue(host)).chainPem)

/** An authority as openssl makes it: of another kind of key, or one below a root. */
function createForeign(t: Parameters<typeof createPemFolder>[0], key: readonly string[]) {
  const write = createPemFolder(t)
  const keyPath = write('key.pem', '')
  const certPath = write('cert.pem', '')
  openssl([
    ...['req', '-x509', '-newkey', ...key, '-nodes', '-keyout', keyPath, '-out', certPath],
    ...['-days', '9', '-subj', '/C=DE/O=Grüße/CN=Foreign', '-utf8'],
    ...['-addext', 'basicConstraints=critical,CA:TRUE'],
    ...['-addext', 'keyUsage=critical,keyCertSign'],
  ])
  const read = (path: string, kind: string) => openssl([kind, '-in', path])
  return {
    certPem: read(certPath, 'x509'),
    keyPem: read(keyPath, 'pkey'),
    certPath,
    keyPath,
    write,
  }
}

t.test(
  'the package is loaded by the first leaf and not before',
  { skip: skipOpenssl },
  async (t) => {
    const { cache } = createRequire(import.meta.url)
    const isLoaded = () => Object.keys(cache).some((path) => path.includes('@peculiar'))
    const leaves = new Leaves(createForeign(t, ['rsa:2048']))
    t.notOk(isLoaded(), 'the authority is there, and nothing is loaded')
    await leaves.contextFor(HOST)
    t.ok(isLoaded())
  },
)

t.test('a leaf says all that strict clients ask for', { skip: skipOpenssl }, async (t) => {
  const authority = await createTestAuthority()
  const { chainPem } = await new Leaves(authority).issue(HOST)
  const text = openssl(['x509', '-in', createPemFolder(t)('leaf.pem', chainPem), '-noout', '-text'])
  t.match(text, /Basic Constraints: critical\s+CA:FALSE\n/)
  t.match(text, /X509v3 Key Usage: critical\s+Digital Signature\n/)
  t.match(text, /Extended Key Usage:\s+TLS Web Server Authentication\n/)
  t.match(text, /Alternative Name:\s+DNS:api\.example\.com\n/)
  const authorityText = openssl([
    'x509',
    '-noout',
    '-text',
    '-in',
    createPemFolder(t)('ca.pem', authority.certPem),
  ])
  const own = /Subject Key Identifier:\s+(\S+)/
  t.equal(
    /Authority Key Identifier:\s+(?:keyid:)?(\S+)/.exec(text)?.[1],
    own.exec(authorityText)?.[1],
  )
  t.match(text, own)
  t.not(own.exec(text)?.[1], own.exec(authorityText)?.[1])
})

t.test(
  'a leaf is backdated by an hour, lives for 7 days, and never longer than the authority',
  async (t) => {
    const nowMs = Date.parse('2026-11-24T12:00:00Z')
    const now = () => nowMs
    const long = await readLeaf(new Leaves({ ...(await createTestAuthority(30, nowMs)), now }))
    t.equal(Date.parse(long.validFrom), nowMs - HOUR_MS)
    t.equal(Date.parse(long.validTo), nowMs + 7 * DAY_MS)
    const short = await createTestAuthority(3, nowMs)
    const bounded = await readLeaf(new Leaves({ ...short, now: () => nowMs - HOUR_MS / 2 }))
    t.equal(Date.parse(bounded.validFrom), nowMs - HOUR_MS, 'not before the authority')
    t.equal(bounded.validTo, new X509Certificate(short.certPem).validTo)
  },
)

t.test('Node trusts a leaf through the authority alone', async (t) => {
  const authority = await createTestAuthority()
  const leaves = new Leaves(authority)
  const port = await serveTls(t, await leaves.contextFor(HOST))
  t.equal(await connectWithNode(port, authority.certPem, HOST), 'hello')
  t.equal(
    await connectWithNode(port, authority.certPem, 'other.example.org'),
    'ERR_TLS_CERT_ALTNAME_INVALID',
  )
  const stranger = await createTestAuthority()
  t.not(await connectWithNode(port, stranger.certPem, HOST), 'hello')
  const foreign = await serveTls(t, await leaves.contextFor('bank.example'))
  t.not(await connectWithNode(foreign, authority.certPem, 'bank.example'), 'hello')
})

t.test(
  'Python trusts a leaf with the flags of 3.13, for a name and an address',
  { skip: skipPython },
  async (t) => {
    const authority = await createTestAuthority()
    const leaves = new Leaves(authority)
    const path = createPemFolder(t)('ca.pem', authority.certPem)
    for (const host of [HOST, 'a.example.org', '127.0.0.1']) {
      const port = await serveTls(t, await leaves.contextFor(host))
      t.equal(await connectWithPython(port, path, host), 'hello', host)
    }
    const foreign = await serveTls(t, await leaves.contextFor('bank.example'))
    t.match(await connectWithPython(foreign, path, 'bank.example'), /permitted subtree violation/)
  },
)

t.test('a host is issued for once, also when many ask at one time', async (t) => {
  const leaves = new Leaves(await createTestAuthority())
  t.equal(leaves.findContext(HOST), undefined)
  const contexts = await Promise.all(Array.from({ length: 20 }, () => leaves.contextFor(HOST)))
  t.equal(new Set(contexts).size, 1)
  t.equal(leaves.findContext(HOST), contexts[0], 'and found without waiting from then on')
  t.equal(await leaves.contextFor(HOST), contexts[0])
  t.equal(leaves.size, 1)
})

t.test('no more hosts are kept than told, the latest used', async (t) => {
  const leaves = new Leaves({ ...(await createTestAuthority()), max: 3 })
  for (let i = 0; i < 6; i++) await leaves.contextFor(`h${i}.example.org`)
  t.equal(leaves.size, 3)
  t.equal(leaves.findContext('h2.example.org'), undefined)
  t.ok(leaves.findContext('h3.example.org'))
})

t.test('a leaf is renewed at half of its life', async (t) => {
  let nowMs = Date.now()
  const leaves = new Leaves({ ...(await createTestAuthority(30, nowMs)), now: () => nowMs })
  const first = await leaves.contextFor(HOST)
  nowMs += 3.4 * DAY_MS
  t.equal(await leaves.contextFor(HOST), first)
  nowMs += 0.2 * DAY_MS
  t.equal(leaves.findContext(HOST), undefined)
  t.not(await leaves.contextFor(HOST), first)
})

t.test('an authority that has ended issues nothing, and says so each time', async (t) => {
  const nowMs = Date.now()
  const leaves = new Leaves({
    ...(await createTestAuthority(1, nowMs)),
    now: () => nowMs + 2 * DAY_MS,
  })
  for (let i = 0; i < 2; i++) await t.rejects(leaves.contextFor(HOST), /egress\.ca has ended/)
  t.equal(leaves.size, 0)
})

t.test('a name of 253 characters gets a leaf', { skip: skipOpenssl }, async (t) => {
  const authority = await createTestAuthority()
  const host = `${`${'a'.repeat(59)}.`.repeat(4)}example.org`
  const { chainPem } = await new Leaves(authority).issue(host)
  t.equal(verifyStrictly(t, authority.certPem, chainPem, host), 'OK')
})

for (const key of [['rsa:2048'], ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']]) {
  t.test(
    `an authority that openssl made issues too (${key[0]})`,
    { skip: skipOpenssl },
    async (t) => {
      const { certPem, keyPem } = createForeign(t, key)
      const { chainPem } = await new Leaves({ certPem, keyPem }).issue(HOST)
      t.equal(verifyStrictly(t, certPem, chainPem, HOST), 'OK')
      t.equal(chainPem.split('BEGIN').length, 2, 'the root is not sent')
    },
  )
}

t.test('an authority below a root is sent along', { skip: skipOpenssl }, async (t) => {
  const root = createForeign(t, ['rsa:2048'])
  const { write } = root
  const keyPem = openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'])
  const request = openssl(['req', '-new', '-key', write('sub-key.pem', keyPem), '-subj', '/CN=Sub'])
  const certPem = openssl([
    ...['x509', '-req', '-in', write('sub.csr', request), '-days', '5'],
    ...['-CA', root.certPath, '-CAkey', root.keyPath, '-CAcreateserial'],
    '-extfile',
    write(
      'sub.cnf',
      'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n',
    ),
  ]).replace(/^[\s\S]*?(?=-----BEGIN)/, '')
  const leaves = new Leaves({ certPem: `${certPem}\n${root.certPem}`, keyPem })
  const { chainPem } = await leaves.issue(HOST)
  t.equal(verifyStrictly(t, root.certPem, chainPem, HOST), 'OK')
  const port = await serveTls(t, await leaves.contextFor(HOST))
  t.equal(await connectWithNode(port, root.certPem, HOST), 'hello')
})

// Contexts that were pushed out waited for a garbage collector that knew nothing of their size.
t.test('thousands of hosts take no more memory than those that are kept', async (t) => {
  const leaves = new Leaves({ ...(await createTestAuthority()), max: 100 })
  const residentMib = async (from: number, hosts: number) => {
    for (let i = from; i < from + hosts; i++) await leaves.contextFor(`h${i}.example.org`)
    return process.memoryUsage.rss() / 1024 / 1024
  }
  const before = await residentMib(0, 500)
  const growth = (await residentMib(500, 2500)) - before
  t.equal(leaves.size, 100)
  t.ok(growth < 40, `${growth.toFixed(0)} MiB more after 2500 further hosts`)
})

t.test('a connection outlives its context, which is pushed out meanwhile', async (t) => {
  const authority = await createTestAuthority()
  const leaves = new Leaves({ ...authority, max: 1 })
  const { near, far } = await makeConnection(t)
  const options = { isServer: true, secureContext: await leaves.contextFor(HOST) }
  const inner = new TLSSocket(near, options)
  await leaves.contextFor('other.example.org')
  for (let turn = 0; turn < 3; turn++) await setImmediate()
  const client = connectTls({ socket: far, servername: HOST, ca: authority.certPem })
  t.after(() => client.destroy())
  inner.end('hello')
  t.equal(String((await once(client, 'data'))[0]), 'hello')
})
