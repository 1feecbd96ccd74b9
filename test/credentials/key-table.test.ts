import { createHash } from 'node:crypto'
import t from 'tap'
import { KeyTable } from '../../src/credentials/key-table.ts'

function digest(text: string | number): Buffer {
  return createHash('sha256').update(String(text)).digest()
}

t.test('finds what was added and nothing else', (t) => {
  const table = new KeyTable<number>(5000)
  let misses = 0
  for (let key = 0; key < 5000; key++) if (table.add(digest(key), key) !== undefined) misses++
  t.equal(table.size, 5000)
  for (let key = 0; key < 5000; key++) {
    if (table.find(digest(key)) !== key) misses++
    if (table.find(digest(`no ${key}`)) !== undefined) misses++
  }
  t.equal(misses, 0)
  t.end()
})

t.test('keys that begin alike are told apart in their last bit', (t) => {
  const table = new KeyTable<string>(3)
  const keys = ['a', 'b', 'c'].map((owner, place) => {
    const key = Buffer.alloc(32)
    key.writeUInt8(place, 31)
    t.equal(table.add(key, owner), undefined)
    return key
  })
  t.same(
    keys.map((key) => table.find(key)),
    ['a', 'b', 'c'],
  )
  t.equal(table.find(Buffer.alloc(32, 1)), undefined)
  t.end()
})

t.test('a key that is there already keeps its owner', (t) => {
  const table = new KeyTable<string>(2)
  table.add(digest('k'), 'first')
  t.equal(table.add(digest('k'), 'second'), 'first')
  t.equal(table.find(digest('k')), 'first')
  t.equal(table.size, 1)
  t.end()
})

t.test('a table without room for keys finds nothing and takes nothing', (t) => {
  const table = new KeyTable<string>(0)
  t.equal(table.find(digest('k')), undefined)
  t.throws(() => table.add(digest('k'), 'a'), RangeError)
  t.throws(() => new KeyTable<string>(1).add(Buffer.alloc(31), 'a'), RangeError)
  t.end()
})
