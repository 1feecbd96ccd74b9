/**
 * Requests and answers that must come through every form of the egress gate unchanged: how they are
 * written, and what has to arrive at both ends.
 */
import { bases, slots, upstreamTarget, type Kind, type World } from './egress-world.ts'
import type { Answer } from './raw-client.ts'
import { answer, type Script, type UpstreamRequest } from './recording-upstream.ts'
import type { Pair } from './strict-parser.ts'

/** One exchange. Everything but the claim has a plain default. */
export interface ExchangeCase {
  readonly claim: string
  readonly method?: string
  /** Below the base path; begins with `/`. */
  readonly rest?: string
  /** Header lines of the request, framing aside. */
  readonly lines?: readonly Pair[]
  readonly body?: string
  /** Sizes of the chunks of the body; it has Content-Length without. */
  readonly chunks?: readonly number[]
  /** What the upstream answers; it echoes the request line without. */
  readonly script?: Script
  readonly expect?: {
    readonly status?: number
    readonly body?: string
    readonly headers?: readonly Pair[]
  }
}

export const MEBIBYTE = 1024 * 1024

/** Bytes of every value, so that a wrong encoding shows. */
export function noise(length: number): string {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff
  return bytes.toString('latin1')
}

const raw =
  (text: string, ends = false): Script =>
  async (request, socket) => {
    await request.whole
    if (ends) socket.end(text, 'latin1')
    else socket.write(text, 'latin1')
  }

const chunkedAnswer =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Kind: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n'

