/**
 * Recognises files that are a mount of their own: a single-file bind mount (compose) or a `subPath`
 * (Kubernetes). Such a mount is bound to one inode: a file that is renamed into its place outside is
 * never seen inside, so a reload can never come. Linux only; elsewhere nothing is found.
 */
import { readFile, realpath } from 'node:fs/promises'

/** One line of `/proc/self/mountinfo`, as far as it matters. */
export interface Mount {
  /** Absolute, in this mount namespace. */
  readonly mountPoint: string
  /** The path within the file system that is mounted. */
  readonly root: string
}

/** A file whose content cannot be replaced while it is mounted, and why. */
export interface FrozenFile {
  readonly file: string
  readonly reason: string
}

const MOUNTINFO = '/proc/self/mountinfo'
const DELETED = '//deleted'
const CURE = 'mount its directory instead, without subPath'

/** Reads mountinfo (proc(5)): spaces, tabs, line feeds and backslashes are octal escapes there. */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = []
  for (const line of text.split('\n')) {
    const [, , , root, mountPoint] = line.split(' ', 5)
    if (root === undefined || mountPoint === undefined) continue
    mounts.push({ mountPoint: unescape(mountPoint), root: unescape(root) })
  }
  return mounts
}

/** Those of `files` that are a mount of their own, links resolved; never rejects. */
export async function findFrozenFiles(files: readonly string[]): Promise<FrozenFile[]> {
  const mounts = await readMounts()
  const frozen: FrozenFile[] = []
  if (mounts.size === 0) return frozen
  for (const file of files) {
    const path = await resolveLinks(file)
    const mount = path === undefined ? undefined : mounts.get(path)
    if (mount !== undefined) frozen.push({ file, reason: describeMount(mount) })
  }
  return frozen
}

async function readMounts(): Promise<ReadonlyMap<string, Mount>> {
  try {
    const text = await readFile(MOUNTINFO, 'utf8')
    // Of several mounts on one place the last is on top, and the last in the file.
    return new Map(parseMountinfo(text).map((mount) => [mount.mountPoint, mount]))
  } catch {
    return new Map()
  }
}

async function resolveLinks(file: string): Promise<string | undefined> {
  try {
    return await realpath(file)
  } catch {
    return undefined
  }
}

function describeMount({ root }: Mount): string {
  const what = 'the file is a mount of its own (single-file bind mount or subPath)'
  return root.endsWith(DELETED)
    ? `${what}, and what it shows has been deleted or replaced outside already; ${CURE}`
    : `${what}, and a file that replaces it outside is never seen here; ${CURE}`
}

function unescape(field: string): string {
  if (!field.includes('\\')) return field
  // The kernel escapes bytes, and only ASCII ones.
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
