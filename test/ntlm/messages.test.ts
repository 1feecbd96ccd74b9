/** The messages themselves: what a challenge may be, and what goes out. */
import t from 'tap'
import { NtlmFault } from '../../src/ntlm/fault.ts'
import { createAuthenticate, createNegotiate, readChallenge } from '../../src/ntlm/messages.ts'
import { challengeWith, encodePairs, everything, specification, windows } from './vectors.ts'

type Change = readonly [claim: string, change: (message: Buffer) => unknown, message: string]

const NTLMV1 = 'the server wants NTLMv1, which is never sent'
const OUTSIDE = 'a field of the challenge lies outside of it'

t.test('type 1 has 40 bytes and no name', (t) => {
  t.strictSame(createNegotiate(), everything.type1)
  t.end()
})

t.test('published challenges are read', (t) => {
  t.strictSame(readChallenge(windows.type2), {
    flags: 0xa2898205,
    nonce: windows.nonce,
    targetInfo: windows.type2.subarray(72),
  })
  t.equal(readChallenge(specification.type2).flags, 0xe28a8233)
  t.end()
})

t.test('a challenge that is cut, anywhere, is refused', (t) => {
  for (const { type2 } of [everything, windows, specification]) {
    for (let length = 0; length < type2.length; length++) {
      t.throws(() => readChallenge(type2.subarray(0, length)), NtlmFault, `${length} bytes`)
    }
  }
  t.end()
})

t.test('a challenge that would end in NTLMv1, or makes no sense, is refused', (t) => {
  const changes: readonly Change[] = [
    ['no extended session security', (m) => m.writeUInt32LE(0xa2828205, 20), NTLMV1],
    ['no target information flag', (m) => m.writeUInt32LE(0xa20a8205, 20), NTLMV1],
    ['no Unicode', (m) => m.writeUInt32LE(0xa28a8204, 20), 'the server does not speak Unicode'],
    [
      'empty target information',
      (m) => m.writeUInt16LE(0, 40),
      'the server gives no target information, which NTLMv2 needs',
    ],
    ['another signature', (m) => m.write('X', 7), 'the challenge is no NTLM message of type 2'],
    ['type 1', (m) => m.writeUInt32LE(1, 8), 'the challenge is no NTLM message of type 2'],
    ['type 3', (m) => m.writeUInt32LE(3, 8), 'the challenge is no NTLM message of type 2'],
    ['a target name outside', (m) => m.writeUInt32LE(0xfffffff0, 16), OUTSIDE],
    ['a target name over the head', (m) => m.writeUInt32LE(40, 16), OUTSIDE],
    ['target information over the head', (m) => m.writeUInt32LE(8, 44), OUTSIDE],
    ['target information one byte outside', (m) => m.writeUInt32LE(69, 44), OUTSIDE],
    ['half of a letter', (m) => m.writeUInt16LE(11, 12), 'the name of the target is cut'],
    [
      'a name that ends in the target information',
      (m) => m.writeUInt16LE(14, 12),
      'fields of the challenge overlap',
    ],
    [
      'a name that begins in the target information',
      (m) => m.writeUInt32LE(114, 16) && m.writeUInt16LE(2, 12),
      'fields of the challenge overlap',
    ],
  ]
  for (const [claim, change, message] of changes) {
    const type2 = Buffer.from(everything.type2)
    change(type2)
    t.throws(() => readChallenge(type2), new NtlmFault(message), claim)
  }
  t.end()
})

t.test('a challenge of 8 KiB is read, one of 60 KB of attributes is not', (t) => {
  const fill = (bytes: number) => challengeWith(encodePairs([[99, Buffer.alloc(bytes)]]))
  const room = 8192 - fill(0).length
  t.equal(readChallenge(fill(room)).targetInfo.length, room + 8)
  for (const bytes of [room + 1, 60_000]) {
    t.throws(() => readChallenge(fill(bytes)), new NtlmFault('the challenge is too long'))
  }
  t.end()
})

t.test('an answer repeats what was asked for, and nothing else', (t) => {
  const parts = {
    lmResponse: Buffer.alloc(24),
    ntResponse: Buffer.alloc(44),
    domain: '',
    user: '',
    workstation: '',
  }
  const flagsFor = (flags: number) => createAuthenticate({ ...parts, flags }).readUInt32LE(60)
  t.equal(flagsFor(0xa2898205), 0xa2898205, 'a domain')
  t.equal(flagsFor(0xa28a8205), 0xa28a8205, 'a server')
  t.equal(flagsFor(0xffffffff), 0xa28b8205, 'neither keys, seals nor an anonymous login')
  t.equal(flagsFor(0x00880001), 0x00880001, 'a server that does not take all of it')
  t.end()
})

t.test('names that are too long for a field are refused', (t) => {
  const parts = { lmResponse: Buffer.alloc(24), ntResponse: Buffer.alloc(44), flags: 0 }
  const user = 'x'.repeat(0x8000)
  t.throws(
    () => createAuthenticate({ ...parts, domain: '', user, workstation: '' }),
    new NtlmFault('a field of the answer is too long'),
  )
  t.end()
})
