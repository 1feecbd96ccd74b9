import t from 'tap'
import { NonceMemory } from '../../src/hmac/nonces.ts'

t.test('a nonce is good for one request', (t) => {
  const memory = new NonceMemory()
  t.equal(memory.add('a', 1000, 0), 'new')
  t.equal(memory.add('a', 1000, 0), 'seen')
  t.equal(memory.add('b', 1000, 0), 'new')
  t.end()
})

t.test('what has ended makes room, and where there is none nobody is let in', (t) => {
  const memory = new NonceMemory(3)
  t.equal(memory.add('a', 1000, 0), 'new')
  t.equal(memory.add('b', 3000, 0), 'new')
  t.equal(memory.add('c', 3000, 0), 'new')
  t.equal(memory.add('d', 3000, 10), 'full')
  t.equal(memory.add('d', 4000, 2000), 'new')
  t.equal(memory.size, 3)
  t.equal(memory.add('e', 4000, 2001), 'full')
  t.equal(memory.add('b', 3000, 2001), 'seen')
  t.end()
})

t.test('a clock that is set back brings nothing back', (t) => {
  const memory = new NonceMemory(1)
  t.equal(memory.add('a', 1000, 0), 'new')
  t.equal(memory.add('b', 9000, 5000), 'new')
  // "a" has been forgotten; in the time of this clock it would be valid again.
  t.equal(memory.add('a', 1000, 500), 'seen')
  t.end()
})
