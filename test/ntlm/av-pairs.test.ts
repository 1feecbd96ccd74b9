/** Attributes of a target: kept as they came, refused where they make no sense. */
import t from 'tap'
import { readAvPairs, writeAvPairs } from '../../src/ntlm/av-pairs.ts'
import { NtlmFault } from '../../src/ntlm/fault.ts'
import { encodePairs, windows } from './vectors.ts'

t.test('a list is read and written byte for byte', (t) => {
  const list = windows.type2.subarray(72)
  const pairs = readAvPairs(list)
  t.strictSame(
    pairs.map(({ id }) => id),
    [2, 1, 4, 3, 5, 7],
  )
  t.equal(pairs[0]?.value.toString('utf16le'), 'WS2008R2')
  t.strictSame(writeAvPairs(pairs), list)
  t.end()
})

t.test('what is behind the end is not read', (t) => {
  const list = Buffer.concat([encodePairs([[1, Buffer.alloc(2)]]), Buffer.alloc(7, 0xff)])
  t.strictSame(readAvPairs(list), [{ id: 1, value: Buffer.alloc(2) }])
  t.end()
})

t.test('a list that makes no sense is refused', (t) => {
  const zeros = (length: number) => Buffer.alloc(length)
  const lists: readonly (readonly [list: Buffer, message: string])[] = [
    [zeros(0), 'the target information is cut'],
    [zeros(3), 'the target information is cut'],
    [encodePairs([[1, zeros(2)]]).subarray(0, -4), 'the target information is cut'],
    [Buffer.from('0100ffff00000000', 'hex'), 'the target information is cut'],
    [Buffer.from('000002000000', 'hex'), 'the end of the target information has a value'],
    [encodePairs([[5, zeros(3)]]), 'a name in the target information is cut'],
    [encodePairs([[6, zeros(2)]]), 'the flags of the server are cut'],
    [encodePairs([[7, zeros(4)]]), 'the timestamp of the server is cut'],
    [encodePairs([[7, zeros(9)]]), 'the timestamp of the server is cut'],
    [
      encodePairs([
        [2, zeros(2)],
        [1, zeros(2)],
        [2, zeros(4)],
      ]),
      'the target information says something twice',
    ],
    [
      encodePairs([
        [99, zeros(0)],
        [99, zeros(0)],
      ]),
      'the target information says something twice',
    ],
  ]
  for (const [list, message] of lists) t.throws(() => readAvPairs(list), new NtlmFault(message))
  t.end()
})
