/** The engine against every published exchange, and against challenges that nobody should answer. */
import { createHmac } from 'node:crypto'
import t from 'tap'
import { readAvPairs } from '../../src/ntlm/av-pairs.ts'
import { NtlmEngine, type EngineOptions } from '../../src/ntlm/engine.ts'
import { NtlmFault } from '../../src/ntlm/fault.ts'
import { ntHashOf, readIdentity, responseKey, upperCase } from '../../src/ntlm/identity.ts'
import { md4 } from '../../src/ntlm/md4.ts'
import { Secret } from '../../src/secret.ts'
import { everything, md4Vectors, specification, windows } from './vectors.ts'

function createEngine(more: Partial<EngineOptions> = {}, nowMs = 0): NtlmEngine {
  const { user, domain, workstation, ntHash, spn } = everything
  return new NtlmEngine(
    { user, domain, workstation, ntHash, spn, ...more },
    { nonce: () => everything.clientNonce, nowMs: () => nowMs },
  )
}

/** A field of a type 3 message. */
function field(message: Buffer, at: number): Buffer {
  const offset = message.readUInt32LE(at + 4)
  return message.subarray(offset, offset + message.readUInt16LE(at))
}

t.test('MD4 gives the digests of RFC 1320, and of every length around a block', (t) => {
  for (const [text, digest] of md4Vectors) t.equal(md4(Buffer.from(text)).toString('hex'), digest)
  const lengths = [55, 56, 57, 63, 64, 65, 119, 120]
  const digests = lengths.map((length) => md4(Buffer.alloc(length, 'x')).toString('hex'))
  t.equal(new Set(digests).size, lengths.length)
  t.end()
})

t.test('hash and key of MS-NLMP 4.2.4.1, and of a Windows exchange', (t) => {
  for (const { user, domain, password, ntHash, responseKey: key } of [specification, windows]) {
    t.strictSame(ntHashOf(new Secret(password)), ntHash)
    t.strictSame(responseKey(ntHash, { user, domain }), key)
  }
  const { ntHash, responseKey: key } = specification
  t.strictSame(responseKey(ntHash, { user: 'uSER', domain: 'Domain' }), key)
  t.notSame(responseKey(ntHash, { user: 'User', domain: 'DOMAIN' }), key)
  t.end()
})

t.test('the responses of MS-NLMP 4.2.4.2, without a timestamp', (t) => {
  const engine = createEngine({ spn: undefined }, specification.nowMs)
  const message = engine.finish(specification.type2, undefined)
  t.strictSame(field(message, 12), specification.lmResponse)
  t.strictSame(field(message, 20).subarray(0, 16), specification.proof)
  t.strictSame(message.subarray(72, 88), Buffer.alloc(16), 'no code without a timestamp')
  t.equal(message.readUInt32LE(60) & 0x40000000, 0, 'no key exchange, whatever the server says')
  t.equal(message.readUInt16LE(52), 0, 'no session key')
  t.end()
})

t.test('everything at once, byte for byte', (t) => {
  const engine = createEngine()
  t.strictSame(engine.start(), everything.type1)
  t.strictSame(engine.finish(everything.type2, everything.channelBinding), everything.type3)
  t.end()
})

t.test('proof and code of a Windows browser, from its own bytes', (t) => {
  const blob = field(windows.type3, 20).subarray(16)
  const key = responseKey(windows.ntHash, windows)
  const hmac = (secret: Buffer, ...parts: Buffer[]) =>
    createHmac('md5', secret).update(Buffer.concat(parts)).digest()
  t.strictSame(hmac(key, windows.nonce, blob), windows.proof)
  t.strictSame(hmac(key, windows.proof), windows.sessionKey)
  const zeroed = Buffer.from(windows.type3)
  zeroed.fill(0, 72, 88)
  t.strictSame(hmac(windows.sessionKey, windows.type1, windows.type2, zeroed), windows.mic)
  const ids = readAvPairs(blob.subarray(28)).map(({ id }) => id)
  t.strictSame(ids, [2, 1, 4, 3, 5, 7, 6, 8, 10, 9])
  t.end()
})

