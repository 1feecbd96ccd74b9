/** Hostile header lines: line ends, folding, names, control characters, and the Host header. */
import t from 'tap'
import {
  ordinary,
  refused,
  refusedOrOrdinary,
  runHostileCases,
  type HostileCase,
  type Subject,
} from '../../harness/hostile-case.ts'
import { basic, host, mobileKey, secrets, startGate } from '../../harness/hostile-gate.ts'

/** A GET with these bytes, line ends included, among its headers. */
function withLines(lines: string) {
  return ({ path, credentials }: Subject) =>
    `GET ${path} HTTP/1.1\r\n${host}${credentials}${lines}\r\n`
}

/** A GET whose only Host is this. */
function withHost(lines: string) {
  return ({ path, credentials }: Subject) => `GET ${path} HTTP/1.1\r\n${credentials}${lines}\r\n`
}

function refusedLines(claim: string, lines: string): HostileCase {
  return { claim: `${claim} is refused`, bytes: withLines(lines), expect: refused }
}

function refusedHost(value: string): HostileCase {
  return {
    claim: `Host: ${JSON.stringify(value)} is refused`,
    bytes: withHost(`Host: ${value}\r\n`),
    expect: refused,
  }
}

// A bare LF or CR ends the line for some parsers: what follows is a header that others never saw.
const lineEnds: readonly HostileCase[] = [
  refusedLines('a header line ended by LF alone', 'X-A: b\nX-Authenticated-User: root\r\n'),
  refusedLines('a header line ended by CR alone', 'X-A: b\rX-Authenticated-User: root\r\n'),
  refusedLines('CR within a value', 'X-A: b\rc\r\n'),
  refusedLines('CR CR LF', 'X-A: b\r\r\n'),
  refusedLines('LF CR', 'X-A: b\n\rX-B: c\r\n'),
  refusedLines('an LF before a name', '\nX-A: b\r\n'),
  {
    claim: 'a header block ended by LF LF is refused',
    bytes: ({ path, credentials }) => `GET ${path} HTTP/1.1\r\n${host}${credentials}X-A: b\n\n`,
    expect: refused,
  },
  {
    claim: 'a header block ended by CR LF LF is refused',
    bytes: ({ path, credentials }) => `GET ${path} HTTP/1.1\r\n${host}${credentials}X-A: b\r\n\n`,
    expect: refused,
  },
  {
    claim: 'a request with LF for every line end is refused',
    bytes: ({ path }) => `GET ${path} HTTP/1.1\nHost: gate.example\n\n`,
    expect: refused,
  },
  {
    claim: 'a request line ended by LF alone is refused',
    bytes: ({ path, credentials }) => `GET ${path} HTTP/1.1\n${host}${credentials}\r\n`,
    expect: refused,
  },
]

// Folding: one parser joins the lines, the other sees a header of its own or an end of the block.
const folding: readonly HostileCase[] = [
  refusedLines('a header folded with a space', 'X-A: b\r\n c\r\n'),
  refusedLines('a header folded with a tab', 'X-A: b\r\n\tc\r\n'),
  refusedLines('a forged header behind a fold', 'X-A: b\r\n X-Authenticated-User: root\r\n'),
  refusedLines('an empty line folded into the block', 'X-A: b\r\n \r\n'),
  {
    claim: 'a folded Host is refused',
    bytes: withHost('Host:\r\n gate.example\r\n'),
    expect: refused,
  },
  {
    claim: 'a first header line that begins with a space is refused',
    bytes: ({ path, credentials }) => `GET ${path} HTTP/1.1\r\n ${host}${credentials}\r\n`,
    expect: refused,
  },
  {
    claim: 'a first header line that begins with a tab is refused',
    bytes: ({ path, credentials }) => `GET ${path} HTTP/1.1\r\n\tX: y\r\n${host}${credentials}\r\n`,
    expect: refused,
  },
]

