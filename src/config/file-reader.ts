/**
 * Reads the files of a configuration, each once, and says in plain words why one cannot be read:
 * missing, not permitted, a FIFO, a device, a folder, too big, not UTF-8. Synchronous: a load runs
 * in a thread of its own. What was read, and what should have been, is remembered for the watcher
 * and for the content hash.
 */
import { createHmac } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isConfigName } from './contents.ts'

const MAX_FILE_BYTES = 64 * 1024 * 1024
const MAX_SECRET_BYTES = 1024 * 1024
const OTHERS_READ = 0o004
const OTHERS_PASS = 0o001

/** The text of a file, or what is wrong with it. */
export type ReadResult =
  { readonly text: string; readonly isOpenToOthers: boolean } | { readonly problem: string }

/** The names in a folder of configuration, or what is wrong with it. */
export type ListResult = { readonly names: readonly string[] } | { readonly problem: string }

export class FileReader {
  readonly #env: NodeJS.ProcessEnv
  readonly #results = new Map<string, ReadResult>()
  readonly #directories = new Set<string>()
  readonly #usedVariables = new Map<string, string | undefined>()
  readonly #hash

  constructor(env: NodeJS.ProcessEnv, fingerprintKey: Buffer) {
    this.#env = env
    this.#hash = createHmac('sha256', fingerprintKey)
  }

  /** Absolute paths of all files asked for, those that do not exist too. */
  get files(): readonly string[] {
    return [...this.#results.keys()]
  }

  /** Absolute paths of all folders listed. */
  get directories(): readonly string[] {
    return [...this.#directories]
  }

  /** Over all bytes, listings and variables that were used. Ends the reading. */
  digest(): string {
    for (const [name, value] of this.#usedVariables) {
      this.#update(`env ${name}`, value ?? '')
    }
    return this.#hash.digest('hex')
  }

  /** A variable of the environment. */
  readVariable(name: string): string | undefined {
    const value = this.#env[name]
    this.#usedVariables.set(name, value)
    return value
  }

  /** The text of a file, without a byte order mark. */
  readText(path: string): ReadResult {
    return this.#read(path, MAX_FILE_BYTES)
  }

  /** The text of a small file. */
  readSecretText(path: string): ReadResult {
    return this.#read(path, MAX_SECRET_BYTES)
  }

  /** Whether the path is a folder: then it is listed. */
  isDirectory(path: string): boolean {
    try {
      return statSync(path).isDirectory()
    } catch {
      return false
    }
  }

  /** The configuration files in a folder, in name order. */
  list(path: string): ListResult {
    this.#directories.add(path)
    try {
      const names = readdirSync(path).filter(isConfigName).sort()
      this.#update(`list ${path}`, names.join('\0'))
      return { names }
    } catch (error) {
      return { problem: describeFault(error, 'folder') }
    }
  }

  #read(path: string, maxBytes: number): ReadResult {
    const known = this.#results.get(path)
    if (known !== undefined) return known
    const result = readWhole(path, maxBytes)
    const isRead = 'text' in result
    this.#update(`file ${path}`, isRead ? result.text : result.problem)
    this.#results.set(path, result)
    return result
  }

  /** Length first, so that no two lists of contents hash alike. */
  #update(name: string, content: string): void {
    this.#hash.update(`${name.length}:${content.length}:${name}${content}`)
  }
}

function readWhole(path: string, maxBytes: number): ReadResult {
  try {
    const kind = describeKind(statSync(path))
    if (kind !== undefined) return { problem: `${kind}, wanted a file` }
    // Not blocking: somebody may put a FIFO there between the two calls.
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = fstatSync(descriptor)
      if (!stats.isFile()) return { problem: 'not a regular file, wanted a file' }
      const bytes = readBytes(descriptor, stats.size, maxBytes)
      if (bytes === undefined) {
        return { problem: `more than ${maxBytes / 1024 / 1024} MiB, which is too big` }
      }
      return decode(bytes, isOpenToOthers(path, stats))
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    return { problem: describeFault(error, 'file') }
  }
}

/** To the end, wherever it is: files of procfs say that they are empty. */
function readBytes(descriptor: number, size: number, maxBytes: number): Buffer | undefined {
  if (size > maxBytes) return undefined
  const chunks: Buffer[] = []
  let total = 0
  for (;;) {
    const chunk = Buffer.allocUnsafe(Math.max(4096, size - total + 1))
    const count = readSync(descriptor, chunk, 0, chunk.length, null)
    if (count === 0) return Buffer.concat(chunks)
    total += count
    if (total > maxBytes) return undefined
    chunks.push(chunk.subarray(0, count))
  }
}

function decode(bytes: Buffer, isOpenToOthers: boolean): ReadResult {
  const encoding = findForeignEncoding(bytes)
  if (encoding !== undefined) {
    return {
      problem: `saved as ${encoding}, wanted UTF-8 (PowerShell: Out-File -Encoding utf8, Notepad: Save as, Encoding UTF-8)`,
    }
  }
  try {
    // Drops the byte order mark of UTF-8.
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), isOpenToOthers }
  } catch {
    return { problem: `not UTF-8 text${findBadByte(bytes)}, wanted UTF-8` }
  }
}

function findForeignEncoding(bytes: Buffer): string | undefined {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return 'UTF-16 (little endian)'
  if (first === 0xfe && second === 0xff) return 'UTF-16 (big endian)'
  // Without a mark: YAML and secrets begin with ASCII, whose other half is zero.
  if (first !== undefined && first !== 0 && second === 0) return 'UTF-16 (little endian)'
  if (first === 0 && second !== undefined && second !== 0) return 'UTF-16 (big endian)'
  return undefined
}

/** The line of the first byte that is not UTF-8; looked for only when there is one. */
function findBadByte(bytes: Buffer): string {
  let line = 1
  let start = 0
  while (start < bytes.length) {
    const feed = bytes.indexOf(10, start)
    const end = feed === -1 ? bytes.length : feed
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start, end))
    } catch {
      return ` (line ${line})`
    }
    start = end + 1
    line++
  }
  return ''
}

/** Whether users other than the owner and the group can reach and read the file. */
function isOpenToOthers(path: string, stats: Stats): boolean {
  if (process.platform === 'win32' || (stats.mode & OTHERS_READ) === 0) return false
  let directory = dirname(resolve(path))
  for (;;) {
    if ((statSync(directory).mode & OTHERS_PASS) === 0) return false
    const parent = dirname(directory)
    if (parent === directory) return true
    directory = parent
  }
}

function describeKind(stats: Stats): string | undefined {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a named pipe (FIFO)'
  if (stats.isSocket()) return 'a socket'
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'a device'
  return undefined
}

function describeFault(error: unknown, what: 'file' | 'folder'): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  if (code === 'ENOENT') return `no such ${what}`
  if (code === 'ENOTDIR') return 'a part of its path is a file, not a folder'
  if (code === 'ELOOP') return 'its symbolic links lead in a circle'
  if (code === 'EACCES' || code === 'EPERM') {
    const uid = process.getuid?.()
    const who = uid === undefined ? 'this user' : `uid ${uid}`
    return `${who} may not read this ${what}, nor perhaps enter the folders above it`
  }
  return `the ${what} cannot be read (${code})`
}
