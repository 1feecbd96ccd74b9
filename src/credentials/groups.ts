/**
 * The files that hold many callers, one a line: `NAME sha256:HEX` (keys_file) and `USER:bcrypt`
 * (htpasswd_file). Blank lines, `#` comments, CRLF and a byte order mark are fine. A problem never
 * repeats what stands on a faulty line: it may be a key or a password in the wrong place.
 */
import { parsePasswordHash } from './hash.ts'
import type { PasswordHash } from './hash.ts'

/** A caller of a keys_file; `digest` is the SHA-256 of the key (32 bytes). */
export interface KeysFileEntry {
  readonly name: string
  readonly digest: Buffer
  /** 1-based. */
  readonly line: number
}

/** A caller of an htpasswd_file; the username is the name of the definition too. */
export interface HtpasswdFileEntry {
  readonly username: string
  readonly hash: PasswordHash
  /** 1-based. */
  readonly line: number
}

/** What is wrong with a line, without anything of its secret. */
export interface FileFault {
  /** 1-based. */
  readonly line: number
  readonly problem: string
}

/** What a file of callers holds: the good lines and what is wrong with the others. */
export interface FileResult<E> {
  readonly entries: E[]
  readonly faults: FileFault[]
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const NAME_WANTED = '1 to 128 of A-Za-z0-9._-, starting with a letter or digit'
const KEYS_LINE = /^[ \t]*([A-Za-z0-9][A-Za-z0-9._-]{0,127})[ \t]+sha256:([0-9A-Fa-f]{64})[ \t]*$/
const BCRYPT = /^\$2[aby]\$/
const BCRYPT_WANTED = 'make a bcrypt one with `htpasswd -B`'

/** Reads lines `NAME sha256:HEX`; never throws, faulty lines are told in `faults`. */
export function parseKeysFile(text: string): FileResult<KeysFileEntry> {
  const entries: KeysFileEntry[] = []
  const faults: FileFault[] = []
  const firstLines = new Map<string, number>()
  forEachLine(text, (content, line) => {
    const match = KEYS_LINE.exec(content)
    const name = match?.[1]
    const hex = match?.[2]
    if (name === undefined || hex === undefined) {
      faults.push({ line, problem: describeKeysFault(content.trim()) })
      return
    }
    const firstLine = firstLines.get(name)
    if (firstLine !== undefined) {
      faults.push({ line, problem: `the name "${name}" stands on line ${firstLine} already` })
      return
    }
    firstLines.set(name, line)
    entries.push({ name, digest: Buffer.from(hex, 'hex'), line })
  })
  return { entries, faults }
}

/** Reads lines `USER:bcrypt`; never throws, faulty lines are told in `faults`. */
export function parseHtpasswdFile(text: string): FileResult<HtpasswdFileEntry> {
  const entries: HtpasswdFileEntry[] = []
  const faults: FileFault[] = []
  const firstLines = new Map<string, number>()
  forEachLine(text, (content, line) => {
    const trimmed = content.trim()
    const colon = trimmed.indexOf(':')
    const username = trimmed.slice(0, colon)
    const stored = trimmed.slice(colon + 1)
    const fault = describeHtpasswdFault(colon, username, stored)
    if (fault !== undefined) {
      faults.push({ line, problem: fault })
      return
    }
    const firstLine = firstLines.get(username)
    if (firstLine !== undefined) {
      faults.push({ line, problem: `the user "${username}" stands on line ${firstLine} already` })
      return
    }
    try {
      entries.push({ username, hash: parsePasswordHash(stored), line })
      firstLines.set(username, line)
    } catch (error) {
      faults.push({ line, problem: error instanceof Error ? error.message : 'not a bcrypt hash' })
    }
  })
  return { entries, faults }
}

/** Calls `take` with each line that is neither blank nor a comment. */
function forEachLine(text: string, take: (content: string, line: number) => void): void {
  let start = text.startsWith('\uFEFF') ? 1 : 0
  for (let line = 1; start < text.length; line++) {
    const feed = text.indexOf('\n', start)
    const next = feed === -1 ? text.length : feed
    const end = text.charCodeAt(next - 1) === 13 && next > start ? next - 1 : next
    const content = text.slice(start, end)
    const first = content.trimStart().charCodeAt(0)
    // NaN: nothing but space on the line.
    if (!Number.isNaN(first) && first !== 0x23) take(content, line)
    start = next + 1
  }
}

function describeKeysFault(content: string): string {
  const fields = content.split(/[ \t]+/, 3)
  const [name, digest] = fields
  if (name === undefined || digest === undefined) {
    return 'found a single word, wanted NAME sha256:HEX'
  }
  if (fields.length > 2) return 'found more than two words, wanted NAME sha256:HEX'
  if (name.startsWith('sha256:')) return 'found the hash first, wanted NAME sha256:HEX'
  if (!NAME.test(name)) return `the first word is not a name, wanted ${NAME_WANTED}`
  if (!digest.startsWith('sha256:')) {
    return 'the second word is not a hash of a key, wanted sha256:HEX, as `sidegate hash --sha256` prints it'
  }
  const hex = digest.slice('sha256:'.length)
  if (hex.length !== 64)
    return `found ${hex.length} characters after "sha256:", wanted 64 hex digits`
  return 'found a character after "sha256:" that is no hex digit, wanted 64 hex digits'
}

/** Why a line cannot be taken, and what to do about it; `undefined` for one that may be good. */
function describeHtpasswdFault(
  colon: number,
  username: string,
  stored: string,
): string | undefined {
  if (colon === -1) return 'found no colon, wanted USER:HASH as `htpasswd -B` writes it'
  if (!NAME.test(username)) {
    return `the part before the colon is not a name, wanted ${NAME_WANTED}`
  }
  if (BCRYPT.test(stored)) return undefined
  if (stored === '') return `found no hash after the colon, ${BCRYPT_WANTED}`
  if (stored.startsWith('$apr1$')) return `apr1 is MD5 and weak, ${BCRYPT_WANTED}`
  if (stored.startsWith('$1$')) return `md5-crypt is weak, ${BCRYPT_WANTED}`
  if (/^\{S?SHA\}/i.test(stored)) return `{SHA} is a fast hash and weak, ${BCRYPT_WANTED}`
  if (/^\$[56]\$/.test(stored)) return `sha-crypt is not supported, ${BCRYPT_WANTED}`
  if (stored.startsWith('$scrypt$')) {
    return `scrypt belongs into password_hash of a definition, here ${BCRYPT_WANTED}`
  }
  if (/^[./0-9A-Za-z]{13}$/.test(stored)) {
    return `found what looks like crypt, which sees only 8 characters and is weak, ${BCRYPT_WANTED}`
  }
  return `the part after the colon is not a bcrypt hash ($2a$, $2b$ or $2y$), ${BCRYPT_WANTED}`
}
