/**
 * The NTLM handshake (MS-NLMP 3.1.5, 3.3.2): NTLMv2 with the server's timestamp, message integrity
 * code, service name and channel binding. Pure: bytes in, bytes out, no socket.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { AV, readAvPairs, writeAvPairs, type AvPair } from './av-pairs.ts'
import { NtlmFault } from './fault.ts'
import { responseKey, type NtlmIdentity } from './identity.ts'
import { createAuthenticate, createNegotiate, readChallenge, setMic } from './messages.ts'

const MIC_PRESENT = 2
/** From 1601, where FILETIME begins, to 1970, in milliseconds. */
const FILETIME_EPOCH_MS = 11_644_473_600_000n

/** What may be predicted in tests, and nowhere else. */
export interface Chance {
  /** 8 bytes that nobody can guess. */
  readonly nonce: () => Buffer
  /** Since 1970. */
  readonly nowMs: () => number
}

const REAL_CHANCE: Chance = { nonce: () => randomBytes(8), nowMs: () => Date.now() }

export interface EngineOptions extends NtlmIdentity {
  readonly ntHash: Buffer
  readonly workstation: string
  /** `HTTP/host`: whom the answer is for. */
  readonly spn: string | undefined
}

/** One handshake; it keeps the exact bytes of its first message. */
export class NtlmEngine {
  readonly #options: EngineOptions
  readonly #chance: Chance
  readonly #negotiate = createNegotiate()

  constructor(options: EngineOptions, chance: Chance = REAL_CHANCE) {
    this.#options = options
    this.#chance = chance
  }

  /** The type 1 message. */
  start(): Buffer {
    return this.#negotiate
  }

  /**
   * The type 3 message for a type 2 message; throws an `NtlmFault` where that is malformed, or would
   * end in NTLMv1. `channelBinding` is 16 bytes, `undefined` where there is no TLS.
   */
  finish(type2: Buffer, channelBinding: Buffer | undefined): Buffer {
    const { ntHash, user, domain, workstation, spn } = this.#options
    const { flags, nonce, targetInfo } = readChallenge(type2)
    const offered = readAvPairs(targetInfo)
    const timestamp = offered.find(({ id }) => id === AV.TIMESTAMP)?.value
    const hasMic = timestamp !== undefined
    if (hasMic && timestamp.length !== 8) throw new NtlmFault('the timestamp of the server is cut')
    const pairs = addPairs(offered, { hasMic, channelBinding, spn })
    const clientNonce = this.#chance.nonce()
    const key = responseKey(ntHash, { user, domain })
    const blob = Buffer.concat([
      Buffer.from('0101000000000000', 'hex'),
      hasMic ? timestamp : fileTime(this.#chance.nowMs()),
      clientNonce,
      Buffer.alloc(4),
      writeAvPairs(pairs),
      Buffer.alloc(4),
    ])
    const proof = hmac(key, nonce, blob)
    const message = createAuthenticate({
      flags,
      lmResponse: hasMic
        ? Buffer.alloc(24)
        : Buffer.concat([hmac(key, nonce, clientNonce), clientNonce]),
      ntResponse: Buffer.concat([proof, blob]),
      domain,
      user,
      workstation,
    })
    if (hasMic) setMic(message, hmac(hmac(key, proof), this.#negotiate, type2, message))
    return message
  }
}

interface Added {
  readonly hasMic: boolean
  readonly channelBinding: Buffer | undefined
  readonly spn: string | undefined
}

/** The server's pairs in their order, none dropped, and ours behind them. */
function addPairs(offered: readonly AvPair[], { hasMic, channelBinding, spn }: Added): AvPair[] {
  // What the server says of these would be taken for our word.
  const pairs = offered.filter(({ id }) => id !== AV.TARGET_NAME && id !== AV.CHANNEL_BINDINGS)
  if (hasMic) {
    const at = pairs.findIndex(({ id }) => id === AV.FLAGS)
    const value = Buffer.alloc(4)
    const old = pairs[at]?.value
    value.writeUInt32LE(((old?.length === 4 ? old.readUInt32LE() : 0) | MIC_PRESENT) >>> 0)
    pairs.splice(at === -1 ? pairs.length : at, at === -1 ? 0 : 1, { id: AV.FLAGS, value })
  }
  if (channelBinding !== undefined) pairs.push({ id: AV.CHANNEL_BINDINGS, value: channelBinding })
  if (spn !== undefined) pairs.push({ id: AV.TARGET_NAME, value: Buffer.from(spn, 'utf16le') })
  return pairs
}

function fileTime(nowMs: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE((BigInt(nowMs) + FILETIME_EPOCH_MS) * 10_000n)
  return bytes
}

function hmac(key: Buffer, ...parts: Buffer[]): Buffer {
  const sum = createHmac('md5', key)
  for (const part of parts) sum.update(part)
  return sum.digest()
}
