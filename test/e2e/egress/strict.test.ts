/**
 * Strict HTTP holds in every form: what two programs could read differently is answered 400, the
 * connection ends, and no upstream gets a byte. The path guard holds too.
 */
import t from 'tap'
import { forms } from '../../harness/egress-forms.ts'
import { bytesUpstream, startEgressGate } from '../../harness/egress-gate.ts'
import { expectRefusal, refuses } from '../../harness/egress-refusal.ts'
import { readFrom, refusedTunnel } from '../../harness/egress-tunnel.ts'

t.setTimeout(60_000)

const gate = await startEgressGate(t)

interface Fault {
  readonly claim: string
  /** The bytes, given a target and a `Host` line. */
  readonly bytes: (target: string, host: string) => string
}

const withLines = (lines: string, rest = '') => {
  return (target: string, host: string) => `POST ${target} HTTP/1.1\r\n${host}${lines}\r\n${rest}`
}

/** Sent behind every fault; it must never be answered. */
const follower = (target: string, host: string) => `GET ${target} HTTP/1.1\r\n${host}\r\n`

const faults: readonly Fault[] = [
  {
    claim: 'Content-Length and Transfer-Encoding together',
    bytes: withLines('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  },
  {
    claim: 'Transfer-Encoding and Content-Length together',
    bytes: withLines('Transfer-Encoding: chunked\r\nContent-Length: 0\r\n', '0\r\n\r\n'),
  },
  {
    claim: 'two lengths',
    bytes: withLines('Content-Length: 1\r\nContent-Length: 2\r\n', 'ab'),
  },
  { claim: 'a length with a sign', bytes: withLines('Content-Length: +1\r\n', 'a') },
  {
    claim: 'a coding besides chunked',
    bytes: withLines('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
  },
  {
    claim: 'chunked twice',
    bytes: withLines('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  },
  { claim: 'Host twice', bytes: (target, host) => withLines(host)(target, host) },
  {
    claim: 'Host twice with different values',
    bytes: withLines('Host: other.example\r\n'),
  },
  { claim: 'no Host', bytes: (target) => `GET ${target} HTTP/1.1\r\n\r\n` },
  { claim: 'an empty Host', bytes: (target) => `GET ${target} HTTP/1.1\r\nHost:\r\n\r\n` },
  {
    claim: 'a space before a colon',
    bytes: withLines('X-A : b\r\n'),
  },
  { claim: 'a folded header', bytes: withLines('X-A: b\r\n c\r\n') },
  { claim: 'a control character in a header', bytes: withLines('X-A: b\x01c\r\n') },
  { claim: 'a NUL in a header', bytes: withLines('X-A: b\0c\r\n') },
  { claim: 'a bare line feed', bytes: withLines('X-A: b\nX-B: c\r\n') },
  {
    claim: 'another version',
    bytes: (target, host) => `GET ${target} HTTP/1.2\r\n${host}\r\n`,
  },
  {
    claim: 'HTTP/2 by prior knowledge',
    bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  },
  {
    claim: 'chunked on HTTP/1.0',
    bytes: (target, host) =>
      `POST ${target} HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  },
  {
    claim: 'Proxy-Authorization twice',
    bytes: withLines('Proxy-Authorization: Basic YTpi\r\nProxy-Authorization: Basic YTpi\r\n'),
  },
]

for (const form of forms) {
  t.test(`what is no unambiguous HTTP is refused through ${form.name}`, async (t) => {
    for (const { claim, bytes } of faults) {
      const way = await form.open(t, gate, 'key')
      const before = bytesUpstream(gate.world)
      const target = way.target('/x')
      way.client.expect(bytes(target, way.host).split(' ', 1)[0] ?? '')
      await way.client.send(bytes(target, way.host) + follower(target, way.host))
      await way.client.ended()
      const [first] = way.client.answers
      if (first === undefined) {
        t.fail(`${claim}: no answer ${JSON.stringify(way.client.rest.toString('latin1'))}`)
        continue
      }
      expectRefusal(t, first, '400 bad_request')
      t.equal(way.client.answers.length, 1, `${claim}: one answer, and the connection ends`)
      t.equal(bytesUpstream(gate.world) - before, 0, `${claim}: no byte upstream`)
      await gate.check(t, way.client)
    }
  })
}

const paths = [
  ...['/a/../b', '/..', '/./x', '/%2e%2e/x', '/a\\b', '/a%5cb', '/a//b', '/a;v=1', '/a%2fb'],
  ...['/%zz', '/a%', '/%00', '/%ff', '/a#b', '/%252e', '/..;/x'],
]

for (const form of forms) {
  t.test(`a path that could mean two things is refused through ${form.name}`, async (t) => {
    for (const path of paths) {
      const way = await form.open(t, gate, 'key')
      const before = bytesUpstream(gate.world)
      const answer = await way.client.request(`GET ${way.target(path)} HTTP/1.1\r\n${way.host}\r\n`)
      t.equal(answer.status, 400, path)
      t.match(answer.code, /^(path_rejected|bad_request)$/, path)
      t.equal(bytesUpstream(gate.world) - before, 0, `${path}: no byte upstream`)
      way.client.destroy()
    }
  })
}

t.test('a CONNECT that is no unambiguous HTTP is refused', async (t) => {
  const authority = gate.world.authorityOf('key', 'https')
  const line = `Host: ${authority}\r\n`
  for (const lines of [
    line + line,
    `${line}Host: other.example:443\r\n`,
    `${line}X-A: b\x01\r\n`,
    `${line}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n`,
    `${line}X-A : b\r\n`,
  ]) {
    await refuses(t, gate, '400 bad_request', () => refusedTunnel(t, gate.port, authority, lines))
  }
})

t.test('CONNECT by HTTP/1.0 without Host is fine', async (t) => {
  const authority = gate.world.authorityOf('key', 'http')
  const client = await gate.connect(t)
  client.expect('GET')
  client.socket.removeAllListeners('data')
  const head = await new Promise<string>((resolve) => {
    client.socket.once('data', (chunk: Buffer) => {
      client.socket.pause()
      resolve(chunk.toString('latin1'))
    })
    client.socket.write(`CONNECT ${authority} HTTP/1.0\r\n\r\n`)
  })
  t.match(head, /^HTTP\/1\.[01] 200 /)
  const inside = readFrom(client.socket)
  const { status } = await inside.request(`GET /base/v1/x HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  t.equal(status, 200)
})

t.test('nothing of all that made the program report an error', async (t) => {
  t.strictSame(gate.sidegate.severeLines, [])
  for (const upstream of Object.values(gate.world.upstreams)) t.strictSame(upstream.smuggled, [])
  t.equal(await gate.sidegate.stop(), 0)
})
