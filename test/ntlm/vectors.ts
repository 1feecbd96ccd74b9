/**
 * Published exchanges, byte for byte: MS-NLMP 4.2, a Windows 7 browser with a Windows Server 2008 R2
 * (test data of gss-ntlmssp; the credentials are its publisher's lab), and one with all features at
 * once whose response, key and code were checked with another implementation. Below them challenges
 * made from these, a server's view of the answers, which shares no code with the engine, and a run of
 * the one against the other.
 */
import { createHmac } from 'node:crypto'
import { NtlmEngine } from '../../src/ntlm/engine.ts'
import { NtlmFault } from '../../src/ntlm/fault.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const base64 = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'base64')

/** RFC 1320, appendix A.5, and lengths around a block, as OpenSSL digests them. */
export const md4Vectors: readonly (readonly [text: string, digest: string])[] = [
  ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
  ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
  ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
  ['message digest', 'd9130a8164549fe818874806e1c7014b'],
  ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
  [
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
    '043f8582f241db351ce627e153e7f0e4',
  ],
  ['1234567890'.repeat(8), 'e33b4ddc9c38f2199c3e7b164fcc0536'],
  ['x'.repeat(55), '92f32bb82c95ad10e8f87ae58ab06807'],
  ['x'.repeat(56), '374d5f08103b7092c83b4626ebceffab'],
  ['x'.repeat(57), 'eebaefd8f3ba932d44239a789c38317a'],
  ['x'.repeat(63), '2870452596e98fffd48332289b3472b9'],
  ['x'.repeat(64), 'b1abf956a5ae6f3221e5fe85e300fbb0'],
  ['x'.repeat(65), 'afc1a3308fc176a53238a09aeddec2e6'],
  ['x'.repeat(119), 'b55ae15e41e55643b0c3daad5e05c905'],
  ['x'.repeat(120), 'd8f9adfc41ec43552619606c70cfd287'],
  ['x'.repeat(1000), '4b4cacfefc79bf951c60620df38532dc'],
]

/** MS-NLMP 4.2.4: no timestamp, so no code, and LMv2 is sent. */
export const specification = {
  user: 'User',
  domain: 'Domain',
  password: 'Password',
  workstation: 'COMPUTER',
  clientNonce: hex('aaaaaaaaaaaaaaaa'),
  ntHash: hex('a4f49c406510bdcab6824ee7c30fd852'),
  responseKey: hex('0c868a403bfd7a93a3001ef22ef02e3f'),
  proof: hex('68cd0ab851e51c96aabc927bebef6a1c'),
  lmResponse: hex('86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa'),
  /** The blob of the specification has a time of zero, which is 1601. */
  nowMs: -11_644_473_600_000,
  type2: hex(`
    4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000
    060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600
    6500720000000000`),
  /** With a session key and without room for a code: of another client than ours. */
  type3: hex(`
    4e544c4d5353500003000000180018006c00000054005400840000000c000c0048000000080008005400000010001000
    5c00000010001000d8000000358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f00
    4d005000550054004500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927b
    ebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00
    01000c005300650072007600650072000000000000000000c5dad2544fc9799094ce1ce90bc9d03e`),
}