t.test('answers keep the pairs of the server in order, flags in their place', (t) => {
  const engine = createEngine({ ...windows, workstation: '', spn: 'HTTP/x' })
  const message = engine.finish(windows.type2, undefined)
  const pairs = readAvPairs(field(message, 20).subarray(16 + 28))
  t.strictSame(
    pairs.map(({ id }) => id),
    [2, 1, 4, 3, 5, 7, 6, 9],
  )
  const offered = readAvPairs(windows.type2.subarray(72))
  t.strictSame(pairs.slice(0, 6), offered)
  t.strictSame(pairs[6]?.value, Buffer.from('02000000', 'hex'))
  // With flags already there, they stay where they are and keep their bits.
  const list = Buffer.from('06000400010000000700080000c0d16ae9a1da0100000000', 'hex')
  const type2 = Buffer.concat([everything.type2.subarray(0, 68), list])
  type2.writeUInt16LE(list.length, 40)
  const again = readAvPairs(field(engine.finish(type2, undefined), 20).subarray(16 + 28))
  t.strictSame(again[0], { id: 6, value: Buffer.from('03000000', 'hex') })
  t.end()
})

t.test('names: three forms, and letters that have no upper case of one letter', (t) => {
  t.strictSame(readIdentity('LAB\\al', 'X'), { user: 'al', domain: 'LAB' })
  t.strictSame(readIdentity('al@lab.example', 'X'), { user: 'al@lab.example', domain: '' })
  t.strictSame(readIdentity('al', 'LAB'), { user: 'al', domain: 'LAB' })
  t.strictSame(readIdentity('al', undefined), { user: 'al', domain: '' })
  t.equal(upperCase('straße-jürgen-ŉ-ﬁ-👍'), 'STRAßE-JÜRGEN-ŉ-ﬁ-👍')
  const engine = createEngine({ user: 'jürgen€👍', domain: 'Zürich' })
  const message = engine.finish(everything.type2, undefined)
  t.equal(field(message, 36).toString('utf16le'), 'jürgen€👍')
  t.equal(field(message, 28).toString('utf16le'), 'Zürich')
  t.strictSame(ntHashOf(new Secret('Pässwörd-€-👍')).length, 16)
  t.end()
})

t.test('a challenge that is cut, anywhere, is refused', (t) => {
  const engine = createEngine()
  for (let length = 0; length < everything.type2.length; length++) {
    t.throws(() => engine.finish(everything.type2.subarray(0, length), undefined), NtlmFault)
  }
  t.end()
})

t.test('a challenge that would end in NTLMv1, or makes no sense, is refused', (t) => {
  const engine = createEngine()
  const changes: readonly (readonly [claim: string, change: (message: Buffer) => unknown])[] = [
    ['no extended session security', (m) => m.writeUInt32LE(0xa2028205 >>> 0, 20)],
    ['no target information flag', (m) => m.writeUInt32LE(0xa20a8205 >>> 0, 20)],
    ['no Unicode', (m) => m.writeUInt32LE(0xa28a8204 >>> 0, 20)],
    ['empty target information', (m) => m.writeUInt16LE(0, 40)],
    ['another signature', (m) => m.write('X', 0)],
    ['type 3', (m) => m.writeUInt32LE(3, 8)],
    ['a target name outside', (m) => m.writeUInt32LE(0xfffffff0, 16)],
    ['target information over the head', (m) => m.writeUInt32LE(8, 44)],
    ['target information outside', (m) => m.writeUInt32LE(69, 44)],
    ['a pair that is too long', (m) => m.writeUInt16LE(0xffff, 70)],
    ['a pair said twice', (m) => m.writeUInt16LE(2, 84)],
    ['a timestamp that is cut', (m) => m.writeUInt16LE(4, 102)],
  ]
  for (const [claim, change] of changes) {
    const message = Buffer.from(everything.type2)
    change(message)
    t.throws(() => engine.finish(message, undefined), NtlmFault, claim)
  }
  const long = Buffer.concat([everything.type2, Buffer.alloc(64 * 1024)])
  t.throws(() => engine.finish(long, undefined), { message: 'the challenge is too long' })
  t.end()
})

t.test('60 KB of pairs are answered or refused, never read outside', (t) => {
  const engine = createEngine()
  const pair = Buffer.alloc(1000)
  pair.writeUInt16LE(996, 2)
  const pairs = Array.from({ length: 60 }, (_, at) => {
    const copy = Buffer.from(pair)
    copy.writeUInt16LE(100 + at, 0)
    return copy
  })
  const list = Buffer.concat([...pairs, Buffer.alloc(4)])
  const message = Buffer.concat([everything.type2.subarray(0, 68), list])
  message.writeUInt16LE(list.length, 40)
  const answer = engine.finish(message, undefined)
  t.ok(answer.length > list.length)
  t.end()
})
