/**
 * The NTLM handshake (MS-NLMP 3.1.5, 3.3.2): NTLMv2 with the server's timestamp, message integrity
 * code, service name and channel binding. Pure: bytes in, bytes out, no socket.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { AV, readAvPairs, writeAvPairs, type AvPair } from './av-pairs.ts'
import { responseKey, type NtlmIdentity } from './identity.ts'
import { createAuthenticate, createNegotiate, readChallenge, setMic } from './messages.ts'

/** MsvAvFlags: the answer carries a message integrity code. */
const MIC_PRESENT = 2
/** From 1601, where FILETIME begins, to 1970, in milliseconds. */
const FILETIME_EPOCH_MS = 11_644_473_600_000n
const RESPONSE_HEAD = Buffer.from('0101000000000000', 'hex')
const RESERVED = Buffer.alloc(4)
/** Where the server gives its time, the answer to the older protocol is empty (3.1.5.1.2). */
const NO_LM_RESPONSE = Buffer.alloc(24)

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
   * end in NTLMv1. `channelBinding` is 16 bytes, `undefined` where there is no TLS: zeros would say
   * that there is TLS and that its certificate is unknown, and are refused.
   */
  finish(type2: Buffer, channelBinding: Buffer | undefined): Buffer {
    const { ntHash, user, domain, workstation, spn } = this.#options
    const { flags, nonce, targetInfo } = readChallenge(type2)
    const offered = readAvPairs(targetInfo)
    const timestamp = offered.find(({ id }) => id === AV.TIMESTAMP)?.value
    const hasMic = timestamp !== undefined
    const clientNonce = this.#chance.nonce()
    const blob = Buffer.concat([
      RESPONSE_HEAD,
      timestamp ?? fileTime(this.#chance.nowMs()),
      clientNonce,
      RESERVED,
      writeAvPairs(addPairs(offered, { hasMic, channelBinding, spn })),
      RESERVED,
    ])
    const key = responseKey(ntHash, { user, domain })
    const proof = hmac(key, nonce, blob)
    const sessionKey = hmac(key, proof)
    const lmResponse = hasMic
      ? NO_LM_RESPONSE
      : Buffer.concat([hmac(key, nonce, clientNonce), clientNonce])
    key.fill(0)
    const ntResponse = Buffer.concat([proof, blob])
    const message = createAuthenticate({ flags, lmResponse, ntResponse, domain, user, workstation })
    if (hasMic) setMic(message, hmac(sessionKey, this.#negotiate, type2, message))
    sessionKey.fill(0)
    return message
  }
}

interface Added {
  readonly hasMic: boolean
  readonly channelBinding: Buffer | undefined
  readonly spn: string | undefined
}

/** The server's pairs in their order, and ours behind them. */
function addPairs(offered: readonly AvPair[], { hasMic, channelBinding, spn }: Added): AvPair[] {
  // What the server says of these would be taken for our word.
  const pairs = offered.filter(({ id }) => id !== AV.TARGET_NAME && id !== AV.CHANNEL_BINDINGS)
  const at = pairs.findIndex(({ id }) => id === AV.FLAGS)
  const theirs = pairs[at]?.value.readUInt32LE()
  // A code that is promised and not there is refused.
  const ours = hasMic ? (theirs ?? 0) | MIC_PRESENT : (theirs ?? 0) & ~MIC_PRESENT
  if (theirs !== undefined) pairs[at] = flagsPair(ours)
  else if (hasMic) pairs.push(flagsPair(ours))
  if (channelBinding !== undefined) pairs.push({ id: AV.CHANNEL_BINDINGS, value: channelBinding })
  if (spn !== undefined) pairs.push({ id: AV.TARGET_NAME, value: Buffer.from(spn, 'utf16le') })
  return pairs
}

function flagsPair(flags: number): AvPair {
  const value = Buffer.alloc(4)
  value.writeUInt32LE(flags >>> 0)
  return { id: AV.FLAGS, value }
}

/** Hundreds of nanoseconds since 1601. */
function fileTime(nowMs: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE((BigInt(Math.trunc(nowMs)) + FILETIME_EPOCH_MS) * 10_000n)
  return bytes
}

function hmac(key: Buffer, ...parts: Buffer[]): Buffer {
  const sum = createHmac('md5', key)
  for (const part of parts) sum.update(part)
  return sum.digest()
}
