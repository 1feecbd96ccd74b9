/** Request smuggling by contradictory or malformed framing: Content-Length, Transfer-Encoding, chunks. */
import t from 'tap'
import {
  ordinaryBody,
  refused,
  refusedEitherWay,
  refusedInBody,
  refusedOrOrdinary,
  runHostileCases,
  type HostileCase,
  type Subject,
} from '../../harness/hostile-case.ts'
import { host, startGate } from '../../harness/hostile-gate.ts'

/** What an attacker hides in a body: a whole request under a forged name. */
const hidden = 'GET /p/hidden HTTP/1.1\r\nHost: x\r\nX-Authenticated-User: root\r\n\r\n'

/** A POST with these framing lines (each with CRLF) and this body. */
function post(framing: string, body: string) {
  return ({ path, credentials }: Subject) =>
    `POST ${path} HTTP/1.1\r\n${host}${credentials}${framing}\r\n${body}`
}

/** A POST with these chunk bytes. */
function chunked(body: string) {
  return post('Transfer-Encoding: chunked\r\n', body)
}

/** Refused for what a framing header says. */
function refusedLength(value: string): HostileCase {
  return {
    claim: `Content-Length:${JSON.stringify(value)} is refused`,
    bytes: post(`Content-Length:${value}\r\n`, 'hello'),
    expect: refused,
  }
}

function refusedCoding(line: string): HostileCase {
  return {
    claim: `${JSON.stringify(line)} is refused`,
    bytes: post(`${line}\r\n`, `0\r\n\r\n`),
    expect: refused,
  }
}

