import t from 'tap'
import { extractValues } from '../../src/session/extract.ts'
import { findPointed } from '../../src/session/json-pointer.ts'
import { parseSetCookie } from '../../src/session/set-cookie.ts'

const nowMs = Date.UTC(2026, 0, 1)

function extract(source: string, headers: readonly string[], body: unknown = ''): string {
  const bytes = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body)
  const answer = { status: 200, headers, body: Buffer.from(bytes) }
  try {
    return extractValues([['sid', source]], answer, nowMs)[0]?.[1] ?? ''
  } catch (error) {
    return `! ${(error as Error).message}`
  }
}

function cookie(...values: string[]): string {
  const headers = values.flatMap((value) => ['Set-Cookie', value])
  return extract('cookie:SID', headers)
}

const document = {
  token: 'abc',
  count: 42,
  half: 1.5,
  isOpen: true,
  none: null,
  empty: '',
  list: ['zero', { 'a/b': 'slash', 'm~n': 'tilde', '': 'nameless' }],
  '~1': 'order',
  'a~2': 'no pointer',
}

t.test('a JSON Pointer finds what RFC 6901 says', async (t) => {
  const table: readonly (readonly [string, string])[] = [
    ['/token', 'abc'],
    ['/count', '42'],
    ['/half', '1.5'],
    ['/isOpen', 'true'],
    ['/list/0', 'zero'],
    ['/list/1/a~1b', 'slash'],
    ['/list/1/m~0n', 'tilde'],
    ['/list/1/', 'nameless'],
    ['/~01', 'order'],
  ]
  for (const [pointer, value] of table) t.equal(extract(pointer, [], document), value, pointer)
})

t.test(
  'what cannot be taken is an error that names the extraction and not the value',
  async (t) => {
    const absent = 'is not in the answer'
    const odd = 'is neither a string nor a number nor a boolean'
    const table: readonly (readonly [string, string])[] = [
      ['/other', absent],
      ['/token/length', absent],
      ['/constructor/name', absent],
      ['/__proto__', absent],
      ['/list/00', absent],
      ['/list/-', absent],
      ['/list/length', absent],
      ['/list/9', absent],
      ['/a~2', absent],
      ['/none', odd],
      ['/list', odd],
      ['/list/1', odd],
      ['/empty', 'is empty'],
    ]
    for (const [pointer, fault] of table) {
      t.equal(extract(pointer, [], document), `! "sid" (${pointer}) ${fault}`, pointer)
    }
    t.equal(findPointed(document, 'token'), undefined)
    t.equal(findPointed(document, ''), document)
  },
)

t.test('a number that cannot be kept to the digit is not taken', async (t) => {
  t.match(extract('/id', [], '{"id":12345678901234567890}'), /too long to be kept exactly/)
  t.equal(extract('/id', [], '{"id":9007199254740991}'), '9007199254740991')
})

t.test('a body that is no JSON is an error without its text', async (t) => {
  const fault = '! the body is not JSON in UTF-8'
  t.equal(extract('/a', [], 'secret-text'), fault)
  t.equal(extract('/a', [], Buffer.from([0x22, 0xff, 0x22])), fault)
  t.equal(extract('/a', [], ''), fault)
  t.match(extract('/a', ['Content-Encoding', 'gzip'], '{"a":"b"}'), /compressed/)
  t.equal(extract('/a', ['Content-Type', 'text/html'], '{"a":"b"}'), 'b')
  t.equal(extract('/a', [], '['.repeat(1_000_000)), fault)
})

t.test('cookies are read as RFC 6265 5.2 says, the last one counts', async (t) => {
  t.equal(cookie('SID=abc; Path=/; Secure; HttpOnly'), 'abc')
  t.equal(cookie('SID=a=b'), 'a=b')
  t.equal(cookie(' SID \t=\t "a b" ; x'), '"a b"')
  t.equal(cookie('SID=old', 'OTHER=x', 'SID=new'), 'new')
  t.equal(cookie('SID=deleted; Expires=Thu, 01-Jan-1970 00:00:01 GMT', 'SID=new'), 'new')
  t.equal(cookie('SID=a; Expires=nonsense; Max-Age=nonsense'), 'a')
  t.equal(cookie('SID=a; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:01 GMT'), 'a')
  t.equal(extract('cookie:SID', ['set-COOKIE', 'SID=a']), 'a')
})

t.test('a cookie that is gone, unfit or another one is absent', async (t) => {
  const absent = '! "sid" (cookie:SID) is not in the answer'
  const gone = '! "sid" (cookie:SID) is deleted by the answer'
  for (const value of ['sid=a', 'SID', '=SID', 'XSID=a', 'SID=a\x01b', 'x; SID=a', 'SIDx']) {
    t.equal(cookie(value), absent, JSON.stringify(value))
  }
  for (const end of ['Max-Age=0', 'Max-Age=-1', 'expires=Thu, 01-Jan-1970 00:00:01 GMT']) {
    t.equal(cookie('SID=good', `SID=deleted; ${end}`), gone, end)
  }
  t.equal(cookie('SID='), gone)
  t.equal(parseSetCookie('=a', nowMs), undefined, 'nameless')
})

t.test('the end of a cookie is told by the clock of the server that set it', async (t) => {
  const set = ['Set-Cookie', 'SID=a; Expires=Wed, 31 Dec 2025 23:00:00 GMT']
  t.match(extract('cookie:SID', set), /deleted/)
  t.equal(extract('cookie:SID', [...set, 'Date', 'Wed, 31 Dec 2025 22:00:00 GMT']), 'a')
})

t.test('a header is taken if it stands there once', async (t) => {
  t.equal(extract('header:X-Token', ['x-token', 'abc']), 'abc')
  t.match(extract('header:X-Token', ['X-Other', 'abc']), /\(header:X-Token\) is not in the answer/)
  t.match(extract('header:X-Token', ['X-Token', 'a', 'x-token', 'b']), /several times/)
  t.match(extract('header:X-Token', ['X-Token', 'a'.repeat(65_537)]), /over 64 KiB/)
})
