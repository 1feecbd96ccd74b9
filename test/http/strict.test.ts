import fc from 'fast-check'
import t from 'tap'
import { MAX_HEADER_PAIRS, isHost, judgeHead } from '../../src/http/strict.ts'
import type { Judgement, RequestHead, TargetForm } from '../../src/http/strict.ts'

const HOST = ['Host', 'a.example']

function judge(
  headers: readonly string[],
  change: Partial<RequestHead> = {},
  form: TargetForm = 'origin',
): Judgement {
  return judgeHead(
    {
      method: 'GET',
      target: '/',
      versionMajor: 1,
      versionMinor: 1,
      rawHeaders: headers,
      ...change,
    },
    form,
  )
}

t.test('an ordinary request has no fault', (t) => {
  t.same(judge([...HOST, 'User-Agent', 'x', 'ACCEPT', '*/*']), {
    fault: undefined,
    names: ['host', 'user-agent', 'accept'],
    contentLength: undefined,
    isChunked: false,
    expectsContinue: false,
    hasUnknownExpectation: false,
    isWebSocket: false,
    host: 'a.example',
    keepsAlive: true,
  })
  t.end()
})

t.test('only the versions 1.0 and 1.1 are spoken', (t) => {
  const versions: [major: number, minor: number][] = [
    [0, 9],
    [2, 0],
    [1, 2],
    [0, 0],
    [3, 0],
    [11, 1],
  ]
  for (const [versionMajor, versionMinor] of versions) {
    t.equal(judge(HOST, { versionMajor, versionMinor }).fault, 'bad_request')
  }
  t.equal(judge(HOST, { versionMinor: 0 }).fault, undefined)
  t.end()
})

t.test('there is exactly one Host, on 1.0 too', (t) => {
  t.equal(judge([]).fault, 'bad_request')
  t.equal(judge([], { versionMinor: 0 }).fault, 'bad_request')
  t.equal(judge([], { versionMinor: 0, method: 'CONNECT' }).fault, 'bad_request')
  t.equal(judge([...HOST, ...HOST]).fault, 'bad_request')
  t.equal(judge([...HOST, 'hOST', 'b']).fault, 'bad_request')
  t.equal(judge(['Host', '']).fault, 'bad_request')
  t.equal(judge(['hOsT', 'a']).fault, undefined)
  t.end()
})

t.test('a Host names one host', (t) => {
  const good = ['a', 'A.b-c_d~e', 'a.', '127.0.0.1', '1.2.3.4:80', 'a:0', 'a:65535', '[::1]']
  good.push('[::1]:443', '[::ffff:1.2.3.4]', 'localhost:08000', `${'a'.repeat(255)}:65535`)
  for (const host of good) t.ok(isHost(host), host)
  const bad = ['', ' ', ' a', 'a ', '.', '..', '.a', 'a..b', 'a..', ':', ':80', 'a:', 'a:b', 'a:-1']
  bad.push('a:65536', 'a:123456', 'a:1:2', 'u@a', 'u:p@a', 'a,b', 'a, b', 'a/b', 'a?b', 'a;b')
  bad.push('a%2eb', 'a%', 'a!b', 'a*', '*', 'a\\b', '"a"', '\xe9', '::1', '[', ']', '[]', '[]:80')
  bad.push('[::1', '::1]', '[::1]80', '[::1]:', '[::1]:x', '[::1]]', '[[::1]]', '[1.2.3.4]', '[a]')
  bad.push('[fe80::1%25eth0]', '[fe80::1%eth0]', '[v1.a]', '[::1]a', 'a[::1]', 'http://a', 'a#b')
  bad.push('a\t', 'a\0b', 'a'.repeat(300))
  for (const host of bad) t.notOk(isHost(host), encodeURIComponent(host).slice(0, 40))
  for (const host of bad) {
    t.equal(judge(['Host', host]).fault, 'bad_request', encodeURIComponent(host).slice(0, 40))
  }
  t.end()
})