const names: readonly HostileCase[] = [
  refusedLines('an empty header name', ': value\r\n'),
  refusedLines('a header line without colon', 'X-A\r\n'),
  refusedLines('a space before the colon', 'X-A : b\r\n'),
  refusedLines('a tab before the colon', 'X-A\t: b\r\n'),
  refusedLines('a space before the colon of the identity', 'X-Authenticated-User : root\r\n'),
  refusedLines('a space within a name', 'X A: b\r\n'),
  refusedLines('NUL in a name', 'X-\x00A: b\r\n'),
  refusedLines('a control character in a name', 'X-\x01A: b\r\n'),
  refusedLines('DEL in a name', 'X-\x7fA: b\r\n'),
  refusedLines('a byte above 0x7f in a name', 'X-\xc1: b\r\n'),
  // U+017F and U+212A are s and K to a case folding of Unicode.
  refusedLines(
    'a name that folds to the identity in Unicode',
    'X-Authenticated-U\xc5\xbfer: root\r\n',
  ),
  ...['(', ')', ',', '/', ';', '<', '=', '>', '?', '@', '[', '\\', ']', '{', '}', '"'].map(
    (delimiter) => refusedLines(`${delimiter} in a name`, `X-A${delimiter}: b\r\n`),
  ),
]

const values: readonly HostileCase[] = [
  refusedLines('NUL in a value', 'X-A: b\x00c\r\n'),
  refusedLines('NUL at the end of a value', 'X-A: b\x00\r\n'),
  ...['\x01', '\x07', '\x08', '\x0b', '\x0c', '\x1b', '\x7f'].map((control) =>
    refusedLines(`${JSON.stringify(control)} in a value`, `X-A: b${control}c\r\n`),
  ),
  {
    claim: 'a tab within a value is let in',
    bytes: withLines('X-A: b\tc\r\n'),
    expect: ordinary,
  },
  {
    claim: 'an empty value is let in',
    bytes: withLines('X-A:\r\n'),
    expect: ordinary,
  },
  {
    claim: 'bytes above 0x7f in a value are let in',
    bytes: withLines('X-A: caf\xe9 \x80\xff\r\n'),
    expect: ordinary,
  },
]

// Two programs that choose different ones of two hosts serve different sites, or channels.
const hosts: readonly HostileCase[] = [
  { claim: 'a missing Host is refused', bytes: withHost(''), expect: refused },
  {
    claim: 'a missing Host is refused on HTTP/1.0 too',
    bytes: ({ path, credentials }) => `GET ${path} HTTP/1.0\r\n${credentials}\r\n`,
    expect: refused,
  },
  {
    claim: 'two different Hosts are refused',
    bytes: withHost('Host: gate.example\r\nHost: other.example\r\n'),
    expect: refused,
  },
  {
    claim: 'two equal Hosts are refused',
    bytes: withHost('Host: gate.example\r\nhOST: gate.example\r\n'),
    expect: refused,
  },
  {
    claim: 'a Host and an empty Host are refused',
    bytes: withHost('Host: gate.example\r\nHost:\r\n'),
    expect: refused,
  },
  {
    claim: 'a Host of a space before its colon is refused',
    bytes: withHost('Host : gate.example\r\n'),
    expect: refused,
  },
  ...[
    '',
    ' ',
    'gate.example, other.example',
    'gate.example,',
    'gate.example other.example',
    'gate.example\tother.example',
    'user@gate.example',
    'user:pass@gate.example',
    'gate.example/',
    'gate.example/p/x',
    'http://gate.example',
    'gate.example?x',
    'gate.example#x',
    'gate.example\\x',
    'gate.example:80:80',
    'gate.example:port',
    'gate.example:-1',
    'gate.example:+80',
    'gate.example:80a',
    'gate.example:65536',
    'gate.example:99999999999',
    ':80',
    '::1',
    '[::1',
    '::1]',
    '[]',
    '[gate.example]',
    '[::1]x',
    'gate%00.example',
    'gate%2eexample%2f',
    '"gate.example"',
    'gate.example;x',
    '<gate>',
    'gate_\x7f.example',
    'g\xe4te.example',
  ].map(refusedHost),
  ...['GATE.example:8080', 'gate.example.', '[::1]:8080', '127.0.0.1', 'localhost:1'].map(
    (value): HostileCase => ({
      claim: `Host: ${value} is let in`,
      bytes: withHost(`Host: ${value}\r\n`),
      expect: ordinary,
    }),
  ),
  // The letter of RFC 3986 allows these; whether they are malformed is a matter of taste.
  ...['gate.example:', '.', '*', "gate'example"].map((value): HostileCase => ({
    claim: `Host: ${value} is refused or let in`,
    bytes: withHost(`Host: ${value}\r\n`),
    expect: refusedOrOrdinary,
  })),
]

