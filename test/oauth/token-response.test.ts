import t from 'tap'
import { parseTokenAnswer } from '../../src/oauth/token-response.ts'

const JSON_TYPE = ['Content-Type', 'application/json']
const FORM_TYPE = ['Content-Type', 'application/x-www-form-urlencoded; charset=UTF-8']

function parse(body: unknown, status = 200, headers: readonly string[] = JSON_TYPE) {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return parseTokenAnswer({ status, headers, body: bytes })
}

const good = { access_token: 'abc', token_type: 'Bearer', expires_in: 3600 }

t.test('a good answer is a token, as JSON and as a form, with 200 and 201', (t) => {
  const wanted = { kind: 'token', accessToken: 'abc', lifeMs: 3_600_000, isTypeMissing: false }
  t.match(parse(good), wanted)
  t.match(parse(good, 201), wanted)
  t.match(parse('access_token=abc&token_type=bearer&expires_in=3600', 200, FORM_TYPE), wanted)
  for (const type of ['application/json;charset=utf-8', 'Application/JSON', 'application/x+json']) {
    t.match(parse(good, 200, ['content-type', type]), wanted, type)
  }
  t.end()
})

t.test('expires_in counts as a number or in a string, else it serves once', (t) => {
  const wanted: readonly (readonly [unknown, number | undefined])[] = [
    [3600, 3_600_000],
    ['3600', 3_600_000],
    ['0.5', 500],
    [1e9, 1e12],
    [undefined, undefined],
    [null, undefined],
    [0, 0],
    [-1, 0],
    ['0', 0],
    ['-3600', 0],
    ['', 0],
    ['soon', 0],
    ['1e9', 0],
    ['0x10', 0],
    ['Infinity', 0],
    [true, 0],
    [[3600], 0],
    [{}, 0],
  ]
  for (const [value, lifeMs] of wanted) {
    t.match(parse({ ...good, expires_in: value }), { kind: 'token' })
    const answer = parse({ ...good, expires_in: value })
    t.equal(answer.kind === 'token' ? answer.lifeMs : 'none', lifeMs, JSON.stringify(value))
  }
  const endless = parse('{"access_token":"abc","expires_in":1e999}')
  t.equal(endless.kind === 'token' ? endless.lifeMs : 'none', 0, '1e999')
  t.end()
})

t.test('token_type is Bearer in any case or missing, and nothing else', (t) => {
  for (const type of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    t.match(parse({ ...good, token_type: type }), { kind: 'token', isTypeMissing: false }, type)
  }
  for (const type of [undefined, null]) {
    t.match(parse({ ...good, token_type: type }), { kind: 'token', isTypeMissing: true })
  }
  for (const type of ['', 'mac', 'DPoP', 'Bearer ', 'Bearer\r\nX: y', 1, true, ['Bearer']]) {
    t.match(parse({ ...good, token_type: type }), { kind: 'malformed' }, JSON.stringify(type))
  }
  t.end()
})

t.test('a token that could not stand in a header is refused', (t) => {
  for (const token of ['a', 'aZ0-._~+/', 'abc=', 'abc==', 'x'.repeat(65_536)]) {
    t.match(parse({ ...good, access_token: token }), { kind: 'token' })
  }
  const bad = [
    '',
    '=',
    'a b',
    'a\r\nX-Evil: 1',
    'a\n',
    'a\0',
    'a=b',
    'a,b',
    'é',
    '\u{1f511}',
    'x'.repeat(65_537),
    1,
    null,
    undefined,
    ['a'],
  ]
  for (const token of bad) {
    t.match(parse({ ...good, access_token: token }), { kind: 'malformed' })
  }
  t.end()
})

// What a server was sent, it can say in some spelling; codes have small letters and lines alone.
t.test('an error that is no word is not kept: it could be a secret in another spelling', (t) => {
  for (const error of ['a%2Fb', 'Y2lkOnBhc3N3b3Jk', 'c2VjcmV0_1', 'EXTRA-secret', 'tok.en', '_x']) {
    t.same(parse({ error }, 400), { kind: 'refused', error: undefined }, error)
  }
  t.end()
})

t.test('an error is an error, with 200 too, and only a code of its grammar is kept', (t) => {
  t.same(parse({ error: 'invalid_client' }, 401), { kind: 'refused', error: 'invalid_client' })
  t.same(parse({ ...good, error: 'x' }), { kind: 'refused', error: 'x' })
  t.same(parse('error=invalid_scope', 400, FORM_TYPE), { kind: 'refused', error: 'invalid_scope' })
  t.match(parse({ ...good, error: null }), { kind: 'token' }, 'null is none')
  const kept = 'a'.repeat(64)
  t.same(parse({ error: kept }, 400), { kind: 'refused', error: kept })
  for (const error of ['', `${kept}a`, 'it is "me"', 'two words', 'a\nb', 'é', 1, {}, ['x']]) {
    t.same(parse({ ...good, error }), { kind: 'refused', error: undefined }, JSON.stringify(error))
  }
  t.end()
})

t.test('any other status is a refusal, whatever the body holds', (t) => {
  for (const status of [202, 203, 204, 206, 301, 302, 307, 308, 400, 401, 429, 500, 503]) {
    t.same(parse(good, status), { kind: 'refused', error: undefined }, String(status))
  }
  t.same(parse('<html>', 500, ['Content-Type', 'text/html']), { kind: 'refused', error: undefined })
  t.end()
})

t.test('what is not JSON or a form by its type and its bytes is malformed', (t) => {
  const body = JSON.stringify(good)
  const cases: readonly (readonly [string, unknown, readonly string[]])[] = [
    ['no content type', body, []],
    ['two content types', body, [...JSON_TYPE, ...JSON_TYPE]],
    ['HTML', '<html>', ['Content-Type', 'text/html']],
    ['JSON called text', body, ['Content-Type', 'text/plain']],
    ['compressed', body, [...JSON_TYPE, 'Content-Encoding', 'gzip']],
    ['not UTF-8', Buffer.from('{"access_token":"a","x":"\xff"}', 'latin1'), JSON_TYPE],
    ['UTF-16', Buffer.from(body, 'utf16le'), JSON_TYPE],
    ['empty', '', JSON_TYPE],
    ['cut', body.slice(0, -1), JSON_TYPE],
    ['an array', [good], JSON_TYPE],
    ['null', 'null', JSON_TYPE],
    ['a string', '"access_token"', JSON_TYPE],
    ['nested without end', '['.repeat(1_000_000), JSON_TYPE],
    ['a field twice', 'access_token=a&access_token=b', FORM_TYPE],
  ]
  for (const [name, sent, headers] of cases) {
    t.match(parse(sent, 200, headers), { kind: 'malformed', problem: String }, name)
  }
  t.match(parse([good]), { problem: 'the body is not a JSON object' })
  t.end()
})

t.test('members that an object inherits are not members of the answer', (t) => {
  t.match(parse('{"__proto__":{"access_token":"abc"}}'), { kind: 'malformed' })
  t.end()
})
