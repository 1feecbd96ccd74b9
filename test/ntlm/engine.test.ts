/** The engine against every published exchange, and what a server makes of its answers. */
import t from 'tap'
import { readAvPairs, writeAvPairs } from '../../src/ntlm/av-pairs.ts'
import { NtlmEngine, type EngineOptions } from '../../src/ntlm/engine.ts'
import { NtlmFault } from '../../src/ntlm/fault.ts'
import { ntHashOf, responseKey } from '../../src/ntlm/identity.ts'
import { setMic } from '../../src/ntlm/messages.ts'
import { Secret } from '../../src/secret.ts'
import {
  challengeWith,
  decodePairs,
  encodePairs,
  everything,
  fieldOf,
  hmac,
  judge,
  specification,
  windows,
} from './vectors.ts'

const TIMESTAMP = Buffer.from('00c0d16ae9a1da01', 'hex')

function createEngine(more: Partial<EngineOptions> = {}, nowMs = 0): NtlmEngine {
  const { user, domain, workstation, ntHash, spn } = everything
  return new NtlmEngine(
    { user, domain, workstation, ntHash, spn, ...more },
    { nonce: () => everything.clientNonce, nowMs: () => nowMs },
  )
}

function pairsOf(type3: Buffer) {
  return decodePairs(fieldOf(type3, 20).subarray(16 + 28))
}

t.test('MS-NLMP 4.2.4, without a timestamp: names and responses byte for byte', (t) => {
  const engine = createEngine({ spn: undefined }, specification.nowMs)
  const message = engine.finish(specification.type2, undefined)
  for (const at of [12, 20, 28, 36, 44]) {
    t.strictSame(fieldOf(message, at), fieldOf(specification.type3, at), `the field at ${at}`)
  }
  t.strictSame(fieldOf(message, 12), specification.lmResponse)
  t.strictSame(fieldOf(message, 20).subarray(0, 16), specification.proof)
  t.strictSame(message.subarray(72, 88), Buffer.alloc(16), 'no code without a timestamp')
  t.equal(message.readUInt32LE(60), 0xa28a8201, 'no key exchange, whatever the server says')
  t.equal(message.readUInt16LE(52), 0, 'no session key')
  t.strictSame(judge(engine.start(), specification.type2, message), [])
  t.end()
})

t.test('everything at once, byte for byte', (t) => {
  const engine = createEngine()
  t.strictSame(engine.start(), everything.type1)
  t.strictSame(engine.finish(everything.type2, everything.channelBinding), everything.type3)
  t.strictSame(judge(everything.type1, everything.type2, everything.type3), [])
  t.end()
})

t.test('proof, key and code of a Windows browser, from its own attributes', (t) => {
  const blob = fieldOf(windows.type3, 20).subarray(16)
  const pairs = readAvPairs(blob.subarray(28))
  t.strictSame(
    pairs.map(({ id }) => id),
    [2, 1, 4, 3, 5, 7, 6, 8, 10, 9],
  )
  const list = writeAvPairs(pairs)
  const key = responseKey(ntHashOf(new Secret(windows.password)), windows)
  const rest = blob.subarray(28 + list.length)
  const proof = hmac(key, windows.nonce, blob.subarray(0, 28), list, rest)
  t.strictSame(proof, windows.proof)
  t.strictSame(hmac(key, proof), windows.sessionKey)
  const zeroed = Buffer.from(windows.type3)
  setMic(zeroed, Buffer.alloc(16))
  setMic(zeroed, hmac(windows.sessionKey, windows.type1, windows.type2, zeroed))
  t.strictSame(zeroed, windows.type3)
  t.end()
})

t.test('a Windows challenge is answered with the attributes of the browser', (t) => {
  const spn = 'HTTP/dc-ws2008r2.ws2008r2.local'
  const channelBinding = Buffer.from('6586e99d81c2fc984e47172fd4dd0310', 'hex')
  const ours = pairsOf(createEngine({ spn }).finish(windows.type2, channelBinding))
  // It adds the machine it runs on (8), which is nobody's business.
  const theirs = pairsOf(windows.type3).filter(([id]) => id !== 8)
  t.strictSame(ours, theirs)
  t.end()
})

