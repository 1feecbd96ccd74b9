/**
 * Password hashes: scrypt in PHC form and bcrypt. Parses, makes and checks them; neither the text of a
 * hash nor a password ever gets into an error. Slow work runs off the event loop: scrypt on the
 * thread pool of libuv, bcrypt (pure JavaScript) in worker threads.
 */
import { hash as digestOnce, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { isUtf8 } from 'node:buffer'
import { runBcrypt } from './bcrypt-pool.ts'

/** A parsed hash; what checking costs is its profile. */
export type PasswordHash =
  | {
      readonly kind: 'scrypt'
      /** log2 of N. */
      readonly logN: number
      readonly r: number
      readonly p: number
      readonly salt: Buffer
      readonly hash: Buffer
    }
  | { readonly kind: 'bcrypt'; readonly cost: number; readonly text: string }

/** Bytes of a password beyond which bcrypt would cut it silently, so that it is refused. */
export const MAX_BCRYPT_BYTES = 72

const MAX_TEXT = 512
const MAX_SCRYPT_MEMORY = 128 * 1024 * 1024
/** Memory times p: bounds the time of one check as the limit on memory bounds its space. */
const MAX_SCRYPT_WORK = 4 * MAX_SCRYPT_MEMORY
const MAX_R = 32
const MAX_P = 16
const SALT_BYTES = { min: 8, max: 64 }
const HASH_BYTES = { min: 16, max: 64 }
const BCRYPT_COST = { min: 4, max: 14 }

const SCRYPT =
  /^\$scrypt\$ln=([1-9][0-9]?),r=([1-9][0-9]?),p=([1-9][0-9]?)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/
const BCRYPT = /^\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/
const BCRYPT_ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/**
 * Parses a scrypt hash in PHC form (`$scrypt$ln=15,r=8,p=1$SALT$HASH`, unpadded base64) or a bcrypt
 * hash (`$2a$`, `$2b$`, `$2y$`). Throws an Error that says what was wanted and never what was found.
 */
export function parsePasswordHash(text: string): PasswordHash {
  if (text.length <= MAX_TEXT) {
    if (text.startsWith('$scrypt$')) return parseScrypt(text)
    if (text.startsWith('$2')) return parseBcrypt(text)
  }
  throw new Error(
    'parse a password hash: wanted "$scrypt$ln=15,r=8,p=1$SALT$HASH" or bcrypt ("$2b$12$…")',
  )
}

function parseScrypt(text: string): PasswordHash {
  const [, ln = '', rText = '', pText = '', saltText = '', hashText = ''] = SCRYPT.exec(text) ?? []
  const salt = decodeUnpadded(saltText)
  const hash = decodeUnpadded(hashText)
  if (salt === undefined || hash === undefined) {
    throw new Error(
      'parse a scrypt hash: wanted "$scrypt$ln=15,r=8,p=1$SALT$HASH" with unpadded base64',
    )
  }
  const [logN, r, p] = [Number(ln), Number(rText), Number(pText)]
  checkScryptCost(logN, r, p)
  if (!isWithin(salt.length, SALT_BYTES) || !isWithin(hash.length, HASH_BYTES)) {
    throw new Error(
      'parse a scrypt hash: wanted a salt of 8 to 64 bytes and a hash of 16 to 64 bytes',
    )
  }
  return { kind: 'scrypt', logN, r, p, salt, hash }
}

function checkScryptCost(logN: number, r: number, p: number): void {
  const memory = 128 * 2 ** logN * r
  if (memory > MAX_SCRYPT_MEMORY) {
    throw new Error('parse a scrypt hash: wanted at most 128 MiB, which is 128 * 2^ln * r')
  }
  // RFC 7914 section 2: N < 2^(128 * r / 8), which matters for a very small r only.
  if (r > MAX_R || p > MAX_P || logN >= 16 * r || memory * p > MAX_SCRYPT_WORK) {
    throw new Error(
      'parse a scrypt hash: wanted ln below 16 * r, r up to 32, p up to 16 and 128 * 2^ln * r * p up to 512 MiB',
    )
  }
}

function parseBcrypt(text: string): PasswordHash {
  const [, costText = '', salt = '', hash = ''] = BCRYPT.exec(text) ?? []
  if (salt === '') {
    throw new Error('parse a bcrypt hash: wanted $2a$, $2b$ or $2y$, a cost and 53 characters')
  }
  const cost = Number(costText)
  if (!isWithin(cost, BCRYPT_COST)) throw new Error('parse a bcrypt hash: wanted a cost of 4 to 14')
  // Some programs set the bits that salt and hash leave unused; the check compares texts, so clear them.
  return { kind: 'bcrypt', cost, text: text.slice(0, 7) + clearBits(salt, 4) + clearBits(hash, 2) }
}

function clearBits(text: string, bits: number): string {
  const last = BCRYPT_ALPHABET.indexOf(text.slice(-1))
  return text.slice(0, -1) + BCRYPT_ALPHABET.charAt((last >> bits) << bits)
}

function decodeUnpadded(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return text !== '' && encodeUnpadded(bytes) === text ? bytes : undefined
}

function encodeUnpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

function isWithin(value: number, bounds: { readonly min: number; readonly max: number }): boolean {
  return bounds.min <= value && value <= bounds.max
}

/** Makes a scrypt hash in PHC form with r=8 and p=1; `ln=15` costs 32 MiB. Throws on control characters. */
export async function createScryptHash(
  password: string | Buffer,
  { logN = 15 }: { readonly logN?: number } = {},
  salt: Buffer = randomBytes(16),
): Promise<string> {
  const bytes = presentableBytes(password)
  checkScryptCost(logN, 8, 1)
  const hash = await deriveScrypt(bytes, { logN, r: 8, p: 1, salt, length: 32 })
  return `$scrypt$ln=${logN},r=8,p=1$${encodeUnpadded(salt)}$${encodeUnpadded(hash)}`
}

/** Makes a bcrypt hash (`$2b$`). Throws on control characters and on more than 72 bytes. */
export async function createBcryptHash(
  password: string | Buffer,
  { cost = 12 }: { readonly cost?: number } = {},
): Promise<string> {
  const bytes = presentableBytes(password)
  if (!isWithin(cost, BCRYPT_COST)) throw new Error('make a bcrypt hash: wanted a cost of 4 to 14')
  if (bytes.length > MAX_BCRYPT_BYTES) {
    throw new Error(
      'make a bcrypt hash: wanted a password of at most 72 bytes; scrypt has no such limit',
    )
  }
  return await runBcrypt({ kind: 'create', password: bytes.toString(), cost })
}

/** Basic cannot carry control characters, so that such a hash would never match anything. */
function presentableBytes(password: string | Buffer): Buffer {
  const bytes = Buffer.from(password)
  if (bytes.length === 0) throw new Error('hash a password: it is empty')
  if (!isUtf8(bytes) || bytes.some((byte) => byte < 0x20 || byte === 0x7f)) {
    throw new Error('hash a password: wanted UTF-8 without control characters')
  }
  return bytes
}

/** The SHA-256 of a text (as UTF-8) or of bytes, in lower-case hex: what follows `sha256:` in `key_hash`. */
export function sha256Hex(value: string | Buffer): string {
  return digestOnce('sha256', value, 'hex')
}

/**
 * Whether the password has the hash. Compares in constant time and runs off the event loop. Never
 * true for an empty password, for one with a NUL (scrypt takes `secret` and `secret\0` for the same, bcrypt repeats
 * what precedes it) nor, for bcrypt, for one of more than 72 bytes.
 */
export async function verifyPassword(
  hash: PasswordHash,
  password: string | Buffer,
): Promise<boolean> {
  const bytes = typeof password === 'string' ? Buffer.from(password) : password
  if (bytes.length === 0 || bytes.includes(0)) return false
  if (hash.kind === 'scrypt') {
    const found = await deriveScrypt(bytes, { ...hash, length: hash.hash.length })
    return timingSafeEqual(found, hash.hash)
  }
  if (bytes.length > MAX_BCRYPT_BYTES || !isUtf8(bytes)) return false
  return await runBcrypt({ kind: 'compare', password: bytes.toString(), hash: hash.text })
}

interface ScryptProfile {
  readonly logN: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
  readonly length: number
}

function deriveScrypt(password: Buffer, profile: ScryptProfile): Promise<Buffer> {
  const { logN, r, p, salt, length } = profile
  // OpenSSL counts its p blocks and scratch space too, and the default of 32 MiB refuses ln=15.
  const maxmem = 128 * r * (2 ** logN + p + 2) + 65_536
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, { N: 2 ** logN, r, p, maxmem }, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}
