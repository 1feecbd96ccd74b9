import fc from 'fast-check'
import t from 'tap'
import { BodyBudget, KeptBody } from '../../src/http/kept-body.ts'

const KIBIBYTE = 1024
const LARGEST = 64 * KIBIBYTE

/** What may still be kept: found by asking, and given back. */
function leftOf(budget: BodyBudget, atMost: number): number {
  let left = 0
  for (let step = 2 ** Math.ceil(Math.log2(atMost + 1)); step >= 1; step /= 2) {
    if (!budget.take(left + step)) continue
    budget.giveBack(left + step)
    left += step
  }
  return left
}

/** Bytes that tell their place. */
function bytes(length: number, from = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (from + at) % 251))
}

t.test('a budget gives what it has, to the last byte, and no more', async (t) => {
  const budget = new BodyBudget(10)
  t.ok(budget.take(7))
  t.notOk(budget.take(4))
  t.ok(budget.take(3), 'what was refused has taken nothing')
  t.notOk(budget.take(1))
  t.ok(budget.take(0))
  budget.giveBack(1)
  t.ok(budget.take(1))
  t.notOk(budget.take(1))
})

t.test('a body that has not begun is whole and costs nothing', async (t) => {
  const budget = new BodyBudget(0)
  const kept = new KeptBody(budget)
  t.ok(kept.isWhole)
  t.equal(kept.bytes?.length, 0)
  kept.add(Buffer.alloc(0))
  t.ok(kept.isWhole, 'an empty chunk needs no room')
})

t.test('what is kept is a copy: the chunk may be used again', async (t) => {
  const kept = new KeptBody(new BodyBudget(LARGEST))
  const chunk = bytes(100)
  kept.add(chunk)
  chunk.fill(0xff)
  t.same(kept.bytes, bytes(100))
})

t.test('chunks of every size end up in one buffer, in their order', async (t) => {
  const kept = new KeptBody(new BodyBudget(LARGEST))
  let length = 0
  for (const size of [1, 1023, 1, 0, 1500, 7000, 30_000, 26_011]) {
    kept.add(bytes(size, length))
    length += size
    t.same(kept.bytes, bytes(length), `after ${length} bytes`)
  }
  t.equal(length, LARGEST)
})

t.test('64 KiB are kept, one byte more is not', async (t) => {
  for (const chunk of [LARGEST, LARGEST / 2, 1]) {
    const budget = new BodyBudget(LARGEST)
    const kept = new KeptBody(budget)
    for (let sent = 0; sent < LARGEST; sent += chunk) kept.add(bytes(chunk, sent))
    t.equal(kept.bytes?.length, LARGEST, `in chunks of ${chunk}`)
    t.equal(leftOf(budget, LARGEST), 0, 'a byte costs a byte, however small the chunks')
    kept.add(Buffer.from('x'))
    t.notOk(kept.isWhole)
    t.equal(kept.bytes, undefined)
    t.equal(leftOf(budget, LARGEST), LARGEST, 'and all of it is given back at once')
  }
})

t.test('another bound than 64 KiB holds to the byte, also below the smallest buffer', async (t) => {
  for (const bound of [1, 10, 1500, 100_000]) {
    const budget = new BodyBudget(1_000_000)
    const kept = new KeptBody(budget, bound)
    kept.add(bytes(bound))
    t.same(kept.bytes, bytes(bound), `${bound}`)
    t.equal(leftOf(budget, 1_000_000), 1_000_000 - bound, 'no more room than it may need')
    kept.add(bytes(1))
    t.notOk(kept.isWhole, `${bound} + 1`)
  }
})

t.test('room grows by doubling, from 1 KiB on, and is paid for when it is made', async (t) => {
  const budget = new BodyBudget(LARGEST)
  const kept = new KeptBody(budget)
  const steps: readonly (readonly [length: number, room: number])[] = [
    [1, 1024],
    [1024, 1024],
    [1025, 2048],
    [2049, 4096],
    [10_000, 10_000],
    [10_001, 20_000],
    [20_001, 40_000],
    [40_001, LARGEST],
  ]
  let length = 0
  for (const [next, room] of steps) {
    kept.add(bytes(next - length, length))
    length = next
    t.equal(LARGEST - leftOf(budget, LARGEST), room, `${length} bytes`)
  }
  t.same(kept.bytes, bytes(length))
})

