import t from 'tap'
import { listChallenges } from '../../src/inbound/challenges.ts'

t.test('one challenge for each scheme, in one order', (t) => {
  t.same(listChallenges(new Set(['custom', 'hmac', 'api_key', 'basic_auth']), 'r'), [
    'WWW-Authenticate',
    'ApiKey realm="r"',
    'WWW-Authenticate',
    'Signature realm="r"',
    'WWW-Authenticate',
    'Custom realm="r"',
    'WWW-Authenticate',
    'Basic realm="r", charset="UTF-8"',
  ])
  t.same(listChallenges(new Set(['api_key', 'ntlm', 'bearer_token', 'session']), 'r'), [
    'WWW-Authenticate',
    'ApiKey realm="r"',
  ])
  t.same(listChallenges(new Set(), 'r'), [])
  t.end()
})

t.test('a realm stays one quoted string', (t) => {
  const [, value] = listChallenges(new Set(['api_key']), 'a "b" \\ ü, Basic realm="x')
  t.equal(value, 'ApiKey realm="a \\"b\\" \\\\ ü, Basic realm=\\"x"')
  for (const realm of ['a\r\nX: y', 'a\0', 'a\x7f', 'a\x85', 'Ł']) {
    t.throws(() => listChallenges(new Set(['api_key']), realm), /realm/, JSON.stringify(realm))
  }
  t.end()
})
