import t from 'tap'
import { SuccessCache } from '../../src/credentials/cache.ts'

t.test('a success is remembered for its time and not a millisecond longer', (t) => {
  let nowMs = 1000
  const cache = new SuccessCache({ cache: 10, cacheTtlMs: 500 }, () => nowMs)
  t.equal(cache.has('a'), false)
  cache.add('a')
  nowMs = 1499
  t.equal(cache.has('a'), true)
  nowMs = 1500
  t.equal(cache.has('a'), false)
  nowMs = 1499
  t.equal(cache.has('a'), false, 'and does not come back')
  t.end()
})

t.test('being used does not prolong it', (t) => {
  let nowMs = 0
  const cache = new SuccessCache({ cache: 10, cacheTtlMs: 500 }, () => nowMs)
  cache.add('a')
  for (; nowMs < 500; nowMs += 100) t.equal(cache.has('a'), true)
  t.equal(cache.has('a'), false)
  t.end()
})

t.test('of too many the least recently used goes', (t) => {
  const cache = new SuccessCache({ cache: 2, cacheTtlMs: 500 }, () => 0)
  cache.add('a')
  cache.add('b')
  cache.has('a')
  cache.add('c')
  t.same(
    ['a', 'b', 'c'].map((digest) => cache.has(digest)),
    [true, false, true],
  )
  t.end()
})

t.test('a cache of none, or of no time, remembers nothing', (t) => {
  for (const settings of [
    { cache: 0, cacheTtlMs: 500 },
    { cache: 10, cacheTtlMs: 0 },
  ]) {
    const cache = new SuccessCache(settings, () => 0)
    cache.add('a')
    t.equal(cache.has('a'), false)
  }
  t.end()
})

t.test('new settings keep what fits and shorten what would last too long', (t) => {
  let nowMs = 0
  const cache = new SuccessCache({ cache: 3, cacheTtlMs: 500 }, () => nowMs)
  for (const digest of ['a', 'b', 'c']) cache.add(digest)
  cache.configure({ cache: 2, cacheTtlMs: 100 })
  t.same(
    ['a', 'b', 'c'].map((digest) => cache.has(digest)),
    [false, true, true],
  )
  nowMs = 100
  t.equal(cache.has('c'), false)
  cache.configure({ cache: 0, cacheTtlMs: 100 })
  cache.configure({ cache: 5, cacheTtlMs: 100 })
  t.equal(cache.has('b'), false)
  t.end()
})
