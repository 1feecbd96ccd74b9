import { createHash, createHmac } from 'node:crypto'
import t from 'tap'
import type { HmacPart } from '../../src/hmac/settings.ts'
import { makeKey, makeRequest, makeScheme } from './sample-scheme.ts'

const NOW = Date.UTC(2026, 10, 24, 12, 0, 0)

t.test('each part is signed as it stands on the wire', (t) => {
  const request = makeRequest({
    headers: ['X-Name', 'K\xf6ln', 'Host', 'other'],
    body: Buffer.from([0, 255, 10]),
  })
  const words: readonly (readonly [HmacPart, string])[] = [
    [{ kind: 'method' }, 'POST'],
    [{ kind: 'path' }, '/orders'],
    [{ kind: 'query' }, 'x=1&y=2'],
    [{ kind: 'target' }, '/orders?x=1&y=2'],
    [{ kind: 'host' }, 'api.example.com'],
    [{ kind: 'timestamp' }, '1795521600'],
    [{ kind: 'nonce' }, 'abc'],
    [{ kind: 'body' }, '\0\xff\n'],
    [{ kind: 'body_sha256' }, createHash('sha256').update(request.body).digest('hex')],
    [{ kind: 'header', name: 'x-NAME' }, 'K\xf6ln'],
    [{ kind: 'header', name: 'host' }, 'api.example.com'],
    [{ kind: 'header', name: 'absent' }, ''],
    [{ kind: 'literal', text: '€.' }, Buffer.from('€.').toString('latin1')],
  ]
  for (const [part, text] of words) {
    const scheme = makeScheme({ stringToSign: [part, part], separator: '·' })
    const [, value] = scheme.sign(request, makeKey(''), NOW, 'abc')
    const signed = Buffer.concat([
      Buffer.from(text, 'latin1'),
      Buffer.from('·'),
      Buffer.from(text, 'latin1'),
    ])
    const want = createHmac('sha256', 'a key that nobody knows').update(signed).digest('hex')
    t.equal(value, `sha256=${want}`, part.kind)
  }
  t.end()
})

t.test('what was signed is recognised, in every algorithm and encoding', (t) => {
  for (const algorithm of ['sha1', 'sha256', 'sha512'] as const) {
    for (const encoding of ['hex', 'base64'] as const) {
      for (const timestampFormat of ['unix', 'unix_ms', 'iso8601'] as const) {
        const scheme = makeScheme({
          algorithm,
          encoding,
          timestampFormat,
          keyId: 'key-1',
          keyHeader: 'X-Key',
          stringToSign: [{ kind: 'timestamp' }, { kind: 'nonce' }, { kind: 'body' }],
          headers: [['X-Sig', 't={timestamp},n={nonce},k={key_id},v1={signature}']],
        })
        const request = makeRequest()
        const headers = scheme.sign(request, makeKey(''), NOW)
        const values = scheme.form.read(headers)
        t.ok(values, `${algorithm} ${encoding} ${timestampFormat}`)
        if (values === undefined) continue
        t.equal(values.keyId, 'key-1')
        t.equal(scheme.findEnd(values, NOW), NOW + 300_000)
        t.ok(scheme.findKey(values, request))
        t.notOk(scheme.findKey(values, makeRequest({ body: Buffer.from('{"a":2}') })))
        t.notOk(scheme.findKey({ ...values, nonce: 'another' }, request))
        t.notOk(scheme.findKey({ ...values, timestamp: '1' }, request))
      }
    }
  }
  t.end()
})

t.test('only what has the form is read', (t) => {
  const scheme = makeScheme({
    stringToSign: [{ kind: 'timestamp' }, { kind: 'body' }],
    headers: [
      ['X-Sig', 'v0={signature}'],
      ['X-Time', '{timestamp}'],
      ['X-Version', '1.0'],
    ],
  })
  const digits = 'a'.repeat(64)
  const good = ['x-sig', `v0=${digits}`, 'X-TIME', '1', 'X-Version', '1.0']
  t.match(scheme.form.read(good), { signature: digits, timestamp: '1' })
  const replace = (name: string, value: string): string[] =>
    good.map((text, at) => (at > 0 && good[at - 1] === name ? value : text))
  for (const bad of [
    good.slice(2),
    good.slice(0, 4),
    replace('x-sig', digits),
    replace('x-sig', `v0=${digits}0`),
    replace('x-sig', `v0=${digits.slice(1)}`),
    replace('x-sig', `v0=${digits.slice(1)}g`),
    replace('x-sig', `v0=${digits}, v0=${digits}`),
    replace('x-sig', ` v0=${digits}`),
    replace('X-TIME', '-1'),
    replace('X-TIME', '1e3'),
    replace('X-TIME', ''),
    replace('X-Version', '1x0'),
    [...good, 'X-Time', '1'],
  ]) {
    t.equal(scheme.form.read(bad), undefined, JSON.stringify(bad))
  }
  t.end()
})