/** The blob of the browser's response, as it was sent. */
export const windows = {
  user: 'Administrator',
  domain: 'WS2008R2',
  password: 'P@ssw0rd',
  ntHash: hex('e19ccf75ee54e06b06a5907af13cef42'),
  responseKey: hex('22fe5b1bc73d136282aef78e70c8dd58'),
  nonce: hex('a2c5e8ca3084aa72'),
  proof: hex('5a6a21ae1a44c044693eee59fc5d81e0'),
  sessionKey: hex('9bd3f8be97c125f9e2f02bb60eb53ec7'),
  mic: hex('f054a542b090b66c1fea1a2cc82e930b'),
  type1: base64('TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbAdAAAADw=='),
  type2: base64(`
    TlRMTVNTUAACAAAAEAAQADgAAAAFgomiosXoyjCEqnIAAAAAAAAAALYAtgBIAAAABgGwHQAAAA9XAFMAMgAwADAAOABSADIA
    AgAQAFcAUwAyADAAMAA4AFIAMgABABYARABDAC0AVwBTADIAMAAwADgAUgAyAAQAHAB3AHMAMgAwADAAOAByADIALgBsAG8A
    YwBhAGwAAwA0AEQAQwAtAHcAcwAyADAAMAA4AHIAMgAuAHcAcwAyADAAMAA4AHIAMgAuAGwAbwBjAGEAbAAFABwAdwBzADIA
    MAAwADgAcgAyAC4AbABvAGMAYQBsAAcACAB75z/DC97NAQAAAAA=`),
  type3: base64(`
    TlRMTVNTUAADAAAAGAAYAJQAAAB8AXwBrAAAABAAEABYAAAAGgAaAGgAAAASABIAggAAAAAAAAAoAgAABYKIogYBsB0AAAAP
    8FSlQrCQtmwf6hosyC6TC1cAUwAyADAAMAA4AFIAMgBBAGQAbQBpAG4AaQBzAHQAcgBhAHQAbwByAFcASQBOADcALQAyAC0A
    UABDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFpqIa4aRMBEaT7uWfxdgeABAQAAAAAAAHvnP8ML3s0BJ/wRgILC+90AAAAA
    AgAQAFcAUwAyADAAMAA4AFIAMgABABYARABDAC0AVwBTADIAMAAwADgAUgAyAAQAHAB3AHMAMgAwADAAOAByADIALgBsAG8A
    YwBhAGwAAwA0AEQAQwAtAHcAcwAyADAAMAA4AHIAMgAuAHcAcwAyADAAMAA4AHIAMgAuAGwAbwBjAGEAbAAFABwAdwBzADIA
    MAAwADgAcgAyAC4AbABvAGMAYQBsAAcACAB75z/DC97NAQYABAACAAAACAAwADAAAAAAAAAAAQAAAAAgAABNaw0nVBAi9f+m
    c9or/P3xlC8le+EaSclUGXrKiq8urwoAEABlhumdgcL8mE5HFy/U3QMQCQA+AEgAVABUAFAALwBkAGMALQB3AHMAMgAwADAA
    OAByADIALgB3AHMAMgAwADAAOAByADIALgBsAG8AYwBhAGwAAAAAAAAAAAAAAAAA`),
}

/** Timestamp, code, service name and channel binding. */
export const everything = {
  user: 'User',
  domain: 'Domain',
  workstation: 'COMPUTER',
  ntHash: specification.ntHash,
  clientNonce: hex('aaaaaaaaaaaaaaaa'),
  spn: 'HTTP/server.example',
  certificateHash: hex('e3ca49271e5089cc48ce82109f1324f41dbeddc29a777410c738f7868c4ff405'),
  channelBinding: hex('6ea19df066da4622051f9c4f92c6df74'),
  type1: hex('4e544c4d5353500001000000058208a2000000000000000000000000000000000a0063450000000f'),
  type2: hex(`
    4e544c4d53535000020000000c000c003800000005828aa20123456789abcdef00000000000000003000300044000000
    0a0063450000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600
    650072000700080000c0d16ae9a1da0100000000`),
  type3: hex(`
    4e544c4d5353500003000000180018007c000000a600a600940000000c000c0058000000080008006400000010001000
    6c000000000000003a01000005828aa20a0063450000000f991ebb7f9ec2d9e419579e5d5389591744006f006d006100
    69006e00550073006500720043004f004d00500055005400450052000000000000000000000000000000000000000000
    00000000049a6a19e70aa311d858781ed045bbbe010100000000000000c0d16ae9a1da01aaaaaaaaaaaaaaaa00000000
    02000c0044006f006d00610069006e0001000c005300650072007600650072000700080000c0d16ae9a1da0106000400
    020000000a0010006ea19df066da4622051f9c4f92c6df740900260048005400540050002f0073006500720076006500
    72002e006500780061006d0070006c0065000000000000000000`),
}

/** A field of a message: its length, its length again, its offset. */
export function fieldOf(message: Buffer, at: number): Buffer {
  const offset = message.readUInt32LE(at + 4)
  return message.subarray(offset, offset + message.readUInt16LE(at))
}

/** One attribute of a target. */
export type Pair = readonly [id: number, value: Buffer]

/** A list of attributes, whatever is in it. */
export function encodePairs(pairs: readonly Pair[]): Buffer {
  const parts = pairs.map(([id, value]) => {
    const head = Buffer.alloc(4)
    head.writeUInt16LE(id)
    head.writeUInt16LE(value.length, 2)
    return Buffer.concat([head, value])
  })
  return Buffer.concat([...parts, Buffer.alloc(4)])
}

