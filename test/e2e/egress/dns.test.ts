/**
 * Names whose answer changes, and addresses in many spellings: what is judged is what is dialled. The
 * gate is the real one; the resolver of the machine beneath it is one that says what the test wants.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { expectRefusal } from '../../harness/egress-refusal.ts'
import { openTunnel, readFrom, refusedTunnel } from '../../harness/egress-tunnel.ts'
import { RawClient } from '../../harness/raw-client.ts'
import { RecordingUpstream } from '../../harness/recording-upstream.ts'
import { SidegateProcess } from '../../harness/sidegate-process.ts'

t.setTimeout(60_000)

/** Public by its range, and given to nobody (2d00::/8): dialled, it leads nowhere. */
const NOWHERE = '2d00::1'

/** Stands before `dns.lookup`: the nth look-up of a name gives its nth answer, the last for ever. */
const RESOLVER = `
import dns from 'node:dns'
import { appendFileSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const answers = JSON.parse(readFileSync('answers.json', 'utf8'))
const asked = new Map()
const resolve = dns.lookup
dns.lookup = (host, options, callback) => {
  const given = answers[host]
  if (given === undefined) return resolve(host, options, callback)
  const count = asked.get(host) ?? 0
  asked.set(host, count + 1)
  appendFileSync('asked.txt', host + '\\n')
  const found = given[Math.min(count, given.length - 1)]
  const list = found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  setImmediate(callback, null, list)
}
syncBuiltinESMExports()
`

const upstream = await RecordingUpstream.listen(t)
const here = upstream.port

interface Gate {
  readonly port: number
  /** How often a name was resolved. */
  lookups(host: string): Promise<number>
  /** A request in absolute form on a connection of its own. */
  get(t: Test, url: string): ReturnType<RawClient['request']>
  readonly sidegate: SidegateProcess
}

async function start(
  t: Test,
  answers: Readonly<Record<string, readonly (readonly string[])[]>>,
  egress: object,
  outgoing: readonly object[],
): Promise<Gate> {
  const sidegate = await SidegateProcess.start(t, {
    config: {
      egress: { listen: '127.0.0.1:0', timeouts: { connect: '1s' }, ...egress },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json' },
      shutdown: { drain_delay: '0s', drain_timeout: '2s' },
      outgoing,
    },
    files: {
      'resolver.mjs': RESOLVER,
      'answers.json': JSON.stringify(answers),
      'asked.txt': '',
    },
    env: { NODE_OPTIONS: '--import=./resolver.mjs' },
  })
  const port = await sidegate.listener('egress')
  return {
    port,
    sidegate,
    lookups: async (host) => {
      const asked = await readFile(join(sidegate.folder, 'asked.txt'), 'utf8')
      return asked.split('\n').filter((line) => line === host).length
    },
    get: async (t, url) => {
      const client = await RawClient.connect(t, port)
      return client.request(`GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`)
    },
  }
}

const rebinding = [[NOWHERE], ['127.0.0.1']] as const
const gate = await start(
  t,
  {
    'named.test': [['127.0.0.1']],
    'rebind.test': rebinding,
    'tunnel.test': rebinding,
    'clear.test': rebinding,
    'mixed.test': [['127.0.0.1', NOWHERE]],
    'inside.test': [['10.1.2.3']],
    'a.wild.test': [['127.0.0.1']],
    'metadata.test': [['169.254.169.254']],
    'mapped.test': [['::ffff:127.0.0.1']],
  },
  { unmatched: 'public', unmatched_ports: [80, 443, here] },
  [
    { name: 'named', url: `http://named.test:${here}`, security: 'none' },
    { name: 'wild', url: `http://*.wild.test:${here}`, security: 'none' },
    { name: 'metadata', url: `http://metadata.test:${here}`, security: 'none' },
  ],
)

/** Asserts a refusal of which the upstream has seen nothing. */
async function refused(t: Test, act: () => ReturnType<RawClient['request']>): Promise<void> {
  const before = upstream.bytesReceived
  const problem = expectRefusal(t, await act(), '403 destination_refused')
  t.notMatch(JSON.stringify(problem), /127\.0\.0\.1|10\.1\.2\.3|169\.254/, 'nor where it leads')
  t.equal(upstream.bytesReceived - before, 0, 'no byte of it reached an upstream')
}

t.test('a name that a connection says leads where its answer says', async (t) => {
  t.equal((await gate.get(t, `http://named.test:${here}/x`)).status, 200)
  t.equal(await gate.lookups('named.test'), 1)
})

