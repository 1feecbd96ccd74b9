import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { Assembler, takeApart } from '../../src/config/handover.ts'
import type { Part } from '../../src/config/handover.ts'
import { Secret } from '../../src/secret.ts'

/** Over and back, as a message between two threads would go. */
function handOver(value: unknown): { value: unknown; parts: Part[] } {
  const assembler = new Assembler()
  const parts: Part[] = []
  for (const part of takeApart(value)) {
    const received = structuredClone(part, { transfer: [part.bytes] })
    parts.push(received)
    assembler.add(received)
  }
  return { value: assembler.value, parts }
}

/** Secrets laid open, so that values can be compared. */
function lay(value: unknown): unknown {
  if (value instanceof Secret) return ['a secret', value.reveal(), value.source]
  if (Buffer.isBuffer(value)) return ['a buffer', value.toString('hex')]
  if (Array.isArray(value)) return value.map(lay)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [lay(key), lay(item)]))
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([key, item]) => [key, lay(item)])
}

function check(t: Test, value: unknown, name: string): void {
  t.strictSame(lay(handOver(value).value), lay(value), name)
}

t.test('what goes over comes back as it was', (t) => {
  const shared = { a: new Secret('s1', 'env:A') }
  const rows: [name: string, value: unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['numbers', [0, -1, 1.5, NaN, Infinity, 10n]],
    ['an undefined property, in its place', { a: undefined, b: 1, c: undefined }],
    ['a secret alone', new Secret('top', 'file:/x')],
    ['a secret between others keeps its place', { a: 1, s: new Secret('x'), z: 2 }],
    ['a buffer of the pool', Buffer.from('pooled')],
    ['empty buffers', [Buffer.alloc(0), Buffer.alloc(0)]],
    ['a map with secrets, in order', new Map<string, unknown>([['z', new Secret('z')], ['a', 1]])],
    ['secrets in lists in maps', new Map([['k', [{ s: new Secret('deep') }, Buffer.from('b')]]])],
    ['an object twice', [shared, shared]],
    ['a key __proto__', JSON.parse('{"__proto__": {"x": 1}, "b": 2}')],
    ['what looks like a part', { id: 0, items: [], secrets: [[{}, 'a', 'b', 'c']], lists: [] }],
    ['a long list', Array.from({ length: 5000 }, (_, i) => ({ i, s: new Secret(`s${i}`) }))],
    ['a long map', new Map(Array.from({ length: 5000 }, (_, i) => [`k${i}`, Buffer.from([i % 256])]))],
    ['a long map of strings', new Map(Array.from({ length: 20_001 }, (_, i) => [`k${i}`, 'x'.repeat(i % 999)]))],
    ['long lists in long lists', Array.from({ length: 1001 }, (_, i) => Array.from({ length: i % 500 === 0 ? 1500 : 2 }, () => i))],
    ['a list of long texts', Array.from({ length: 100 }, (_, i) => String(i).repeat(50_000))],
  ] // prettier-ignore
  for (const [name, value] of rows) check(t, value, name)
  t.end()
})

t.test('a secret __proto__ does not become a prototype', (t) => {
  const holder: object = Object.fromEntries([['__proto__', new Secret('x')]])
  const { value } = handOver([holder])
  const [copy] = value as [object]
  t.equal(Object.getPrototypeOf(copy), Object.prototype)
  t.same(Object.keys(copy), ['__proto__'])
  t.end()
})

t.test('any value of the right kinds comes back as it was', (t) => {
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6 },
      fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant(undefined)),
      fc.string().map((text) => new Secret(text, 'env:X')),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.array(tie('tree')),
      fc.dictionary(fc.string(), tie('tree')),
      fc.array(fc.tuple(fc.string(), tie('tree'))).map((entries) => new Map(entries)),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => {
      t.strictSame(lay(handOver(value).value), lay(value))
    }),
    { numRuns: 200 },
  )
  t.end()
})

t.test('no part is big, whatever is', (t) => {
  const values = [
    Array.from({ length: 100_000 }, (_, i) => `caller-${i}`),
    new Map([['group', Array.from({ length: 100_000 }, (_, i) => `caller-${i}`)]]),
    { channels: Array.from({ length: 900 }, () => ({ names: Array.from({ length: 900 }, () => 'n') })) },
  ] // prettier-ignore
  for (const value of values) {
    let most = 0
    for (const part of takeApart(value)) {
      most = Math.max(most, JSON.stringify(part.items).match(/[,{[]/g)?.length ?? 0)
    }
    t.ok(most < 10_000, `at most ${most} values`)
  }
  t.end()
})

t.test('a long list that stands in two places is one list afterwards too', (t) => {
  const names = Array.from({ length: 3000 }, (_, i) => `n${i}`)
  const { value } = handOver({ a: names, others: [{ names }] })
  const { a, others } = value as { a: string[]; others: { names: string[] }[] }
  t.equal(others[0]?.names, a)
  t.strictSame(a, names)
  t.end()
})

t.test('what cannot be handed over is refused', (t) => {
  for (const value of [() => 1, { a: Symbol('s') }, [new Date()], new URL('http://x'), /x/]) {
    t.throws(() => [...takeApart(value)], /cannot hand over a/)
  }
  t.throws(() => { new Assembler().add({ id: 7, items: [], secrets: [], buffers: [], lists: [], bytes: new ArrayBuffer(0) }) }, /unknown list/) // prettier-ignore
  t.end()
})

t.test('the memory behind a buffer does not go over', (t) => {
  const pool = Buffer.from('neighbour-secret mine')
  const { parts } = handOver([pool.subarray(17)])
  t.equal(parts.length, 1)
  t.equal(Buffer.from(parts[0]?.bytes ?? new ArrayBuffer(0)).toString(), 'mine')
  t.end()
})
