import t from 'tap'
import { definitionKey, encodeFields, scopeKey } from '../../src/oauth/token-key.ts'
import { sampleDefinition } from './sample-definition.ts'

t.test('no two lists of fields have one encoding', (t) => {
  const lists = [
    [],
    [''],
    ['', ''],
    ['a', 'b'],
    ['ab'],
    ['ab', ''],
    ['', 'ab'],
    ['a1:b'],
    ['a', '1:b'],
    ['1:a1:b'],
    ['a b'],
    ['a', 'b', ''],
    [encodeFields(['a', 'b'])],
  ]
  t.equal(new Set(lists.map(encodeFields)).size, lists.length)
  t.end()
})

t.test('the order and repeats of scopes do not matter, all else does', (t) => {
  t.equal(scopeKey(['b', 'a', 'b']), scopeKey(['a', 'b']))
  t.not(scopeKey(['a b']), scopeKey(['a', 'b']))
  t.not(scopeKey(['ab']), scopeKey(['a', 'b']))
  t.not(scopeKey(['A']), scopeKey(['a']))
  t.end()
})

t.test('every field of a definition that a token depends on is in its key', (t) => {
  const keys = [
    {},
    { name: 'other' },
    { fingerprint: 'f2' },
    { authServerUrl: 'http://127.0.0.1:1/other' },
    { username: 'other' },
    { clientAuth: 'basic' as const },
    { grantType: 'other' },
    { dataFormat: 'json' as const },
    { clientIdField: 'id' },
    { clientSecretField: 'key' },
    { scopes: [] },
    { extraFields: [['a', 'bc']] as const },
    { extraFields: [['ab', 'c']] as const },
    { extraFields: [['a', 'b'], ['c', '']] as const }, // prettier-ignore
  ].map((changes) => definitionKey(sampleDefinition(changes)))
  t.equal(new Set(keys).size, keys.length)
  t.end()
})

t.test('a name cannot be shaped so that it takes the place of another field', (t) => {
  const one = sampleDefinition({ name: 'a2:f1', fingerprint: 'x' })
  const two = sampleDefinition({ name: 'a', fingerprint: 'f1' })
  t.not(definitionKey(one), definitionKey(two))
  t.end()
})