/** The pairs of a list that is known to be whole. */
export function decodePairs(list: Buffer): Pair[] {
  const pairs: Pair[] = []
  let at = 0
  while (list.readUInt16LE(at) !== 0) {
    const end = at + 4 + list.readUInt16LE(at + 2)
    pairs.push([list.readUInt16LE(at), list.subarray(at + 4, end)])
    at = end
  }
  return pairs
}

/** A challenge with another list of attributes. */
export function challengeWith(list: Buffer): Buffer {
  const message = Buffer.concat([everything.type2.subarray(0, 68), list])
  message.writeUInt16LE(list.length, 40)
  message.writeUInt16LE(list.length, 42)
  return message
}

/** What is wrong with an answer of `Domain\\User` in the eyes of a server; nothing is `[]`. */
export function judge(type1: Buffer, type2: Buffer, type3: Buffer): string[] {
  const complaints: string[] = []
  const check = (isRight: boolean, complaint: string): void => {
    if (!isRight) complaints.push(complaint)
  }
  let end = 88
  for (const at of [28, 36, 44, 12, 20, 52]) {
    check(type3.readUInt32LE(at + 4) === end, `field ${at} begins elsewhere`)
    end += type3.readUInt16LE(at)
  }
  check(end === type3.length, 'another length')
  check(type3.subarray(0, 12).equals(hex('4e544c4d5353500003000000')), 'no type 3')
  check((type3.readUInt32LE(60) & 0x40000830) === 0, 'flags that nobody asked for')
  check(type3.readUInt16LE(52) === 0, 'a session key')
  check(fieldOf(type3, 28).toString('utf16le') === 'Domain', 'another domain')
  check(fieldOf(type3, 36).toString('utf16le') === 'User', 'another user')

  const { responseKey } = specification
  const nonce = type2.subarray(24, 32)
  const [proof, blob] = [fieldOf(type3, 20).subarray(0, 16), fieldOf(type3, 20).subarray(16)]
  const clientNonce = blob.subarray(16, 24)
  check(proof.equals(hmac(responseKey, nonce, blob)), 'another proof')
  check(blob.subarray(0, 8).equals(hex('0101000000000000')), 'another head')
  check(blob.subarray(-8).equals(Buffer.alloc(8)), 'no end')

  const theirs = new Map(decodePairs(fieldOf(type2, 40)))
  const ours = decodePairs(blob.subarray(28))
  const time = theirs.get(7)
  const flags = new Map(ours).get(6)?.readUInt32LE() ?? 0
  check(((flags & 2) === 2) === (time !== undefined), 'another word on the code')
  const kept = ours.filter(([id]) => theirs.has(id) && ![6, 9, 10].includes(id))
  const wanted = [...theirs].filter(([id]) => ![6, 9, 10].includes(id))
  check(encodePairs(kept).equals(encodePairs(wanted)), 'other pairs')
  check(new Set(ours.map(([id]) => id)).size === ours.length, 'a pair twice')

  const zeroed = Buffer.from(type3)
  zeroed.fill(0, 72, 88)
  if (time === undefined) {
    const lm = Buffer.concat([hmac(responseKey, nonce, clientNonce), clientNonce])
    check(fieldOf(type3, 12).equals(lm), 'another LMv2 response')
    check(type3.equals(zeroed), 'a code without a timestamp')
  } else {
    const mic = hmac(hmac(responseKey, proof), type1, type2, zeroed)
    check(fieldOf(type3, 12).equals(Buffer.alloc(24)), 'an LM response')
    check(blob.subarray(8, 16).equals(time), 'another time')
    check(type3.subarray(72, 88).equals(mic), 'another code')
  }
  return complaints
}

export function hmac(key: Buffer, ...parts: readonly Buffer[]): Buffer {
  return createHmac('md5', key).update(Buffer.concat(parts)).digest()
}

/** The same numbers for the same seed: what fails can be made to fail again. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** From 0 up to `below`, without it. */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.roll(items.length)] ?? items[0]
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.roll(256)))
  }
}

const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 47, 48, 55, 56, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff,
] as const
const OFFSETS = [...EDGES, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff] as const
const HEAD_FIELDS = [12, 14, 40, 42] as const

/** A challenge that was tampered with: now and then still whole, most of the time not. */
export function createHostileChallenge(dice: Dice): Buffer {
  let message = dice.roll(3) === 0 ? createStrangeChallenge(dice) : Buffer.from(createBase(dice))
  for (let count = dice.roll(4); count > 0; count--) message = tamper(message, dice)
  return message
}