t.test('the target is in origin-form unless a proxy listens', (t) => {
  for (const target of ['*', 'http://a/', 'a', 'a:80', '', '?', 'http://u:p@a/', ' /']) {
    t.equal(judge(HOST, { target }).fault, 'bad_request', target)
    t.equal(judge(HOST, { target, method: 'OPTIONS' }).fault, 'bad_request', target)
    t.equal(judge(HOST, { target }, 'any').fault, undefined, target)
  }
  t.end()
})

t.test('Transfer-Encoding is one chunked, on 1.1', (t) => {
  for (const value of ['chunked', 'Chunked', 'CHUNKED']) {
    const judged = judge([...HOST, 'Transfer-Encoding', value])
    t.same([judged.fault, judged.isChunked, judged.contentLength], [undefined, true, undefined])
  }
  const refused = ['', 'identity', 'gzip', 'gzip, chunked', ',chunked', 'chunked,', 'xchunked']
  refused.push(
    'chunked, chunked',
    'chunked\t',
    ' chunked',
    'chunked;a=b',
    '"chunked"',
    'chun\xaded',
  )
  for (const value of refused) {
    t.equal(judge([...HOST, 'transfer-encoding', value]).fault, 'bad_request', value)
  }
  const chunked = ['Transfer-Encoding', 'chunked']
  t.equal(judge([...HOST, ...chunked, ...chunked]).fault, 'bad_request')
  t.equal(judge([...HOST, ...chunked], { versionMinor: 0 }).fault, 'bad_request')
  t.equal(judge([...HOST, ...chunked, 'Content-Length', '1']).fault, 'bad_request')
  t.equal(judge([...HOST, 'Content-Length', '0', ...chunked]).fault, 'bad_request')
  t.end()
})

t.test('Content-Length is said once, in digits, and can be counted', (t) => {
  for (const value of ['0', '5', '0010', '9007199254740991']) {
    const judged = judge([...HOST, 'Content-Length', value])
    t.same([judged.fault, judged.contentLength], [undefined, Number(value)])
  }
  const refused = ['', ' ', '+1', '-1', '1 ', ' 1', '1,1', '1, 1', '0x1', '1e3', '1.0', '١', '1_0']
  refused.push('9007199254740992', '9'.repeat(400), '1\t', 'Infinity', 'NaN')
  for (const value of refused) {
    t.equal(
      judge([...HOST, 'CONTENT-length', value]).fault,
      'bad_request',
      encodeURIComponent(value).slice(0, 40),
    )
  }
  const length = ['Content-Length', '5']
  t.equal(judge([...HOST, ...length, ...length]).fault, 'bad_request')
  t.end()
})

