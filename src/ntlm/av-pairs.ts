/** The attributes of a challenge's target (MS-NLMP 2.2.2.1, AV_PAIR). */
import { NtlmFault } from './fault.ts'

export const AV = {
  END: 0,
  DNS_TREE: 5,
  FLAGS: 6,
  TIMESTAMP: 7,
  TARGET_NAME: 9,
  CHANNEL_BINDINGS: 10,
} as const

const HEAD_BYTES = 4
const FLAGS_BYTES = 4
const TIMESTAMP_BYTES = 8

export interface AvPair {
  readonly id: number
  readonly value: Buffer
}

/** Reads a list up to its end mark; throws an `NtlmFault` where it is cut or says something twice. */
export function readAvPairs(list: Buffer): AvPair[] {
  const pairs: AvPair[] = []
  const seen = new Set<number>()
  for (let at = 0; at + HEAD_BYTES <= list.length;) {
    const id = list.readUInt16LE(at)
    const end = at + HEAD_BYTES + list.readUInt16LE(at + 2)
    if (end > list.length) break
    const value = list.subarray(at + HEAD_BYTES, end)
    checkLength(id, value.length)
    if (id === AV.END) return pairs
    if (seen.has(id)) throw new NtlmFault('the target information says something twice')
    seen.add(id)
    pairs.push({ id, value })
    at = end
  }
  throw new NtlmFault('the target information is cut')
}

function checkLength(id: number, length: number): void {
  if (id === AV.END) {
    if (length > 0) throw new NtlmFault('the end of the target information has a value')
  } else if (id <= AV.DNS_TREE) {
    if (length % 2 === 1) throw new NtlmFault('a name in the target information is cut')
  } else if (id === AV.FLAGS) {
    if (length !== FLAGS_BYTES) throw new NtlmFault('the flags of the server are cut')
  } else if (id === AV.TIMESTAMP) {
    if (length !== TIMESTAMP_BYTES) throw new NtlmFault('the timestamp of the server is cut')
  }
}

/** The list with its end mark. */
export function writeAvPairs(pairs: readonly AvPair[]): Buffer {
  const parts = pairs.flatMap(({ id, value }) => [head(id, value.length), value])
  return Buffer.concat([...parts, head(AV.END, 0)])
}

function head(id: number, length: number): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES)
  bytes.writeUInt16LE(id, 0)
  bytes.writeUInt16LE(length, 2)
  return bytes
}
