/** MD4 against the digests of others. */
import t from 'tap'
import { md4 } from '../../src/ntlm/md4.ts'
import { md4Vectors } from './vectors.ts'

t.test('MD4 gives the digests of RFC 1320, and of every length around a block', (t) => {
  for (const [text, digest] of md4Vectors) {
    t.equal(md4(Buffer.from(text)).toString('hex'), digest, `${text.length} bytes`)
  }
  t.end()
})

t.test('MD4 leaves what it digests as it was', (t) => {
  const data = Buffer.from('abc')
  md4(data)
  t.equal(data.toString(), 'abc')
  t.end()
})