t.test('names are tokens and values hold no control character but the tab', (t) => {
  for (let code = 0; code < 0x100; code++) {
    const isGood = code === 9 || (code >= 0x20 && code !== 0x7f)
    const expected = isGood ? undefined : 'bad_request'
    const char = String.fromCharCode(code)
    t.equal(judge([...HOST, 'X', `a${char}b`]).fault, expected, `value with ${code}`)
    const isToken = /[A-Za-z0-9!#$%&'*+.^_`|~-]/.test(char)
    t.equal(
      judge([...HOST, `a${char}b`, 'x']).fault,
      isToken ? undefined : 'bad_request',
      `name with ${code}`,
    )
  }
  t.equal(judge([...HOST, 'X', 'a\u0100']).fault, 'bad_request')
  t.equal(judge([...HOST, '', 'x']).fault, 'bad_request')
  t.end()
})

t.test('more pairs than are counted on are refused, none silently cut', (t) => {
  const pairs = (count: number): string[] =>
    Array.from({ length: count }, (_, at) => [`X-${at}`, 'x']).flat()
  const most = judge([...HOST, ...pairs(MAX_HEADER_PAIRS - 1)])
  t.equal(most.fault, undefined)
  t.equal(most.names.length, MAX_HEADER_PAIRS)
  const tooMany = judge([...pairs(MAX_HEADER_PAIRS), ...HOST])
  t.equal(tooMany.fault, 'headers_too_large')
  t.same(tooMany.names, [])
  t.end()
})

t.test('names stay parallel to the pairs, also where one is no token', (t) => {
  t.same(judge(['A', '1', 'b c', '2', ...HOST]).names, ['a', '', 'host'])
  t.end()
})

t.test('methods are tokens; CONNECT and TRACE are refused', (t) => {
  for (const method of ['', 'G T', 'GET\n', 'G\xc9T', 'GET,POST', 'a/b']) {
    t.equal(judge(HOST, { method }).fault, 'bad_request', encodeURIComponent(method))
  }
  for (const method of ['GET', 'PROPFIND', 'get', "M!#$%&'*+-.^_`|~1"]) {
    t.equal(judge(HOST, { method }).fault, undefined, method.slice(0, 2))
  }
  t.equal(judge(HOST, { method: 'CONNECT' }).fault, 'method_refused')
  t.equal(judge(HOST, { method: 'TRACE' }).fault, 'method_refused')
  t.equal(judge(HOST, { method: 'TRACE', target: 'http://a/' }, 'any').fault, 'method_refused')
  t.equal(judge([], { method: 'TRACE' }).fault, 'bad_request', 'what is malformed is that first')
  t.end()
})

t.test('a proxy takes CONNECT, from old clients without Host, and never with a body', (t) => {
  const connect = { method: 'CONNECT', target: 'a:443' }
  t.equal(judge(HOST, connect, 'any').fault, undefined)
  t.equal(judge([], { ...connect, versionMinor: 0 }, 'any').fault, undefined)
  t.equal(judge([], connect, 'any').fault, 'bad_request')
  t.equal(judge([], { versionMinor: 0, target: 'http://a/' }, 'any').fault, 'bad_request')
  t.equal(judge([...HOST, 'Content-Length', '0'], connect, 'any').fault, undefined)
  t.equal(judge([...HOST, 'Content-Length', '1'], connect, 'any').fault, 'bad_request')
  t.equal(judge([...HOST, 'Transfer-Encoding', 'chunked'], connect, 'any').fault, 'bad_request')
  t.end()
})

t.test('credentials are said once; of the app alone Authorization may be repeated', (t) => {
  const twice = [...HOST, 'Authorization', 'a', 'AUTHORIZATION', 'a']
  t.equal(judge(twice).fault, 'bad_request')
  t.equal(judge(twice, {}, 'any').fault, undefined)
  const proxy = [...HOST, 'Proxy-Authorization', 'a', 'proxy-authorization', 'b']
  t.equal(judge(proxy).fault, 'bad_request')
  t.equal(judge(proxy, {}, 'any').fault, 'bad_request')
  t.end()
})

t.test('a 100 is waited for only where a body is to come, on 1.1', (t) => {
  const expect = ['Expect', '100-Continue']
  const length = ['Content-Length', '5']
  t.equal(judge([...HOST, ...expect, ...length]).expectsContinue, true)
  t.equal(judge([...HOST, ...expect, 'Transfer-Encoding', 'chunked']).expectsContinue, true)
  t.equal(judge([...HOST, ...expect]).expectsContinue, false)
  t.equal(judge([...HOST, ...expect, 'Content-Length', '0']).expectsContinue, false)
  t.equal(judge([...HOST, ...expect, ...length], { versionMinor: 0 }).expectsContinue, false)
  t.equal(judge([...HOST, ...expect, ...length]).hasUnknownExpectation, false)
  for (const value of ['100-continue, foo', 'foo', '', '100-continue,100-continue', '200-ok']) {
    t.equal(judge([...HOST, 'Expect', value, ...length]).hasUnknownExpectation, true, value)
    t.equal(judge([...HOST, ...expect, 'Expect', value]).hasUnknownExpectation, true, value)
  }
  t.end()
})

t.test('a WebSocket is asked for in exactly one way', (t) => {
  const upgrade = ['Upgrade', 'WebSocket', 'Connection', 'keep-alive, UPGRADE']
  t.equal(judge([...HOST, ...upgrade]).isWebSocket, true)
  t.equal(judge([...HOST, 'Connection', 'close', ...upgrade]).isWebSocket, true)
  const others: [headers: string[], change?: Partial<RequestHead>][] = [
    [upgrade, { method: 'POST' }],
    [upgrade, { versionMinor: 0 }],
    [[...upgrade, 'Content-Length', '0']],
    [[...upgrade, 'Content-Length', '5']],
    [[...upgrade, 'Transfer-Encoding', 'chunked']],
    [[...upgrade, 'Upgrade', 'websocket']],
    [['Upgrade', 'websocket']],
    [['Upgrade', 'websocket', 'Connection', 'upgraded']],
    [['Upgrade', 'websocket', 'Connection', 'close']],
    [['Upgrade', 'h2c', 'Connection', 'Upgrade, HTTP2-Settings']],
    [['Upgrade', 'websocket, h2c', 'Connection', 'Upgrade']],
    [['Upgrade', 'h2c, websocket', 'Connection', 'Upgrade']],
    [['Upgrade', '', 'Connection', 'Upgrade']],
  ]
  for (const [headers, change] of others) {
    const judged = judge([...HOST, ...headers], change)
    t.same([judged.isWebSocket, judged.fault], [false, undefined], headers.join(' '))
  }
  t.end()
})

t.test('a connection stays open as its version and Connection say', (t) => {
  const table: [values: string[], on11: boolean, on10: boolean][] = [
    [[], true, false],
    [['keep-alive'], true, true],
    [['Keep-Alive'], true, true],
    [['close'], false, false],
    [['CLOSE'], false, false],
    [['x, close'], false, false],
    [['keep-alive', 'close'], false, false],
    [['keep-alive, close'], false, false],
    [['closed'], true, false],
  ]
  for (const [values, on11, on10] of table) {
    const headers = [...HOST, ...values.flatMap((value) => ['Connection', value])]
    t.equal(judge(headers).keepsAlive, on11, values.join())
    t.equal(judge(headers, { versionMinor: 0 }).keepsAlive, on10, values.join())
  }
  t.end()
})

t.test('whatever the pairs are, what has no fault is framed in one way', (t) => {
  const name = fc.constantFrom(
    ...[
      'Host',
      'host',
      'Content-Length',
      'content-LENGTH',
      'Transfer-Encoding',
      'transfer-encoding',
    ],
    ...['Content_Length', 'Connection', 'Upgrade', 'Expect', 'X', ' Host', 'Host ', ''],
  )
  const value = fc.oneof(
    fc.constantFrom('a', 'b:80', '1', '12', 'chunked', 'gzip', 'close', 'websocket', '1,2', ''),
    fc.string({ unit: 'binary', maxLength: 6 }),
  )
  const minor = fc.constantFrom(0, 1)
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value), { maxLength: 6 }),
        minor,
        (pairs, versionMinor) => {
          const judged = judge(pairs.flat(), { versionMinor })
          if (judged.names.length !== pairs.length) throw new Error('names are not parallel')
          if (judged.fault !== undefined) return
          const valuesOf = (wanted: string): string[] =>
            pairs.filter((pair) => pair[0].toLowerCase() === wanted).map((pair) => pair[1])
          const lengths = valuesOf('content-length')
          const encodings = valuesOf('transfer-encoding')
          if (lengths.length + encodings.length > 1) throw new Error('framed twice')
          if (judged.isChunked !== (encodings.length === 1)) throw new Error('isChunked is wrong')
          if (
            judged.contentLength !== (lengths[0] === undefined ? undefined : Number(lengths[0]))
          ) {
            throw new Error('contentLength is wrong')
          }
          if (valuesOf('host').length !== 1) throw new Error('not one host')
        },
      ),
      { numRuns: 5000 },
    )
  })
  t.end()
})