t.test('a budget that is used up gives a body up, and harms no other', async (t) => {
  const budget = new BodyBudget(3 * KIBIBYTE)
  const [first, second] = [new KeptBody(budget), new KeptBody(budget)]
  first.add(bytes(2000))
  second.add(bytes(500))
  second.add(bytes(1000, 500))
  t.notOk(second.isWhole, 'there is no room for 2 KiB more')
  t.equal(second.bytes, undefined)
  t.same(first.bytes, bytes(2000))
  first.add(bytes(1000, 2000))
  t.notOk(first.isWhole, 'nor for 4 KiB in all')
  t.equal(leftOf(budget, LARGEST), 3 * KIBIBYTE)
  const third = new KeptBody(budget)
  third.add(bytes(3 * KIBIBYTE))
  t.ok(third.isWhole, 'what was given up is there for the next')
})

t.test('what has been given up stays so, whatever follows and whoever makes room', async (t) => {
  const budget = new BodyBudget(KIBIBYTE)
  const kept = new KeptBody(budget)
  kept.add(bytes(KIBIBYTE + 1))
  t.notOk(kept.isWhole)
  budget.giveBack(LARGEST)
  kept.add(bytes(1))
  kept.add(Buffer.alloc(0))
  t.notOk(kept.isWhole, 'half a body must never look like a whole one')
  t.equal(kept.bytes, undefined)
  t.equal(leftOf(budget, 2 * LARGEST), KIBIBYTE + LARGEST, 'and takes nothing')
})

t.test('release gives the memory back once, however often it is called', async (t) => {
  const budget = new BodyBudget(8 * KIBIBYTE)
  const kept = new KeptBody(budget)
  kept.add(bytes(5000))
  t.equal(leftOf(budget, LARGEST), 8 * KIBIBYTE - 5000)
  for (let time = 0; time < 3; time++) {
    kept.release()
    t.equal(leftOf(budget, LARGEST), 8 * KIBIBYTE)
    t.notOk(kept.isWhole)
    t.equal(kept.bytes, undefined)
  }
  kept.add(bytes(1))
  t.equal(leftOf(budget, LARGEST), 8 * KIBIBYTE, 'nothing is kept from then on')
  new KeptBody(budget).release()
  t.equal(leftOf(budget, LARGEST), 8 * KIBIBYTE, 'nothing to give back, nothing is given')
})

t.test('whatever bodies come together, the budget holds and is whole in the end', async () => {
  const total = 10_000
  const chunk = fc.record({ body: fc.nat(3), size: fc.nat(4000), ends: fc.boolean() })
  fc.assert(
    fc.property(
      fc.array(chunk, { maxLength: 40 }),
      fc.integer({ min: 1, max: 9000 }),
      (all, max) => {
        const budget = new BodyBudget(total)
        const bodies = Array.from({ length: 4 }, () => ({
          kept: new KeptBody(budget, max),
          sent: 0,
          isOver: false,
        }))
        for (const { body, size, ends } of all) {
          const one = bodies[body]
          if (one === undefined) throw new Error('there are four')
          one.kept.add(bytes(size, one.sent))
          one.sent += size
          if (ends) {
            one.kept.release()
            one.isOver = true
          }
          const held = bodies.reduce((sum, { kept }) => sum + (kept.bytes?.length ?? 0), 0)
          if (held > total - leftOf(budget, total)) return false
          for (const { kept, sent, isOver } of bodies) {
            if (kept.isWhole !== (kept.bytes !== undefined)) return false
            if (kept.isWhole && (isOver || sent > max)) return false
            if (kept.bytes !== undefined && !kept.bytes.equals(bytes(sent))) return false
          }
        }
        for (const { kept } of bodies) kept.release()
        return leftOf(budget, 2 * total) === total
      },
    ),
    { numRuns: 200 },
  )
})