function createBase(dice: Dice): Buffer {
  return dice.pick([everything.type2, windows.type2, specification.type2])
}

/** Well-formed, with attributes that no server sends like that. */
function createStrangeChallenge(dice: Dice): Buffer {
  const pairs = Array.from({ length: dice.roll(12) }, (): Pair => {
    const id = dice.roll(14)
    if (id === 7) return [id, dice.bytes(8)]
    if (id === 6) return [id, dice.bytes(4)]
    return [id, dice.bytes(2 * dice.roll(20))]
  })
  return challengeWith(encodePairs(pairs))
}

function tamper(message: Buffer, dice: Dice): Buffer {
  const at = dice.roll(message.length + 1)
  switch (dice.roll(9)) {
    case 0:
      return message.subarray(0, at)
    case 1:
      return Buffer.concat([message, dice.bytes(dice.roll(40))])
    case 2:
      return Buffer.concat([message.subarray(0, at), dice.bytes(1), message.subarray(at)])
    case 3:
      return Buffer.concat([message.subarray(0, at), message.subarray(at + 1 + dice.roll(8))])
    case 4:
      return Buffer.concat([message.subarray(0, at), createBase(dice).subarray(at)])
    case 5:
      if (message.length >= 48) message.writeUInt16LE(dice.pick(EDGES), dice.pick(HEAD_FIELDS))
      return message
    case 6:
      if (message.length >= 48) message.writeUInt32LE(dice.pick(OFFSETS), dice.pick([16, 20, 44]))
      return message
    case 7:
      if (at + 2 <= message.length) message.writeUInt16LE(dice.pick(EDGES), at)
      return message
    default:
      if (at < message.length) message[at] = (message[at] ?? 0) ^ (1 << dice.roll(8))
      return message
  }
}

interface FuzzResult {
  readonly answered: number
  readonly refused: number
  /** The first ones, with the challenge in hexadecimal. */
  readonly complaints: readonly string[]
}

/**
 * Gives the engine hostile challenges, each twice and with other bytes around it, so that a byte read
 * from outside shows as another outcome.
 */
export function fuzzEngine({ seed, cases }: { seed: number; cases: number }): FuzzResult {
  const dice = new Dice(seed)
  const complaints: string[] = []
  let answered = 0
  for (let count = 0; count < cases && complaints.length < 5; count++) {
    const challenge = createHostileChallenge(dice)
    const [type2, again] = [surround(challenge, 0x00), surround(challenge, 0xa5)]
    const engine = createFixedEngine(dice.roll(2) === 0)
    const outcome = attempt(engine, type2)
    const wrong = Buffer.isBuffer(outcome) ? judge(engine.start(), type2, outcome) : []
    if (Buffer.isBuffer(outcome)) answered += 1
    else if (!(outcome instanceof NtlmFault)) wrong.push(String(outcome))
    else if (!/^[a-z0-9, ]+$/i.test(outcome.message)) wrong.push(`said ${outcome.message}`)
    if (textOf(outcome) !== textOf(attempt(engine, again))) wrong.push('read from outside')
    if (!type2.equals(challenge)) wrong.push('wrote into the challenge')
    for (const complaint of wrong) complaints.push(`${complaint}: ${challenge.toString('hex')}`)
  }
  return { answered, refused: cases - answered, complaints }
}

function createFixedEngine(isBound: boolean) {
  const { user, domain, workstation, ntHash, spn, clientNonce, channelBinding } = everything
  const engine = new NtlmEngine(
    { user, domain, workstation, ntHash, spn: isBound ? spn : undefined },
    { nonce: () => clientNonce, nowMs: () => 0 },
  )
  return {
    start: () => engine.start(),
    finish: (type2: Buffer) => engine.finish(type2, isBound ? channelBinding : undefined),
  }
}

function attempt(engine: { finish: (type2: Buffer) => Buffer }, type2: Buffer): unknown {
  try {
    return engine.finish(type2)
  } catch (error) {
    return error
  }
}

function textOf(outcome: unknown): string {
  return Buffer.isBuffer(outcome) ? outcome.toString('hex') : String(outcome)
}

function surround(message: Buffer, filler: number): Buffer {
  const whole = Buffer.alloc(message.length + 128, filler)
  message.copy(whole, 64)
  return whole.subarray(64, 64 + message.length)
}