// Of a repeated credential one program takes the first, another the last, a third joins them.
const repeated: readonly HostileCase[] = [
  refusedLines(
    'a repeated Authorization',
    `Authorization: ${basic}\r\nAuthorization: Basic eDp5\r\n`,
  ),
  refusedLines(
    'an equal Authorization twice',
    `authorization: ${basic}\r\nAuthorization: ${basic}\r\n`,
  ),
  refusedLines('an empty second Authorization', `Authorization: ${basic}\r\nAuthorization:\r\n`),
  refusedLines(
    'a repeated Proxy-Authorization',
    'Proxy-Authorization: a\r\nproxy-authorization: b\r\n',
  ),
  {
    claim: 'a repeated key is refused on every channel',
    bytes: ({ path }) => `GET ${path} HTTP/1.1\r\n${host}${mobileKey}x-api-key: other\r\n\r\n`,
    expect: refused,
  },
  {
    claim: 'a key and an empty key are refused',
    bytes: ({ path }) => `GET ${path} HTTP/1.1\r\n${host}X-API-Key:\r\n${mobileKey}\r\n`,
    expect: refused,
  },
  {
    claim: 'a repeated header of another definition is refused',
    bytes: ({ path }) =>
      `GET ${path} HTTP/1.1\r\n${host}X-Partner-Key: ${secrets.partner}\r\nX-PARTNER-KEY: x\r\n\r\n`,
    expect: refused,
  },
]

// Names that mean something to a plain object of JavaScript.
const prototypes = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf'].map(
  (name): HostileCase => ({
    claim: `a header named ${name} is an ordinary header`,
    bytes: withLines(`${name}: x\r\n`),
    expect: ordinary,
  }),
)

t.setTimeout(120_000)

const gate = await startGate(t)
await runHostileCases(t, gate, [
  ...lineEnds,
  ...folding,
  ...names,
  ...values,
  ...hosts,
  ...repeated,
  ...prototypes,
])

t.test('values keep their bytes, order and case both ways', async (t) => {
  const bytes = 'caf\xe9 \x80\xff\tx'
  gate.upstream.scripts.set('/o/latin1', (_request, socket) => {
    socket.write(
      `HTTP/1.1 200 OK\r\nX-bAcK: ${bytes}\r\nx-back: 2\r\nContent-Length: 0\r\n\r\n`,
      'latin1',
    )
  })
  const client = await gate.connect(t)
  const answer = await client.request(
    `GET /o/latin1 HTTP/1.1\r\n${host}x-One: ${bytes}\r\nX-tWo: 2\r\nX-one: 3\r\n\r\n`,
  )
  const request = await gate.upstream.requestFor('/o/latin1')
  const ours = request.headers.filter(([name]) => /^x-(one|two)$/i.test(name))
  t.strictSame(ours, [
    ['x-One', bytes],
    ['X-tWo', '2'],
    ['X-one', '3'],
  ])
  t.strictSame(
    answer.headers.filter(([name]) => /^x-back$/i.test(name)),
    [
      ['X-bAcK', bytes],
      ['x-back', '2'],
    ],
  )
})

t.test('__proto__ and other names outside A-Za-z0-9- never reach the upstream', async (t) => {
  const client = await gate.connect(t)
  const odd = ['__proto__: a', 'X_Under: b', 'X.Dot: c', "X'Quote: d", 'X~: e', 'constructor: f']
  await client.request(`GET /o/odd HTTP/1.1\r\n${host}${odd.join('\r\n')}\r\n\r\n`)
  const request = await gate.upstream.requestFor('/o/odd')
  const arrived = request.headers.map(([name]) => name).filter((name) => /[^A-Za-z0-9-]/.test(name))
  t.strictSame(arrived, [])
  t.strictSame(request.values('constructor'), ['f'])
})

t.test('a repeated Authorization is refused where no definition reads it too', async (t) => {
  // Which of them the service behind an open channel believes is not for the caller to play with.
  const open = await startGate(t, {
    top: { security: [], channels: [{ name: 'open', path: '/o/*', security: 'none' }] },
  })
  for (const name of ['Authorization', 'Proxy-Authorization']) {
    const client = await open.connect(t)
    const { code } = await client.request(
      `GET /o/x HTTP/1.1\r\n${host}${name}: a\r\n${name.toLowerCase()}: b\r\n\r\n`,
    )
    t.equal(code, 'bad_request', name)
    await client.ended()
  }
  t.equal(open.upstream.bytesReceived, 0)
})

t.test('no hostile header line told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
