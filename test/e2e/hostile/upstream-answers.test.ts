/** An upstream that answers badly: no answer may be misread, end cleanly when cut, or reach another caller. */
import t from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { host, mobileKey, startGate } from '../../harness/hostile-gate.ts'
import type { RawClient } from '../../harness/raw-client.ts'
import { answer } from '../../harness/recording-upstream.ts'

t.setTimeout(120_000)

const gate = await startGate(t, {
  inbound: { limits: { response_header_bytes: '16KiB' }, timeouts: { first_byte: '3s' } },
})

/** What a client may see of an answer that is not whole or not HTTP. */
type Verdict =
  /** Nothing had been relayed yet: 502. */
  | 'refused'
  /** The head was relayed; the connection is cut, and the client can tell. */
  | 'cut'
  /** Either, by how far the bytes had come. */
  | 'refused or cut'

interface BadAnswer {
  readonly claim: string
  readonly bytes: string
  /** Whether the upstream closes behind it. */
  readonly closes?: boolean
  readonly verdict: Verdict
}

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`

function badHead(claim: string, bytes: string): BadAnswer {
  return { claim, bytes, verdict: 'refused' }
}

function badChunks(claim: string, bytes: string, closes = false): BadAnswer {
  return { claim, bytes: chunked + bytes, closes, verdict: 'refused or cut' }
}

const badAnswers: readonly BadAnswer[] = [
  badHead('an answer that is not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'),
  badHead('a status line without status', 'HTTP/1.1 \r\nContent-Length: 0\r\n\r\n'),
  badHead('a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'),
  badHead('a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'),
  badHead('a header without colon', `${ok}X\r\nContent-Length: 0\r\n\r\n`),
  badHead('a space before the colon', `${ok}Content-Length : 5\r\n\r\nhello`),
  badHead('NUL in a value', `${ok}X: a\x00b\r\nContent-Length: 0\r\n\r\n`),
  badHead('a folded header', `${ok}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`),
  badHead(
    'two different Content-Length',
    `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
  ),
  badHead('a list of Content-Length', `${ok}Content-Length: 5, 6\r\n\r\nhello!`),
  badHead('a negative Content-Length', `${ok}Content-Length: -5\r\n\r\nhello`),
  badHead('a Content-Length with a plus sign', `${ok}Content-Length: +5\r\n\r\nhello`),
  badHead('a Content-Length in hex', `${ok}Content-Length: 0x5\r\n\r\nhello`),
  badHead(
    'Content-Length and Transfer-Encoding',
    `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  ),
  badHead(
    'Transfer-Encoding and Content-Length',
    `${ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  ),
  badHead(
    'a header block that is too large',
    `${ok}X: ${'y'.repeat(40_000)}\r\nContent-Length: 0\r\n\r\n`,
  ),
  badHead(
    'an unasked 101',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes',
  ),
  { claim: 'no answer at all', bytes: '', closes: true, verdict: 'refused' },
  { claim: 'half a head', bytes: 'HTTP/1.1 200 OK\r\nContent-', closes: true, verdict: 'refused' },
  {
    claim: 'a body shorter than its Content-Length',
    bytes: `${ok}Content-Length: 10\r\n\r\nhello`,
    closes: true,
    verdict: 'refused or cut',
  },
  badChunks('chunks without their end', '5\r\nhello\r\n', true),
  badChunks('a cut chunk', '5\r\nhel', true),
  badChunks('a last chunk without its end', '5\r\nhello\r\n0\r\n', true),
  badChunks('a chunk size that is no number', '5\r\nhello\r\nxyz\r\n'),
  badChunks('a chunk longer than its size', '5\r\nhello!!\r\n0\r\n\r\n'),
  badChunks('a chunk size beyond 64 bits', '10000000000000005\r\nhello\r\n0\r\n\r\n'),
  badChunks('a chunk size ended by LF alone', '5\nhello\r\n0\r\n\r\n'),
  badChunks('a negative chunk size', '-5\r\nhello\r\n0\r\n\r\n'),
]