// Attack: DNS rebinding. The first answer is what a check would see, the second what is dialled.
t.test('a name that was public and is loopback now is refused', async (t) => {
  const first = await gate.get(t, `http://rebind.test:${here}/x`)
  t.match(`${first.status} ${first.code ?? ''}`, /^50[24] upstream_/, 'it led nowhere')
  t.equal(await gate.lookups('rebind.test'), 1, 'one look-up for judging and dialling')
  await refused(t, () => gate.get(t, `http://rebind.test:${here}/x`))
  t.equal(await gate.lookups('rebind.test'), 2)
})

t.test('so it is by CONNECT, before anything is promised', async (t) => {
  const first = await refusedTunnel(t, gate.port, 'tunnel.test:443')
  t.match(`${first.status} ${first.code ?? ''}`, /^50[24] upstream_/)
  t.equal(await gate.lookups('tunnel.test'), 1)
  await refused(t, () => refusedTunnel(t, gate.port, 'tunnel.test:443'))
  t.equal(await gate.lookups('tunnel.test'), 2)
})

t.test('and by cleartext inside a CONNECT, with each request', async (t) => {
  const inner = 'GET /x HTTP/1.1\r\nHost: clear.test\r\n\r\n'
  const client = readFrom(await openTunnel(t, gate.port, 'clear.test:80'))
  const first = await client.request(inner)
  t.match(`${first.status} ${first.code ?? ''}`, /^50[24] upstream_/)
  const again = readFrom(await openTunnel(t, gate.port, 'clear.test:80'))
  await refused(t, () => again.request(inner))
  t.equal(await gate.lookups('clear.test'), 2)
})

t.test('of several answers only those that may be called are dialled', async (t) => {
  const before = upstream.bytesReceived
  const answer = await gate.get(t, `http://mixed.test:${here}/x`)
  t.match(`${answer.status} ${answer.code ?? ''}`, /^50[24] upstream_/)
  t.equal(upstream.bytesReceived, before)
})

for (const [host, claim] of [
  ['inside.test', 'a private address under unmatched: public'],
  ['mapped.test', 'loopback in the clothes of IPv6'],
  ['a.wild.test', 'loopback behind a wildcard'],
  ['metadata.test', 'a metadata address behind a name that a connection says'],
] as const) {
  t.test(`a name that leads to ${claim} is refused`, (t) =>
    refused(t, () => gate.get(t, `http://${host}:${here}/x`)),
  )
}

t.test('cleartext in a CONNECT leads to no such address, however it is spelled', async (t) => {
  const spellings = ['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.1', '[::ffff:7f00:1]']
  spellings.push('[::1]', 'localhost', 'LOCALHOST.', 'a.localhost', '0', '[::]', '10.1.2.3')
  spellings.push('169.254.169.254', '0xa9fea9fe', '2852039166', '[64:ff9b::a9fe:a9fe]')
  spellings.push('[fd00:ec2::254]', 'metadata.google.internal', '[64:ff9b::7f00:1]', '0xa010203')
  for (const spelling of spellings) {
    const before = upstream.bytesReceived
    const answer = await refusedTunnel(t, gate.port, `${spelling}:80`)
    t.equal(`${answer.status} ${answer.code ?? ''}`, '403 destination_refused', spelling)
    t.equal(upstream.bytesReceived, before, spelling)
  }
})

t.test('the rules of an address hold inside a CONNECT in every spelling of it', async (t) => {
  const other = await start(t, {}, {}, [
    { name: 'ruled', url: `http://127.0.0.1:${here}`, security: 'none', paths: ['/ok'] },
  ])
  for (const spelling of ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1']) {
    const authority = `${spelling}:${here}`
    const inner = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
    const client = readFrom(await openTunnel(t, other.port, authority))
    t.equal((await client.request(inner('/ok'))).status, 200, spelling)
    const before = upstream.bytesReceived
    const answer = await client.request(inner('/other'))
    t.equal(`${answer.status} ${answer.code ?? ''}`, '403 outgoing_refused', spelling)
    t.equal(upstream.bytesReceived, before, spelling)
  }
  const mapped = `[::ffff:127.0.0.1]:${here}`
  const client = readFrom(await openTunnel(t, other.port, mapped))
  const answer = await client.request(`GET /other HTTP/1.1\r\nHost: ${mapped}\r\n\r\n`)
  t.equal(`${answer.status} ${answer.code ?? ''}`, '403 outgoing_refused', mapped)
  t.strictSame(other.sidegate.severeLines, [])
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
  // Else the process would wait for it, and the end of the file for the process.
  upstream.close()
})