const contradictions: readonly HostileCase[] = [
  // CL.TE: the front counts bytes, the back reads chunks and finds a second request in the rest.
  {
    claim: 'Content-Length before Transfer-Encoding is refused',
    bytes: post('Content-Length: 70\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden}`),
    expect: refused,
  },
  // TE.CL: the other way round.
  {
    claim: 'Transfer-Encoding before Content-Length is refused',
    bytes: post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `1e\r\n${hidden}0\r\n\r\n`),
    expect: refused,
  },
  {
    claim: 'Content-Length: 0 beside Transfer-Encoding is refused',
    bytes: post('Content-Length: 0\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    expect: refused,
  },
  // Two parties that choose different ones of two lengths disagree where the request ends.
  {
    claim: 'two different Content-Length lines are refused',
    bytes: post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'),
    expect: refused,
  },
  {
    claim: 'two equal Content-Length lines are refused',
    bytes: post('Content-Length: 5\r\ncontent-length: 5\r\n', 'hello'),
    expect: refused,
  },
  // Transfer-Encoding did not exist in 1.0: a 1.0 server behind us would count, not read chunks.
  {
    claim: 'Transfer-Encoding on HTTP/1.0 is refused',
    bytes: ({ path, credentials }) =>
      `POST ${path} HTTP/1.0\r\n${host}${credentials}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    expect: refused,
  },
  {
    claim: 'Transfer-Encoding on HTTP/1.0 with keep-alive is refused',
    bytes: ({ path, credentials }) =>
      `POST ${path} HTTP/1.0\r\n${host}${credentials}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    expect: refused,
  },
  // A GET does not expect a body in many servers: its body is then the next request.
  {
    claim: 'a GET with both framings is refused',
    bytes: ({ path, credentials }) =>
      `GET ${path} HTTP/1.1\r\n${host}${credentials}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    expect: refused,
  },
  // The space makes it an unknown header for one parser and a framing header for another.
  {
    claim: 'a space between Transfer-Encoding and its colon is refused',
    bytes: post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
    expect: refused,
  },
  {
    claim: 'a space between Content-Length and its colon is refused',
    bytes: post('Content-Length : 5\r\n', 'hello'),
    expect: refused,
  },
  {
    claim: 'a tab between Content-Length and its colon is refused',
    bytes: post('Content-Length\t: 5\r\n', 'hello'),
    expect: refused,
  },
  // An alias is not the header: the body must be taken as empty, and never as framing upstream.
  {
    claim: 'Transfer_Encoding is not a framing header and does not reach the upstream as one',
    bytes: post('Transfer_Encoding: chunked\r\nContent-Length: 5\r\n', 'hello'),
    expect: ordinaryBody,
  },
  {
    claim: 'Content_Length is not a framing header and does not reach the upstream as one',
    bytes: post('Content_Length: 99\r\nContent-Length: 5\r\n', 'hello'),
    expect: ordinaryBody,
  },
]

const lengths = [
  ' 5, 5',
  ' 5,6',
  ' +5',
  ' -5',
  ' -0',
  ' 0x5',
  ' 5.0',
  ' 5e0',
  ' 5 5',
  ' 5;',
  ' ',
  '',
  ' five',
  ' 5\x0b',
  ' 5\x0c',
  ' \x0b5',
  ' 99999999999999999999999',
  ' 18446744073709551621',
  ' \xb2',
].map(refusedLength)

const codings = [
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding: chunked\x00',
  'Transfer-Encoding: chun\x00ked',
  'Transfer-Encoding: \xefchunked',
  'Transfer-Encoding:',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding\r\n: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
].map(refusedCoding)

const accepted: readonly HostileCase[] = [
  // Node trims the tab from what it reports, but not from what it parses by: the fault shows only
  // when the body is looked for. Either way nothing of it is whole upstream.
  {
    claim: 'a tab behind chunked is refused',
    bytes: post('Transfer-Encoding: chunked\t\r\n', '0\r\n\r\n'),
    expect: { ...refusedInBody, nobody: refusedEitherWay },
  },
  {
    claim: 'Transfer-Encoding: ChUnKeD is chunked',
    bytes: post('tRANSFER-eNCODING: ChUnKeD\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    expect: ordinaryBody,
  },
  // A tab is optional whitespace in RFC 9110; Node refuses it, others skip it: both are safe.
  {
    claim: 'a tab before chunked is refused or read as chunked',
    bytes: post('Transfer-Encoding:\tchunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    expect: refusedOrOrdinary,
  },
  {
    claim: 'a space behind chunked is refused or read as chunked',
    bytes: post('Transfer-Encoding: chunked \r\n', '5\r\nhello\r\n0\r\n\r\n'),
    expect: refusedOrOrdinary,
  },
  {
    claim: 'leading zeros of a Content-Length do not change the length',
    bytes: post('Content-Length: 005\r\n', 'hello'),
    expect: refusedOrOrdinary,
  },
  // Extensions are legal and mean nothing; ours to the upstream has none.
  {
    claim: 'chunk extensions are dropped',
    bytes: chunked('5;name=value\r\nhello\r\n0;last\r\n\r\n'),
    expect: refusedOrOrdinary,
  },
  {
    claim: 'leading zeros of a chunk size do not change the size',
    bytes: chunked('0005\r\nhello\r\n0000\r\n\r\n'),
    expect: refusedOrOrdinary,
  },
]

/** Bodies that one parser would end elsewhere than another. */
const malformedChunks = {
  'a chunk size with 0x': '0x5\r\nhello\r\n0\r\n\r\n',
  'a chunk size with a plus sign': '+5\r\nhello\r\n0\r\n\r\n',
  'a negative chunk size': '-5\r\nhello\r\n0\r\n\r\n',
  'a space before a chunk size': ' 5\r\nhello\r\n0\r\n\r\n',
  'a tab behind a chunk size': '5\t\r\nhello\r\n0\r\n\r\n',
  'a chunk size that is no number': 'g\r\nhello\r\n0\r\n\r\n',
  'an empty chunk size': '\r\nhello\r\n0\r\n\r\n',
  'an underscore in a chunk size': '0_5\r\nhello\r\n0\r\n\r\n',
  // 2^64 + 5: a counter that overflows reads 5.
  'a chunk size beyond 64 bits': '10000000000000005\r\nhello\r\n0\r\n\r\n',
  'a chunk size ended by LF alone': '5\nhello\r\n0\r\n\r\n',
  'a chunk size ended by CR alone': '5\rhello\r\n0\r\n\r\n',
  'chunk data without its CRLF': '5\r\nhello0\r\n\r\n',
  'chunk data ended by LF alone': '5\r\nhello\n0\r\n\r\n',
  'chunk data longer than its size': '5\r\nhello!!\r\n0\r\n\r\n',
  // CVE-2025-22871 and kin: one parser ends the extension at the LF, the other at the CRLF.
  'LF within a chunk extension': '5;a\nb\r\nhello\r\n0\r\n\r\n',
  'CR within a chunk extension': '5;a\rb\r\nhello\r\n0\r\n\r\n',
  'NUL within a chunk extension': '5;a\x00b\r\nhello\r\n0\r\n\r\n',
  'the last chunk ended by LF alone': '5\r\nhello\r\n0\n\r\n',
  'a trailer section ended by LF alone': '5\r\nhello\r\n0\r\n\n',
  'a trailer without colon': '5\r\nhello\r\n0\r\ntrailer\r\n\r\n',
  'a trailer with a space in its name': '5\r\nhello\r\n0\r\nX Y: z\r\n\r\n',
  'a folded trailer': '5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n',
} as const

/** Which of them show only when the whole body has been streamed is for the upstream to see. */
const chunks = Object.entries(malformedChunks).map(([what, body]): HostileCase => ({
  claim: `${what} is refused and never whole upstream`,
  bytes: chunked(body),
  expect: refusedInBody,
}))

t.setTimeout(120_000)

const gate = await startGate(t)
await runHostileCases(t, gate, [...contradictions, ...lengths, ...codings, ...accepted, ...chunks])

t.test('a Content-Length in a trailer never becomes framing', async (t) => {
  // Node fails on it after the body has streamed: the upstream must not take the rest for whole.
  const mark = gate.invariants.mark()
  const client = await gate.connect(t)
  const { path, credentials } = { path: '/o/trailer', credentials: '' }
  client.expect('POST')
  await client.send(chunked('5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n')({ path, credentials }))
  const { status, code } = await client.answer()
  t.ok(status === 200 || code === 'bad_request', `one clear answer: ${status} ${code ?? ''}`)
  const [request] = gate.upstream.requestsFor(path)
  t.equal(request?.isComplete ?? false, status === 200, 'whole upstream only if it was accepted')
  t.strictSame(request?.message.trailers ?? [], [])
  gate.invariants.check(t, mark, { letIn: [null] })
})

t.test('no attack on the framing told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
