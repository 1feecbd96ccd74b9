/** MD4 (RFC 1320): OpenSSL 3 gives it only with its legacy provider, and NTLM has no other hash. */

const BLOCK_BYTES = 64
const SHIFTS = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const
const CONSTANTS = [0, 0x5a827999, 0x6ed9eba1] as const
const ORDERS = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
] as const

/** The digest of `data`, 16 bytes. */
export function md4(data: Uint8Array): Buffer {
  const padded = pad(data)
  let [a, b, c, d] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) {
    const before = [a, b, c, d] as const
    for (let round = 0; round < 3; round++) {
      for (let step = 0; step < 16; step++) {
        const word = padded.readUInt32LE(at + 4 * (ORDERS[round]?.[step] ?? 0))
        const sum = (a + mix(round, b, c, d) + word + (CONSTANTS[round] ?? 0)) | 0
        const shift = SHIFTS[round]?.[step % 4] ?? 0
        ;[a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c]
      }
    }
    a = (a + before[0]) | 0
    b = (b + before[1]) | 0
    c = (c + before[2]) | 0
    d = (d + before[3]) | 0
  }
  padded.fill(0)
  const digest = Buffer.alloc(16)
  for (const [index, word] of [a, b, c, d].entries()) digest.writeInt32LE(word | 0, 4 * index)
  return digest
}

function mix(round: number, b: number, c: number, d: number): number {
  if (round === 0) return (b & c) | (~b & d)
  return round === 1 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d
}

/** A one bit, zeros, and the length in bits (section 3.1 and 3.2). */
function pad(data: Uint8Array): Buffer {
  const blocks = Math.ceil((data.length + 9) / BLOCK_BYTES)
  const padded = Buffer.alloc(blocks * BLOCK_BYTES)
  padded.set(data)
  padded[data.length] = 0x80
  padded.writeBigUInt64LE(BigInt(data.length) * 8n, padded.length - 8)
  return padded
}
