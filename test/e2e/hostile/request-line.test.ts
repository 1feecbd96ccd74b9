/** Hostile request lines: versions, methods, targets, and bytes that are not HTTP at all. */
import t from 'tap'
import {
  ordinary,
  refused,
  refusedOrOrdinary,
  refusedWith,
  runHostileCases,
  type HostileCase,
  type Subject,
} from '../../harness/hostile-case.ts'
import { host, startGate } from '../../harness/hostile-gate.ts'

/** A request whose line is made from the path of the caller. */
function line(make: (path: string) => string, body = '') {
  return ({ path, credentials }: Subject) => `${make(path)}\r\n${host}${credentials}\r\n${body}`
}

function refusedVersion(version: string): HostileCase {
  return {
    claim: `the version ${JSON.stringify(version)} is refused`,
    bytes: line((path) => `GET ${path} ${version}`),
    expect: refused,
  }
}

function refusedMethod(method: string): HostileCase {
  return {
    claim: `the method ${JSON.stringify(method)} is refused`,
    bytes: line((path) => `${method} ${path} HTTP/1.1`),
    expect: refused,
  }
}

// Node takes a line without version for HTTP/0.9 and its headers and body for a normal request.
const versions: readonly HostileCase[] = [
  {
    claim: 'a request line without version is refused',
    bytes: line((path) => `GET ${path}`),
    expect: refused,
  },
  {
    claim: 'a request line without version and with a space behind the path is refused',
    bytes: line((path) => `GET ${path} `),
    expect: refused,
  },
  {
    claim: 'a request line without version, ended by LF alone, is refused',
    bytes: ({ path, credentials }) => `GET ${path}\n${host}${credentials}\r\n`,
    expect: refused,
  },
  {
    claim: 'a POST without version and with a body is refused',
    bytes: ({ path, credentials }) =>
      `POST ${path}\r\n${host}${credentials}Content-Length: 5\r\n\r\nhello`,
    expect: refused,
  },
  ...[
    'HTTP/0.9',
    'HTTP/1.2',
    'HTTP/1.10',
    'HTTP/1.01',
    'HTTP/01.1',
    'HTTP/2.0',
    'HTTP/2',
    'HTTP/3.0',
    'HTTP/1',
    'HTTP/1.',
    'HTTP/.1',
    'HTTP/1,1',
    'HTTP/1.1x',
    'HTTP/1.1 x',
    'http/1.1',
    'HTTPS/1.1',
    'ICE/1.0',
    'RTSP/2.0',
    'HTTP /1.1',
    'HTTP/ 1.1',
    'HTTP/1.1\t',
    'HTTP/1.\xb9',
    '\x00HTTP/1.1',
  ].map(refusedVersion),
]

// llhttp knows RTSP too and reports it as the same version of HTTP. What goes on is HTTP/1.1.
const rtsp: HostileCase = {
  claim: 'RTSP/1.0 is refused or read as HTTP/1.0',
  bytes: line((path) => `GET ${path} RTSP/1.0`),
  expect: refusedOrOrdinary,
}

const methods = [
  'get',
  'Get',
  'FOO',
  'GETX',
  'G\x00ET',
  'G\xc9T',
  '"GET"',
  'GET\t',
  ' GET',
  '\tGET',
  '',
  'PRI',
  'DESCRIBE',
].map(refusedMethod)