/** What is sent through every form. */
export const exchangeCases: readonly ExchangeCase[] = [
  { claim: 'GET with a query', rest: '/x?q=1&b=%20&c=%2F%2f&z=;//../a' },
  { claim: 'GET of the base path itself with a slash', rest: '/' },
  {
    claim: 'GET of a path with escapes, in their own spelling',
    rest: '/a%2Db/%E4%BD%A0/%7euser/~x/@:!$&()*+,=',
  },
  {
    claim: 'headers keep their order, their case and their bytes',
    lines: [
      ['X-One', 'a'],
      ['x-TWO', 'b\xe9\xff'],
      ['X-One', 'c'],
      ['Cookie', 'a=b; c=d'],
      ['Accept', '*/*'],
      ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ],
  },
  { claim: 'HEAD', method: 'HEAD', script: raw(answer(200, [['X-Kind', 'head']])) },
  { claim: 'DELETE without a body', method: 'DELETE' },
  { claim: 'OPTIONS of a path', method: 'OPTIONS' },
  { claim: 'a method that few know', method: 'PROPFIND', body: '<a/>' },
  { claim: 'GET with a body', method: 'GET', body: 'a body' },
  { claim: 'POST of an empty body', method: 'POST', body: '' },
  { claim: 'POST of a small body', method: 'POST', body: '{"a":1}\r\n\0\xff' },
  { claim: 'PUT in chunks', method: 'PUT', body: 'chunked body', chunks: [1, 2, 9] },
  { claim: 'POST of 1 MiB', method: 'POST', body: noise(MEBIBYTE) },
  {
    claim: 'PATCH of 1 MiB in chunks',
    method: 'PATCH',
    body: noise(MEBIBYTE),
    chunks: [1, 65_535, 400_000, MEBIBYTE - 465_536],
  },
  {
    claim: 'an answer of 1 MiB',
    script: raw(answer(200, [], noise(MEBIBYTE))),
    expect: { body: noise(MEBIBYTE) },
  },
  {
    claim: 'a chunked answer',
    script: raw(chunkedAnswer),
    expect: { body: 'abcdefg', headers: [['X-Kind', 'chunked']] },
  },
  {
    claim: 'an answer that ends with its connection',
    script: raw('HTTP/1.1 200 OK\r\nX-Kind: close\r\n\r\nuntil the end', true),
    expect: { body: 'until the end', headers: [['X-Kind', 'close']] },
  },
  {
    claim: 'a 204',
    script: raw('HTTP/1.1 204 No Content\r\nX-Kind: none\r\n\r\n'),
    expect: { status: 204, body: '', headers: [['X-Kind', 'none']] },
  },
  {
    claim: 'a 304 that names a length',
    script: raw('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 9\r\n\r\n'),
    expect: { status: 304, body: '', headers: [['ETag', '"x"']] },
  },
  {
    claim: 'an error of the upstream',
    method: 'POST',
    body: 'x',
    script: raw(answer(500, [['X-Kind', 'broken']], 'it broke')),
    expect: { status: 500, body: 'it broke', headers: [['X-Kind', 'broken']] },
  },
  {
    claim: 'an answer with repeated and Latin-1 headers',
    script: raw(
      answer(200, [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=\xe9'],
      ]),
    ),
    expect: {
      body: '',
      headers: [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=\xe9'],
      ],
    },
  },
  {
    claim: 'a 103 before the answer',
    script: raw(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${answer(200, [], 'hinted')}`),
    expect: { body: 'hinted' },
  },
]

/** The request as the client writes it. */
export function writeRequest(one: ExchangeCase, target: string, hostLine: string): string {
  const { method = 'GET', lines = [], body, chunks } = one
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const head = `${method} ${target} HTTP/1.1\r\n${hostLine}${text}`
  if (body === undefined) return `${head}\r\n`
  if (chunks === undefined) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`
  let at = 0
  const parts = chunks.map((size) => {
    const part = body.slice(at, at + size)
    at += size
    return `${size.toString(16)}\r\n${part}\r\n`
  })
  return `${head}Transfer-Encoding: chunked\r\n\r\n${parts.join('')}0\r\n\r\n`
}

const fold = (name: string): string => name.toLowerCase().replace(/[_.]/g, '-')

/** What is wrong with how a request arrived; empty where nothing is. */
export function judgeRequest(
  request: UpstreamRequest,
  one: ExchangeCase,
  { world, kind, scheme }: { world: World; kind: Kind; scheme: 'http' | 'https' },
): string[] {
  const { method = 'GET', rest = '/x', lines = [], body = '' } = one
  const wanted = `${method} ${upstreamTarget(kind, rest)} HTTP/1.1`
  const slot = slots[kind]
  const credentials = request.headers.filter(([name]) =>
    [slot, 'Authorization', 'X-API-Key'].some((each) => each && fold(each) === fold(name)),
  )
  const wantedCredentials = slot === undefined ? [] : [[slot, world.credentialOf(kind)]]
  const ours = new Set(['host', 'via', 'content-length', 'transfer-encoding', 'connection'])
  const others = request.headers.filter(
    (pair) => !ours.has(pair[0].toLowerCase()) && !credentials.includes(pair),
  )
  const checks: readonly (readonly [string, unknown, unknown])[] = [
    ['the request line', request.message.startLine, wanted],
    ['Host', request.values('host'), [world.authorityOf(kind, scheme)]],
    ['the credential', credentials, wantedCredentials],
    ['the other headers', others, lines],
    ['whole', request.isComplete, true],
    ['the length of the body', request.body.length, body.length],
    ['the body', request.body.toString('latin1') === body, true],
    ['the number of Via', request.values('via').length, 1],
  ]
  return checks
    .filter(([, found, should]) => JSON.stringify(found) !== JSON.stringify(should))
    .map(
      ([what, found, should]) => `${what}: ${JSON.stringify(found)}, not ${JSON.stringify(should)}`,
    )
}

/** What is wrong with how an answer arrived. */
export function judgeAnswer(found: Answer, one: ExchangeCase, kind: Kind): string[] {
  const { method = 'GET', rest = '/x', expect = {} } = one
  const echoed = one.script === undefined && method !== 'HEAD'
  const body = expect.body ?? (echoed ? `${method} ${upstreamTarget(kind, rest)}` : '')
  const names = new Set((expect.headers ?? []).map(([name]) => name))
  const headers = found.headers.filter(([name]) => names.has(name))
  const problems: string[] = []
  if (found.status !== (expect.status ?? 200))
    problems.push(`status ${found.status} ${found.body.slice(0, 500)}`)
  if (found.body !== body)
    problems.push(`a body of ${found.body.length} bytes: ${found.body.slice(0, 200)}`)
  if (!found.isComplete) problems.push('the answer was cut')
  if (found.code !== undefined) problems.push(`refused with ${found.code}`)
  if (JSON.stringify(headers) !== JSON.stringify(expect.headers ?? [])) {
    problems.push(`headers ${JSON.stringify(found.headers)}`)
  }
  return problems
}

/** The path by which an upstream finds the script of a case. */
export function scriptPath(kind: Kind, rest = '/x'): string {
  return upstreamTarget(kind, rest).split('?', 1)[0] ?? bases[kind]
}