// undici and node:http take a coding they do not know for a body that ends with the connection: the
// chunk sizes would become part of the text, and a cut answer would look whole.
const tabbed: readonly BadAnswer[] = [
  'chunked\t',
  '\tchunked\t',
  'chunked\x0b',
  'xchunked',
  'chunked, identity',
].map((coding) => ({
  claim: `Transfer-Encoding: ${JSON.stringify(coding)}`,
  bytes: `${ok}Transfer-Encoding: ${coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  closes: true,
  verdict: 'refused or cut',
}))

let count = 0

/** Has the upstream answer a new path so; returns the path. */
function script(bytes: string, closes = false): string {
  const path = `/o/bad-${++count}`
  gate.upstream.scripts.set(path, async (request, socket) => {
    await request.whole
    if (bytes !== '') socket.write(bytes, 'latin1')
    if (closes) socket.end()
  })
  return path
}

/** How the client saw it end. */
function verdictOn(client: RawClient): string {
  const [first] = client.answers
  if (client.answers.length > 1) return `${client.answers.length} answers`
  if (first === undefined) return client.isEnded ? 'cut' : 'nothing'
  if (first.status === 502)
    return first.code === 'upstream_failed' ? 'refused' : `502 ${first.code ?? ''}`
  return first.isComplete ? `whole: ${first.body}` : client.isEnded ? 'cut' : 'open'
}

for (const bad of [...badAnswers, ...tabbed]) {
  t.test(`${bad.claim} is never taken for a whole answer`, async (t) => {
    for (const method of ['GET', 'POST']) {
      const mark = gate.invariants.mark()
      const path = script(bad.bytes, bad.closes)
      const client = await gate.connect(t)
      client.expect(method)
      const body = method === 'POST' ? 'Content-Length: 2\r\n\r\nhi' : '\r\n'
      await client.send(`${method} ${path} HTTP/1.1\r\n${host}${body}`)
      await eventually('a verdict', () => client.answers[0]?.isComplete === true || client.isEnded)
      const verdict = verdictOn(client)
      t.ok(bad.verdict.split(' or ').includes(verdict), `${method}: ${verdict}`)
      const [request, second] = gate.upstream.requestsFor(path)
      // A GET may be sent once more on a socket that gave no byte; `retry.test.ts` is about that.
      if (bad.bytes !== '' || method === 'POST') t.equal(second, undefined, 'asked once')
      const other = await gate.connect(t)
      t.equal((await other.request(`GET /o/next HTTP/1.1\r\n${host}\r\n`)).body, 'GET /o/next')
      const next = gate.upstream.requestsFor('/o/next').at(-1)
      t.not(next?.connection.id, request?.connection.id, 'its socket is not used again')
      gate.invariants.check(t, mark, {
        letIn: second === undefined ? [null, null] : [null, null, null],
      })
      client.destroy()
      other.destroy()
    }
  })
}

// What stands behind one answer would become the answer to somebody else's request.
const surplus: Readonly<Record<string, string>> = {
  'a second answer': answer(200, [], 'mine') + answer(200, [['X-Poison', 'yes']], 'poison'),
  'bytes beyond the Content-Length': `${answer(200, [], 'mine')}HTTP/1.1 200 OK\r\nX-Poison: yes\r\n`,
  'bytes behind the last chunk': `${chunked}4\r\nmine\r\n0\r\n\r\n${answer(200, [], 'poison')}`,
  'a 408 that nobody asked for':
    answer(200, [], 'mine') + answer(408, [['Connection', 'close']], ''),
}

for (const [claim, bytes] of Object.entries(surplus)) {
  t.test(`${claim} never reaches another caller`, async (t) => {
    const path = script(bytes)
    const client = await gate.connect(t)
    const { status, body } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    t.ok((status === 200 && body === 'mine') || status === 502, `${status} ${body}`)
    for (let i = 0; i < 3; i++) {
      const other = await gate.connect(t)
      const next = await other.request(`GET /p/other-${i} HTTP/1.1\r\n${host}${mobileKey}\r\n`)
      t.equal(next.body, `GET /p/other-${i}`)
      t.equal(next.header('x-poison'), undefined)
      other.destroy()
    }
    t.ok(client.answers.length === 1, 'one answer')
    const [request] = gate.upstream.requestsFor(path)
    t.equal(request?.connection.requests.at(-1), request, 'its socket is not used again')
  })
}

t.test('an answer on an idle socket never reaches another caller', async (t) => {
  const path = script(answer(200, [], 'mine'))
  const client = await gate.connect(t)
  t.equal((await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)).body, 'mine')
  const [request] = gate.upstream.requestsFor(path)
  request?.connection.socket.write(answer(200, [], 'poison'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal((await client.request(`GET /o/after HTTP/1.1\r\n${host}\r\n`)).body, 'GET /o/after')
})

t.test(
  'a body behind the answer to HEAD, a 204 or a 304 never reaches another caller',
  async (t) => {
    const cases = [
      ['HEAD', answer(200, [], answer(200, [], 'poison'))],
      ['GET', `HTTP/1.1 204 No Content\r\n\r\n${answer(200, [], 'poison')}`],
      [
        'GET',
        `HTTP/1.1 304 Not Modified\r\nContent-Length: 60\r\n\r\n${answer(200, [], 'poison')}`,
      ],
      ['GET', `HTTP/1.1 204 No Content\r\nContent-Length: 60\r\n\r\n${answer(200, [], 'poison')}`],
    ] as const
    for (const [method, bytes] of cases) {
      const path = script(bytes)
      const client = await gate.connect(t)
      client.expect(method, 'GET')
      await client.send(`${method} ${path} HTTP/1.1\r\n${host}\r\n`)
      await client.answer()
      t.equal(client.answers[0]?.body === 'poison', false)
      const other = await gate.connect(t)
      const next = await other.request(`GET /o/clean HTTP/1.1\r\n${host}\r\n`)
      t.equal(next.body, 'GET /o/clean')
      client.destroy()
      other.destroy()
    }
  },
)

t.test('bare LF in an answer is refused or read as line ends, never relayed', async (t) => {
  const path = script('HTTP/1.1 200 OK\nX-A: b\nContent-Length: 4\n\nmine')
  const client = await gate.connect(t)
  const { status, body } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.ok(status === 502 || body === 'mine')
  t.equal(client.fault, undefined)
})

t.test('an LF within a header value of an answer cannot split it', async (t) => {
  const path = script(`${ok}X-A: b\nX-Injected: yes\rX-Too: y\r\nContent-Length: 4\r\n\r\nmine`)
  const client = await gate.connect(t)
  const { status, code } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.strictSame([status, code], [502, 'upstream_failed'])
})

t.test('103 passes, other informational answers do not', async (t) => {
  const path = script(
    `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n${answer(200, [], 'mine')}`,
  )
  const client = await gate.connect(t)
  const { status, body, interim } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.strictSame([status, body], [200, 'mine'])
  t.strictSame(
    interim.map(({ startLine, headers }) => [startLine.slice(0, 12), headers[0]]),
    [['HTTP/1.1 103', ['Link', '</a.css>; rel=preload']]],
  )
})

t.test('a flood of 103 is not passed on', async (t) => {
  const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n'
  const path = script(hint.repeat(1000) + answer(200, [], 'mine'))
  const client = await gate.connect(t)
  const { status, body, interim } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.strictSame([status, body, interim.length], [200, 'mine', 16])
})

// undici fails an assertion, which would end the process, where its parser is paused at the end.
t.test('an answer that ends with its connection, to clients that do not read', async (t) => {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const counts = Array.from({ length: 12 }, (_, at) => 36 + 6 * at)
  for (const first of counts) {
    await Promise.all(
      [0, 1, 2, 3, 4, 5].map(async (more) => {
        const path = `/o/endless-${first + more}`
        gate.upstream.scripts.set(path, async (_request, socket) => {
          socket.on('error', () => undefined)
          socket.write(`${ok}\r\n`)
          for (let at = 1; at < first + more; at++) {
            socket.write(chunk)
            await new Promise((resolve) => setTimeout(resolve, 2))
          }
          socket.end(chunk)
        })
        const client = await gate.connect(t)
        client.socket.pause()
        client.socket.write(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
        await new Promise((resolve) => setTimeout(resolve, 500))
        client.destroy()
      }),
    )
  }
  const client = await gate.connect(t)
  t.equal((await client.request(`GET /o/alive HTTP/1.1\r\n${host}\r\n`)).status, 200)
})

t.test('an unasked 100 is never relayed', async (t) => {
  // RFC 9110 15.2 has a client ignore it; undici takes it for a broken upstream. Both are safe.
  const path = script(`HTTP/1.1 100 Continue\r\n\r\n${answer(200, [], 'mine')}`)
  const client = await gate.connect(t)
  const { status, body, interim } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.ok(status === 502 || (status === 200 && body === 'mine'), `${status} ${body}`)
  t.strictSame(interim, [])
})

t.test('an answer of another version is refused, or relayed as HTTP/1.1', async (t) => {
  for (const version of ['HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2']) {
    const path = script(`${version} 200 OK\r\nContent-Length: 4\r\n\r\nmine`)
    const client = await gate.connect(t)
    const { status, body } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    t.ok(status === 502 || (status === 200 && body === 'mine'), `${status} ${body}`)
  }
})

// To HTTP/1.0 a FIN is the end of a whole answer: only a reset says that it is not.
t.test('a cut answer is not a whole one to HTTP/1.0 either', async (t) => {
  const path = `/o/bad-${++count}`
  gate.upstream.scripts.set(path, async (_request, socket) => {
    socket.write(`${chunked}4\r\nmine\r\n`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.end()
  })
  const client = await gate.connect(t)
  const errors: unknown[] = []
  client.socket.on('error', (error) => errors.push(error))
  await client.send(`GET ${path} HTTP/1.0\r\n${host}\r\n`)
  await client.ended()
  t.match(errors, [{ code: 'ECONNRESET' }])
})

t.test('a 204 states no length, whatever the upstream states', async (t) => {
  const path = script('HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n')
  const client = await gate.connect(t)
  const { status, headers } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.equal(status, 204)
  t.equal(
    headers.some(([name]) => name.toLowerCase() === 'content-length'),
    false,
  )
})

t.test('103 is not sent to HTTP/1.0', async (t) => {
  const path = script(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${answer(200, [], 'mine')}`)
  const client = await gate.connect(t)
  const { interim } = await client.request(`GET ${path} HTTP/1.0\r\n${host}\r\n`)
  t.strictSame(interim, [])
})