/** Targets that other programs read as another path or another host than we would. */
const targets: readonly HostileCase[] = [
  {
    claim: 'a target without slash is refused',
    bytes: line((path) => `GET ${path.slice(1)} HTTP/1.1`),
    expect: refused,
  },
  // Absolute form: the host in the target and the Host header can name two different channels.
  {
    claim: 'an absolute target is refused',
    bytes: line((path) => `GET http://gate.example${path} HTTP/1.1`),
    expect: refused,
  },
  {
    claim: 'an absolute target of another host is refused',
    bytes: line((path) => `GET http://other.example${path} HTTP/1.1`),
    expect: refused,
  },
  {
    claim: 'an absolute target with user info is refused',
    bytes: line((path) => `GET http://user:pass@gate.example${path} HTTP/1.1`),
    expect: refused,
  },
  {
    claim: 'an absolute https target is refused',
    bytes: line((path) => `GET https://gate.example${path} HTTP/1.1`),
    expect: refused,
  },
  {
    claim: 'a target of an unknown scheme is refused',
    bytes: line((path) => `GET gopher://gate.example${path} HTTP/1.1`),
    expect: refused,
  },
  { claim: 'GET * is refused', bytes: line(() => 'GET * HTTP/1.1'), expect: refused },
  { claim: 'OPTIONS * is refused', bytes: line(() => 'OPTIONS * HTTP/1.1'), expect: refused },
  {
    claim: 'a target in authority form is refused for any method but CONNECT',
    bytes: line(() => 'GET gate.example:80 HTTP/1.1'),
    expect: refused,
  },
  {
    claim: 'an empty target is refused',
    bytes: line(() => 'GET  HTTP/1.1'),
    expect: refused,
  },
  {
    claim: 'a target that is only a query is refused',
    bytes: line(() => 'GET ?a=b HTTP/1.1'),
    expect: refused,
  },
  // Raw bytes above 0x7f: one program reads Latin-1, the next UTF-8.
  {
    claim: 'bytes above 0x7f in a target are refused',
    bytes: line((path) => `GET ${path}/\xc3\xa9 HTTP/1.1`),
    expect: refused,
  },
  {
    claim: 'bytes above 0x7f in a query are refused',
    bytes: line((path) => `GET ${path}?q=\xe9 HTTP/1.1`),
    expect: refused,
  },
  ...['\x00', '\x01', '\x08', '\x0b', '\x1b', '\x7f', '\t'].map((control): HostileCase => ({
    claim: `the control character ${JSON.stringify(control)} in a target is refused`,
    bytes: line((path) => `GET ${path}${control}y HTTP/1.1`),
    expect: refused,
  })),
  {
    claim: 'CR within the request line is refused',
    bytes: line((path) => `GET ${path} HTTP/1.1\rX: y`),
    expect: refused,
  },
  {
    claim: 'a tab between method and target is refused',
    bytes: line((path) => `GET\t${path} HTTP/1.1`),
    expect: refused,
  },
  {
    claim: 'a tab between target and version is refused',
    bytes: line((path) => `GET ${path}\tHTTP/1.1`),
    expect: refused,
  },
  {
    claim: 'a space within the target is refused',
    bytes: line((path) => `GET ${path} /o/y HTTP/1.1`),
    expect: refused,
  },
  // Node skips them; since the line to the upstream is written anew, both readings are the same.
  {
    claim: 'two spaces before the target are refused or read as one',
    bytes: line((path) => `GET  ${path} HTTP/1.1`),
    expect: refusedOrOrdinary,
  },
  {
    claim: 'two spaces before the version are refused or read as one',
    bytes: line((path) => `GET ${path}  HTTP/1.1`),
    expect: refusedOrOrdinary,
  },
  {
    claim: 'an empty line before the request line is refused or skipped',
    bytes: line((path) => `\r\nGET ${path} HTTP/1.1`),
    expect: refusedOrOrdinary,
  },
]

// CONNECT would make a tunnel of us, TRACE would show the caller the headers that we add.
const forbiddenMethods: readonly HostileCase[] = [
  {
    claim: 'CONNECT is refused with 405',
    bytes: line(() => 'CONNECT gate.example:443 HTTP/1.1'),
    expect: refusedWith('405 method_refused'),
  },
  {
    claim: 'CONNECT with a path is refused with 405',
    bytes: line((path) => `CONNECT ${path} HTTP/1.1`),
    expect: refusedWith('405 method_refused'),
  },
  {
    claim: 'TRACE is refused with 405',
    bytes: line((path) => `TRACE ${path} HTTP/1.1`),
    expect: Object.fromEntries(
      (['key', 'nobody', 'open'] as const).map((caller) => [
        caller,
        { answers: ['405 method_refused'], ends: undefined, upstream: 'nothing' },
      ]),
    ),
  },
]

const notHttp: readonly HostileCase[] = [
  {
    claim: 'the preface of HTTP/2 is refused',
    bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00',
    expect: refused,
  },
  {
    claim: 'a TLS hello on a cleartext port is refused',
    bytes: () => '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03' + '\x00'.repeat(60),
    expect: refused,
  },
  // Were it skipped, the client address in it would be up to the caller.
  {
    claim: 'a PROXY protocol line is refused',
    bytes: ({ path, credentials }) =>
      `PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET ${path} HTTP/1.1\r\n${host}${credentials}\r\n`,
    expect: refused,
  },
  { claim: 'a SOCKS greeting is refused', bytes: () => '\x05\x01\x00', expect: refused },
  { claim: 'an SSH banner is refused', bytes: () => 'SSH-2.0-OpenSSH_9.2\r\n', expect: refused },
  { claim: 'NUL bytes are refused', bytes: () => '\x00'.repeat(32), expect: refused },
  {
    claim: 'an answer instead of a request is refused',
    bytes: () => 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    expect: refused,
  },
]

const harmless: readonly HostileCase[] = [
  {
    claim: 'an ordinary GET is let in',
    bytes: line((path) => `GET ${path} HTTP/1.1`),
    expect: ordinary,
  },
  {
    claim: 'a query may hold what a path may not',
    bytes: line((path) => `GET ${path}?a=..//..;\\%2f%5c%252e&b=%ff&c=?? HTTP/1.1`),
    expect: ordinary,
  },
]

t.setTimeout(120_000)

const gate = await startGate(t)
await runHostileCases(t, gate, [
  ...harmless,
  ...versions,
  rtsp,
  ...methods,
  ...targets,
  ...forbiddenMethods,
  ...notHttp,
])

t.test('no hostile request line told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
