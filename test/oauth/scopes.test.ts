import t from 'tap'
import { parseScopes } from '../../src/oauth/scopes.ts'

t.test('scopes are those of RFC 6749 3.3, each once and in order', (t) => {
  const wanted: readonly (readonly [string, readonly string[] | undefined])[] = [
    ['read:users write:users', ['read:users', 'write:users']],
    ['b a b', ['b', 'a']],
    ['https://api.example.com/.default', ['https://api.example.com/.default']],
    ['!#[]~', ['!#[]~']],
    ['', []],
    [' \t ', []],
    [' a\t', ['a']],
    ['a  b', undefined],
    ['a\tb', undefined],
    ['a,"b"', undefined],
    ['a\\b', undefined],
    ['a\x7f', undefined],
    ['a\x00', undefined],
    ['a\nb', undefined],
    ['caf\xe9', undefined],
    ['a\u00a0', undefined],
  ]
  for (const [value, scopes] of wanted) t.same(parseScopes(value), scopes, JSON.stringify(value))
  t.end()
})