t.test('a word that stands twice is the same twice', (t) => {
  const scheme = makeScheme({
    stringToSign: [{ kind: 'timestamp' }],
    headers: [
      ['X-Sig', '{timestamp}.{signature}'],
      ['X-Time', '{timestamp}'],
    ],
  })
  const signature = 'a'.repeat(64)
  t.ok(scheme.form.read(['X-Sig', `1.${signature}`, 'X-Time', '1']))
  t.notOk(scheme.form.read(['X-Sig', `1.${signature}`, 'X-Time', '2']))
  t.end()
})

t.test('base64 has one spelling', (t) => {
  const scheme = makeScheme({ encoding: 'base64', headers: [['X-Sig', '{signature}']] })
  const [, value = ''] = scheme.sign(makeRequest(), makeKey(''), NOW)
  t.ok(scheme.form.read(['X-Sig', value]))
  t.notOk(scheme.form.read(['X-Sig', value.replace(/=+$/, '')]))
  t.notOk(scheme.form.read(['X-Sig', `${value.slice(0, 20)} ${value.slice(20)}`]))
  t.end()
})

t.test('a timestamp is good for the tolerance, both ways', (t) => {
  const scheme = makeScheme({
    toleranceMs: 60_000,
    stringToSign: [{ kind: 'timestamp' }],
    headers: [['X-Sig', '{timestamp} {signature}']],
  })
  const values = { signature: '', nonce: '', keyId: '' }
  const at = (ms: number): string => String(ms / 1000)
  t.equal(scheme.findEnd({ ...values, timestamp: at(NOW) }, NOW), NOW + 60_000)
  t.equal(scheme.findEnd({ ...values, timestamp: at(NOW - 60_000) }, NOW), NOW)
  t.equal(scheme.findEnd({ ...values, timestamp: at(NOW - 61_000) }, NOW), undefined)
  t.equal(scheme.findEnd({ ...values, timestamp: at(NOW + 61_000) }, NOW), undefined)
  t.equal(scheme.findEnd({ ...values, timestamp: '' }, NOW), undefined)
  t.end()
})

t.test('of several keys the one that signed is told, live or not', (t) => {
  const keys = [
    makeKey('old', { label: 'old', notAfterMs: NOW - 1 }),
    makeKey('new', { label: 'new' }),
  ]
  const scheme = makeScheme({ keys })
  for (const key of keys) {
    const values = scheme.form.read(scheme.sign(makeRequest(), key, NOW))
    t.equal(values && scheme.findKey(values, makeRequest())?.label, key.label)
  }
  t.throws(() => scheme.sign(makeRequest(), makeKey('', { label: 'gone' }), NOW), {
    message: 'sign a request: no such key',
  })
  t.end()
})

t.test('keys are read as key_encoding says', (t) => {
  const bytes = Buffer.from([0, 1, 2, 250, 255])
  for (const encoding of ['hex', 'base64'] as const) {
    const scheme = makeScheme({
      keys: [makeKey(bytes.toString(encoding))],
      keyEncoding: encoding,
    })
    const want = createHmac('sha256', bytes).update('{"a":1}').digest('hex')
    t.same(scheme.sign(makeRequest(), makeKey(''), NOW), ['X-Sig', `sha256=${want}`])
  }
  t.end()
})

// Each provider's own documentation gives these.

t.test('GitHub: the example of its webhook documentation', (t) => {
  const scheme = makeScheme({
    keys: [makeKey("It's a Secret to Everybody")],
    headers: [['X-Hub-Signature-256', 'sha256={signature}']],
    toleranceMs: undefined,
  })
  const request = makeRequest({ body: Buffer.from('Hello, World!') })
  t.same(scheme.sign(request, makeKey(''), NOW), [
    'X-Hub-Signature-256',
    'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  ])
  t.end()
})

t.test('Slack: the example of its request signing', (t) => {
  const scheme = makeScheme({
    keys: [makeKey('8f742231b10e8888abcd99yyyzzz85a5')],
    stringToSign: [{ kind: 'literal', text: 'v0' }, { kind: 'timestamp' }, { kind: 'body' }],
    separator: ':',
    headers: [
      ['X-Slack-Signature', 'v0={signature}'],
      ['X-Slack-Request-Timestamp', '{timestamp}'],
    ],
  })
  const body =
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V' +
    '&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=' +
    '&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN' +
    '&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c'
  const signedAt = 1_531_420_618_000
  const request = makeRequest({ body: Buffer.from(body) })
  const headers = scheme.sign(request, makeKey(''), signedAt)
  t.same(headers, [
    'X-Slack-Signature',
    'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    'X-Slack-Request-Timestamp',
    '1531420618',
  ])
  t.end()
})
