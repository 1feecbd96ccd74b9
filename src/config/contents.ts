/**
 * What watched files hold at this moment: a hash of each file and listing, and the directories in
 * which a change of any of them would show. Reads without blocking: big files go to the hash in
 * pieces, a few files at a time, and what is no regular file is never waited for.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, readdir, readlink } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, parse, sep } from 'node:path'

const CHUNK_BYTES = 64 * 1024
const CONCURRENCY = 4
/** Linux gives up after as many. */
const MAX_LINKS = 40
/** The content of a file that is missing or cannot be read, and of a listing alike. */
const ABSENT = 'absent'
// A FIFO in the place of a file must not hold a thread of the pool until somebody writes to it.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK

/** One file or listing. */
export interface Content {
  /** SHA-256 in hex, or `absent`. */
  readonly hash: string
  /** The latest change of the file, of the links that lead to it and of a listing; 0: not known. */
  readonly changedMs: number
}

/** Everything that is watched, as read once. */
export interface Contents {
  /** By `file PATH` and `listing PATH`, with the paths as they were given. */
  readonly byPath: ReadonlyMap<string, Content>
  /** Directories in which a change would show, links resolved; the value changes with the inode. */
  readonly directories: ReadonlyMap<string, string>
  /** The files and links in those directories that matter. */
  readonly entries: ReadonlySet<string>
  /** Those of `directories` whose listing matters. */
  readonly listings: ReadonlySet<string>
}

interface Node {
  /** Where a symbolic link points to. */
  readonly link: string | undefined
  readonly changedMs: number
  /** Device and inode. */
  readonly id: string
}

interface Trail {
  /** The last path reached, links resolved. */
  readonly end: string
  readonly changedMs: number
}

/** Whether a file of a configuration directory is part of the configuration. */
export function isConfigName(name: string): boolean {
  return (name.endsWith('.yaml') || name.endsWith('.yml')) && !name.startsWith('.')
}

/** Reads all `files` and the listings of all `directories` once. Absolute paths. Never rejects. */
export async function readContents(
  files: readonly string[],
  directories: readonly string[],
): Promise<Contents> {
  const survey = new Survey()
  const byPath = new Map<string, Content>()
  const listings = new Set<string>()
  const jobs = [
    ...files.map((path) => async (chunk: Buffer) => {
      const { changedMs } = await survey.follow(path)
      byPath.set(`file ${path}`, { hash: await hashFile(path, chunk), changedMs })
    }),
    ...directories.map((path) => async () => {
      const { end, changedMs } = await survey.follow(path)
      await survey.add(end, undefined)
      listings.add(end)
      byPath.set(`listing ${path}`, { hash: await hashListing(path), changedMs })
    }),
  ]
  const queue = jobs.values()
  async function work(): Promise<void> {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    for (const job of queue) await job(chunk)
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  return { byPath, directories: survey.directories, entries: survey.entries, listings }
}

/** Collects the places that paths lead through; each is looked at once. */
class Survey {
  readonly directories = new Map<string, string>()
  readonly entries = new Set<string>()
  readonly #nodes = new Map<string, Promise<Node | undefined>>()

  /** Walks a path link by link, as the kernel would, and notes every directory that decides. */
  async follow(path: string): Promise<Trail> {
    const { root } = parse(path)
    const rest = path.slice(root.length).split(sep).reverse()
    let current = root
    let changedMs = 0
    let links = 0
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        current = dirname(current)
        continue
      }
      const next = join(current, name)
      const node = await this.#look(next)
      const isLast = rest.length === 0
      if (node === undefined || node.link !== undefined || isLast) await this.add(current, next)
      if (node === undefined) {
        const parent = await this.#look(current)
        return { end: next, changedMs: Math.max(changedMs, parent?.changedMs ?? 0) }
      }
      if (node.link !== undefined || isLast) changedMs = Math.max(changedMs, node.changedMs)
      if (node.link === undefined) {
        current = next
        continue
      }
      if (++links > MAX_LINKS) break
      if (isAbsolute(node.link)) current = root
      rest.push(...node.link.split(sep).reverse())
    }
    return { end: current, changedMs }
  }

  async add(directory: string, entry: string | undefined): Promise<void> {
    if (entry !== undefined) this.entries.add(entry)
    const node = await this.#look(directory)
    if (node !== undefined) this.directories.set(directory, node.id)
  }

  #look(path: string): Promise<Node | undefined> {
    let node = this.#nodes.get(path)
    if (node === undefined) {
      node = inspect(path)
      this.#nodes.set(path, node)
    }
    return node
  }
}

async function inspect(path: string): Promise<Node | undefined> {
  try {
    const stats = await lstat(path)
    return {
      link: stats.isSymbolicLink() ? await readlink(path) : undefined,
      changedMs: stats.ctimeMs,
      id: `${stats.dev}:${stats.ino}`,
    }
  } catch {
    return undefined
  }
}

async function hashFile(path: string, chunk: Buffer): Promise<string> {
  try {
    const handle = await open(path, OPEN_FLAGS)
    try {
      if (!(await handle.stat()).isFile()) return ABSENT
      const hash = createHash('sha256')
      for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, chunk.length, null)
        if (bytesRead === 0) return hash.digest('hex')
        hash.update(chunk.subarray(0, bytesRead))
      }
    } finally {
      await handle.close()
    }
  } catch {
    return ABSENT
  }
}

async function hashListing(path: string): Promise<string> {
  try {
    const names = (await readdir(path)).filter((name) => isConfigName(basename(name)))
    return createHash('sha256').update(names.sort().join('\0')).digest('hex')
  } catch {
    return ABSENT
  }
}