t.test('a flood of informational answers does no harm', async (t) => {
  const path = script('HTTP/1.1 102 Processing\r\n\r\n'.repeat(5_000) + answer(200, [], 'mine'))
  const client = await gate.connect(t)
  const { status } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.ok(status === 200 || status === 502, String(status))
})

t.test('trailers of an answer pass', async (t) => {
  const path = script(
    `${ok}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmine\r\n0\r\nX-Sum: abc\r\n\r\n`,
  )
  const client = await gate.connect(t)
  const { body, message } = await client.request(
    `GET ${path} HTTP/1.1\r\n${host}TE: trailers\r\n\r\n`,
  )
  t.equal(body, 'mine')
  t.strictSame(message.trailers, [['X-Sum', 'abc']])
})

for (const line of [
  'X-Sidegate-Error: x',
  'Connection: close',
  'Content-Length: 60',
  'Transfer-Encoding: chunked',
  'Upgrade: websocket',
  'Set-Cookie: a=b',
]) {
  // A parser that takes a trailer for a header remembers it for the next answer on the socket.
  t.test(`${line} in a trailer of an answer changes nothing for the next caller`, async (t) => {
    const path = script(`${chunked}4\r\nmine\r\n0\r\n${line}\r\nX-Sum: abc\r\n\r\n`)
    const client = await gate.connect(t)
    await client.send(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    await eventually(
      'the end of it',
      () => client.answers[0]?.isComplete === true || client.isEnded,
    )
    t.notOk(
      client.answers[0]?.message.trailers.some(([name]) =>
        /^(x-sidegate-|connection|content-length|transfer-|upgrade)/i.test(name),
      ),
    )
    for (const i of [1, 2, 3]) {
      const other = await gate.connect(t)
      const until = script('HTTP/1.1 200 OK\r\n\r\nuntil the end', true)
      const next = await other.request(
        `GET ${i === 1 ? until : '/o/trailed'} HTTP/1.1\r\n${host}\r\n`,
      )
      t.strictSame([next.status, next.body], [200, i === 1 ? 'until the end' : 'GET /o/trailed'])
      other.destroy()
    }
  })
}

t.test('an answer that ends with its connection is whole for the client', async (t) => {
  for (const version of ['1.0', '1.1']) {
    const path = script(`HTTP/${version} 200 OK\r\n\r\nmine`, true)
    const client = await gate.connect(t)
    const { body, isComplete } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    t.strictSame([body, isComplete], ['mine', true])
  }
})

t.test('a reset within such an answer is not an end', async (t) => {
  const path = `/o/bad-${++count}`
  gate.upstream.scripts.set(path, async (_request, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nmi')
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.resetAndDestroy()
  })
  const client = await gate.connect(t)
  await client.send(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  await client.ended()
  t.notOk(
    client.answers[0]?.isComplete === true && client.answers[0].message.framing.kind !== 'close',
  )
})

t.test('Sidegate’s own error header cannot be forged by an upstream', async (t) => {
  const path = script(
    answer(
      401,
      [
        ['X-Sidegate-Error', 'unauthorized'],
        ['x_sidegate_error', 'y'],
        ['X-Request-Id', 'theirs'],
      ],
      'no',
    ),
  )
  const client = await gate.connect(t)
  const got = await client.request(`GET ${path} HTTP/1.1\r\n${host}X-Request-Id: mine\r\n\r\n`)
  t.equal(got.status, 401)
  t.equal(got.code, undefined)
  t.strictSame(
    got.headers.filter(([n]) => n.toLowerCase() === 'x-request-id'),
    [['X-Request-Id', 'mine']],
  )
})

t.test('hop-by-hop headers of an answer, and what its Connection names, stay behind', async (t) => {
  const hop = [
    ['Connection', 'X-Hop, keep-alive'],
    ['X-Hop', 'a'],
    ['Keep-Alive', 'timeout=5'],
    ['Proxy-Authenticate', 'Basic'],
    ['Proxy-Connection', 'close'],
    ['Upgrade', 'h2c'],
  ] as const
  const path = script(answer(200, [...hop, ['X-Stays', 'b']], 'mine'))
  const client = await gate.connect(t)
  const got = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  const names = got.headers.map(([name]) => name.toLowerCase())
  for (const name of ['x-hop', 'proxy-authenticate', 'proxy-connection', 'upgrade']) {
    t.notOk(names.includes(name), name)
  }
  t.equal(got.header('x-stays'), 'b')
  t.not(got.header('keep-alive'), 'timeout=5')
})

t.test('Set-Cookie lines stay apart, and a redirect is the client’s to follow', async (t) => {
  const path = script(
    answer(
      302,
      [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['Location', 'http://127.0.0.1/x'],
      ],
      '',
    ),
  )
  const client = await gate.connect(t)
  const got = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.equal(got.status, 302)
  t.strictSame(
    got.headers.filter(([n]) => /set-cookie/i.test(n)).map(([, v]) => v),
    ['a=1', 'b=2'],
  )
})

t.test('an answer means the same however it is cut into segments', async (t) => {
  const bytes = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok}X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nmin\r\n1\r\ne\r\n0\r\nX-Sum: c\r\n\r\n`
  const path = `/o/bad-${++count}`
  gate.upstream.scripts.set(path, async (_request, socket) => {
    for (const char of bytes) {
      socket.write(char, 'latin1')
      await new Promise(setImmediate)
    }
  })
  for (let i = 0; i < 3; i++) {
    const client = await gate.connect(t)
    const got = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    t.strictSame(
      [got.status, got.header('x-a'), got.body, got.interim.length, got.message.trailers],
      [200, 'b', 'mine', 1, [['X-Sum', 'c']]],
    )
  }
})

t.test('a 100 that does not end is not waited for beyond its size', async (t) => {
  const path = script(`HTTP/1.1 100 Continue\r\nX: ${'y'.repeat(30_000)}`)
  const client = await gate.connect(t)
  const { code } = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
  t.equal(code, 'upstream_failed')
})

t.test('a body that looks like a 100 is a body', async (t) => {
  const body = 'HTTP/1.1 100 Continue\r\n\r\nrest'
  for (const bytes of [answer(200, [], body), `HTTP/1.0 200 OK\r\n\r\n${body}`]) {
    const path = `/o/bad-${++count}`
    gate.upstream.scripts.set(path, async (_request, socket) => {
      const at = bytes.indexOf('\r\n\r\n') + 4
      socket.write(bytes.slice(0, at))
      await new Promise((resolve) => setTimeout(resolve, 20))
      socket.end(bytes.slice(at))
    })
    const client = await gate.connect(t)
    t.equal((await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)).body, body)
  }
})

const places: Readonly<Record<string, (char: string) => string>> = {
  'a header value': (char) => `${ok}X-A: a${char}b\r\nContent-Length: 4\r\n\r\nmine`,
  'a header name': (char) => `${ok}X${char}A: b\r\nContent-Length: 4\r\n\r\nmine`,
  'a reason phrase': (char) => `HTTP/1.1 200 O${char}K\r\nContent-Length: 4\r\n\r\nmine`,
  'a trailer value': (char) => `${chunked}4\r\nmine\r\n0\r\nX-A: a${char}b\r\n\r\n`,
  'a trailer name': (char) => `${chunked}4\r\nmine\r\n0\r\nX${char}A: b\r\n\r\n`,
  'a header of a 103': (char) =>
    `HTTP/1.1 103 E\r\nX-A: a${char}b\r\n\r\n${answer(200, [], 'mine')}`,
}

for (const [place, make] of Object.entries(places)) {
  // What the parser of the upstream's side lets pass must not make the client's side throw.
  t.test(`any byte in ${place} of an answer is relayed as strict HTTP, or refused`, async (t) => {
    const wrong: string[] = []
    for (let byte = 0; byte < 256; byte++) {
      const path = script(make(String.fromCharCode(byte)))
      const client = await gate.connect(t)
      client.expect('GET')
      await client.send(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
      await eventually('a verdict', () => client.answers[0]?.isComplete === true || client.isEnded)
      const verdict = verdictOn(client)
      const isRight = verdict === 'whole: mine' || verdict === 'refused' || verdict === 'cut'
      if (!isRight || client.fault !== undefined)
        wrong.push(`${byte}: ${verdict} ${client.fault ?? ''}`)
      client.destroy()
    }
    t.strictSame(wrong, [])
    t.ok(gate.sidegate.isAlive)
  })
}

t.test('no answer of an upstream told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