t.test('the flags of the server stay in their place and keep their bits', (t) => {
  const list = encodePairs([
    [6, Buffer.from('01000080', 'hex')],
    [7, TIMESTAMP],
  ])
  const type2 = challengeWith(list)
  const engine = createEngine()
  const message = engine.finish(type2, undefined)
  t.strictSame(pairsOf(message)[0], [6, Buffer.from('03000080', 'hex')])
  t.strictSame(judge(engine.start(), type2, message), [])
  t.end()
})

t.test('without a timestamp no code is promised, even where the server says so', (t) => {
  const engine = createEngine()
  const type2 = challengeWith(encodePairs([[6, Buffer.from('03000000', 'hex')]]))
  const message = engine.finish(type2, undefined)
  t.strictSame(pairsOf(message)[0], [6, Buffer.from('01000000', 'hex')])
  t.strictSame(judge(engine.start(), type2, message), [])
  t.end()
})

t.test('service name and channel binding are our word, not the server’s', (t) => {
  const type2 = challengeWith(
    encodePairs([
      [10, Buffer.alloc(16, 1)],
      [7, TIMESTAMP],
      [9, Buffer.from('HTTP/evil', 'utf16le')],
    ]),
  )
  const named = pairsOf(createEngine().finish(type2, everything.channelBinding))
  t.strictSame(named.slice(-2), [
    [10, everything.channelBinding],
    [9, Buffer.from(everything.spn, 'utf16le')],
  ])
  const bare = pairsOf(createEngine({ spn: undefined }).finish(type2, undefined))
  t.strictSame(
    bare.map(([id]) => id),
    [7, 6],
  )
  t.end()
})

t.test('without a timestamp the time is ours', (t) => {
  // 2021-01-01T00:00:00Z, as Windows counts.
  const message = createEngine({}, 1_609_459_200_000.5).finish(specification.type2, undefined)
  const time = fieldOf(message, 20).readBigUInt64LE(16 + 8)
  t.equal(time, 132_539_328_000_000_000n)
  t.end()
})

t.test('names go out as they were given, in UTF-16', (t) => {
  const engine = createEngine({ user: 'jürgen€👍', domain: 'Zürich', workstation: 'ß' })
  const message = engine.finish(everything.type2, undefined)
  t.equal(fieldOf(message, 36).toString('utf16le'), 'jürgen€👍')
  t.equal(fieldOf(message, 28).toString('utf16le'), 'Zürich')
  t.equal(fieldOf(message, 44).toString('utf16le'), 'ß')
  t.end()
})

t.test('by itself it never uses the same numbers twice', (t) => {
  const { user, domain, workstation, ntHash, spn } = everything
  const engine = new NtlmEngine({ user, domain, workstation, ntHash, spn })
  const nonces = [1, 2, 3].map(() => {
    const message = engine.finish(specification.type2, undefined)
    t.strictSame(judge(engine.start(), specification.type2, message), [])
    const drift = fieldOf(message, 20).readBigUInt64LE(16 + 8) / 10_000n - 11_644_473_600_000n
    t.ok(Math.abs(Number(drift) - Date.now()) < 60_000, 'and tells the time')
    return fieldOf(message, 20).toString('hex', 32, 40)
  })
  t.equal(new Set(nonces).size, 3)
  t.end()
})

t.test('neither hash nor challenge are changed by an answer', (t) => {
  const ntHash = ntHashOf(new Secret('Password'))
  const type2 = Buffer.from(everything.type2)
  const engine = createEngine({ ntHash })
  t.strictSame(engine.finish(type2, everything.channelBinding), everything.type3)
  t.strictSame(engine.finish(type2, everything.channelBinding), everything.type3)
  t.strictSame(ntHash, everything.ntHash)
  t.strictSame(type2, everything.type2)
  t.strictSame(engine.start(), everything.type1)
  t.end()
})

t.test('a fault shows no byte of the challenge', (t) => {
  const type2 = Buffer.from(everything.type2)
  type2.write('SECRET', 0)
  try {
    createEngine().finish(type2, undefined)
    t.fail('it was answered')
  } catch (error) {
    t.type(error, NtlmFault)
    t.notMatch(String(error), /SECRET|534543/)
    t.strictSame(Object.keys(error as NtlmFault), ['name'])
  }
  t.end()
})
