import { createHmac } from 'node:crypto'
import t from 'tap'
import fc from 'fast-check'
import { KeyedHash } from '../../src/credentials/keyed-hash.ts'
import type { Purpose } from '../../src/credentials/keyed-hash.ts'

const secret = Buffer.alloc(32, 7)
const keyed = new KeyedHash(secret)

t.test('it is HMAC-SHA256 over a purpose and length-prefixed parts', (t) => {
  const framed = Buffer.from('\x04\x02\0\0\0ab\x03\0\0\0\xc3\xa4c', 'latin1')
  const wanted = createHmac('sha256', secret).update(framed).digest()
  t.same(keyed.digest('cache', 'ab', 'äc'), wanted)
  t.same(keyed.digest('cache', Buffer.from('ab'), Buffer.from('äc')), wanted, 'strings are UTF-8')
  t.equal(keyed.digestText('cache', 'ab', 'äc'), wanted.toString('latin1'))
  t.end()
})

t.test('another key, purpose or cut gives another digest', (t) => {
  const seen = new Set<string>()
  const lists = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', ''], ['', 'abc'], ['abc\0'], []]
  const purposes: readonly Purpose[] = ['key', 'password', 'decoy', 'cache', 'flight']
  for (const hash of [keyed, new KeyedHash(Buffer.alloc(32, 8))]) {
    for (const purpose of purposes) {
      for (const parts of lists) seen.add(hash.digestText(purpose, ...parts))
    }
  }
  t.equal(seen.size, 2 * purposes.length * lists.length)
  t.end()
})

t.test('parts of any length are hashed whole', (t) => {
  const long = 'ü'.repeat(50_000)
  t.not(keyed.digestText('cache', `${long}a`), keyed.digestText('cache', `${long}b`))
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      const isEqual = Buffer.compare(a, b) === 0
      const [one, two] = [a, b].map((part) => keyed.digestText('key', Buffer.from(part)))
      return isEqual === (one === two)
    }),
  )
  t.end()
})

t.test('a short key is a bug', (t) => {
  t.throws(() => new KeyedHash(Buffer.alloc(31)), RangeError)
  t.end()
})
