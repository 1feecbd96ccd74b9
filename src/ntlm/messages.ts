/**
 * The three messages of NTLMSSP (MS-NLMP 2.2.1), NTLMv2 only: bytes in, bytes out. Everything is
 * little-endian; a field is its length, its length again and its offset.
 */
import { NtlmFault } from './fault.ts'

const SIGNATURE = Buffer.from('NTLMSSP\0', 'latin1')
/**
 * A challenge is about 300 bytes, with the longest names 2 KiB. The answer repeats it, and goes in a
 * header: servers take 8 or 16 KiB of those.
 */
export const MAX_CHALLENGE_BYTES = 8192
const CHALLENGE_HEAD_BYTES = 48
const AUTHENTICATE_HEAD_BYTES = 88
const MIC_OFFSET = 72
const MIC_BYTES = 16

/** NegotiateFlags (2.2.2.5). */
const FLAG = {
  UNICODE: 0x1,
  EXTENDED_SESSIONSECURITY: 0x80000,
  TARGET_TYPE_DOMAIN: 0x10000,
  TARGET_TYPE_SERVER: 0x20000,
  TARGET_INFO: 0x800000,
} as const

/** Unicode, target, NTLM, always sign, extended session security, version, 128 and 56 bits. */
const NEGOTIATE_FLAGS = 0xa2088205
/**
 * What an answer may repeat: what was asked for, and what a server tells about itself. Above all no
 * key exchange (there is no key, and a server may die of waiting for it) and nothing anonymous.
 */
const ANSWER_FLAGS =
  NEGOTIATE_FLAGS | FLAG.TARGET_TYPE_DOMAIN | FLAG.TARGET_TYPE_SERVER | FLAG.TARGET_INFO
/** Windows 10, revision 15: servers read nothing from it but its presence. */
const VERSION = Buffer.from('0a0063450000000f', 'hex')

/** Type 1: 40 bytes, without any name, since the server has not shown yet who it is. */
export function createNegotiate(): Buffer {
  const message = Buffer.alloc(40)
  SIGNATURE.copy(message)
  message.writeUInt32LE(1, 8)
  message.writeUInt32LE(NEGOTIATE_FLAGS, 12)
  VERSION.copy(message, 32)
  return message
}

/** What a type 2 message says. */
export interface Challenge {
  readonly flags: number
  /** 8 bytes. */
  readonly nonce: Buffer
  readonly targetInfo: Buffer
}

/** Reads type 2; throws an `NtlmFault` where it is malformed, or would end in NTLMv1. */
export function readChallenge(message: Buffer): Challenge {
  if (message.length > MAX_CHALLENGE_BYTES) throw new NtlmFault('the challenge is too long')
  if (message.length < CHALLENGE_HEAD_BYTES) throw new NtlmFault('the challenge is cut')
  if (!message.subarray(0, 8).equals(SIGNATURE) || message.readUInt32LE(8) !== 2) {
    throw new NtlmFault('the challenge is no NTLM message of type 2')
  }
  const flags = message.readUInt32LE(20)
  if ((flags & FLAG.UNICODE) === 0) throw new NtlmFault('the server does not speak Unicode')
  if ((flags & FLAG.EXTENDED_SESSIONSECURITY) === 0 || (flags & FLAG.TARGET_INFO) === 0) {
    throw new NtlmFault('the server wants NTLMv1, which is never sent')
  }
  const targetName = findField(message, 12)
  const targetInfo = findField(message, 40)
  if (targetInfo.start === targetInfo.end) {
    throw new NtlmFault('the server gives no target information, which NTLMv2 needs')
  }
  // The name is read for its place alone: where that makes no sense, the message is made up.
  if ((targetName.end - targetName.start) % 2 === 1) {
    throw new NtlmFault('the name of the target is cut')
  }
  if (targetName.start < targetInfo.end && targetInfo.start < targetName.end) {
    throw new NtlmFault('fields of the challenge overlap')
  }
  return {
    flags,
    nonce: message.subarray(24, 32),
    targetInfo: message.subarray(targetInfo.start, targetInfo.end),
  }
}

interface Field {
  readonly start: number
  readonly end: number
}

const NOWHERE: Field = { start: 0, end: 0 }

function findField(message: Buffer, at: number): Field {
  const length = message.readUInt16LE(at)
  const start = message.readUInt32LE(at + 4)
  if (length === 0) return NOWHERE
  if (start < CHALLENGE_HEAD_BYTES || start + length > message.length) {
    throw new NtlmFault('a field of the challenge lies outside of it')
  }
  return { start, end: start + length }
}

export interface Authenticate {
  /** Of the challenge. */
  readonly flags: number
  readonly lmResponse: Buffer
  readonly ntResponse: Buffer
  readonly domain: string
  readonly user: string
  readonly workstation: string
}

/** Type 3, with zeros where the message integrity code goes. */
export function createAuthenticate(parts: Authenticate): Buffer {
  const names = [parts.domain, parts.user, parts.workstation].map((name) =>
    Buffer.from(name, 'utf16le'),
  )
  const [domain = EMPTY, user = EMPTY, workstation = EMPTY] = names
  const payload = [domain, user, workstation, parts.lmResponse, parts.ntResponse]
  const head = Buffer.alloc(AUTHENTICATE_HEAD_BYTES)
  SIGNATURE.copy(head)
  head.writeUInt32LE(3, 8)
  let offset = AUTHENTICATE_HEAD_BYTES
  for (const [index, place] of [28, 36, 44, 12, 20].entries()) {
    const length = payload[index]?.length ?? 0
    if (length > 0xffff) throw new NtlmFault('a field of the answer is too long')
    writeField(head, place, length, offset)
    offset += length
  }
  // No session key: nothing is sealed over HTTP.
  writeField(head, 52, 0, offset)
  head.writeUInt32LE((parts.flags & ANSWER_FLAGS) >>> 0, 60)
  VERSION.copy(head, 64)
  return Buffer.concat([head, ...payload])
}

const EMPTY = Buffer.alloc(0)

function writeField(head: Buffer, at: number, length: number, offset: number): void {
  head.writeUInt16LE(length, at)
  head.writeUInt16LE(length, at + 2)
  head.writeUInt32LE(offset, at + 4)
}

/** Puts the message integrity code in its place. */
export function setMic(message: Buffer, mic: Buffer): void {
  mic.copy(message, MIC_OFFSET, 0, MIC_BYTES)
}
