/**
 * Enmasse files with what they include: sections of items, whatever version of Zato wrote them. A file
 * of another kind, a circle of includes and items that are none end the import.
 */
import { dirname, resolve } from 'node:path'
import { CommandError } from '../../command.ts'
import { readText } from '../read-text.ts'
import { readYaml } from '../read-yaml.ts'
import { failAt, type SourceMap, type SourceNode, type SourcePlace } from '../source-node.ts'

/** Largest sum of all files: far beyond what any server holds. */
const MAX_BYTES = 4 * 1024 * 1024
const TOO_BIG = 'which is more than any enmasse export: a file of another kind?'
const MAX_FILES = 1000

/** Sections that are imported, with what older versions called them. */
const sectionNames: Readonly<Record<string, SectionName>> = {
  security: 'security',
  def_sec: 'security',
  groups: 'groups',
  security_groups: 'groups',
  channel_rest: 'channel_rest',
  channel_plain_http: 'channel_rest',
  channel_soap: 'channel_soap',
  outgoing_rest: 'outgoing_rest',
  outconn_plain_http: 'outgoing_rest',
  quota_tier: 'quota_tier',
}

export type SectionName =
  'security' | 'groups' | 'channel_rest' | 'channel_soap' | 'outgoing_rest' | 'quota_tier'

/** One item, and what its section is called in the file. */
export interface SourceItem {
  readonly section: string
  readonly map: SourceMap
}

/** What the files hold. */
export interface Enmasse {
  readonly sections: Readonly<Record<SectionName, readonly SourceItem[]>>
  /** Items of sections that are not imported. */
  readonly others: readonly SourceItem[]
  readonly fileCount: number
}

interface Reading {
  readonly known: Record<SectionName, SourceItem[]>
  readonly others: SourceItem[]
  readonly read: Set<string>
  readonly open: string[]
  bytes: number
}

/** Reads the files and what they include. Throws `CommandError`. */
export function readEnmasse(paths: readonly string[]): Enmasse {
  const known = {
    security: [],
    groups: [],
    channel_rest: [],
    channel_soap: [],
    outgoing_rest: [],
    quota_tier: [],
  }
  const reading: Reading = { known, others: [], read: new Set(), open: [], bytes: 0 }
  for (const path of paths) readFile(path, undefined, reading)
  return { sections: known, others: reading.others, fileCount: reading.read.size }
}

function readFile(path: string, includedAt: SourcePlace | undefined, reading: Reading): void {
  const absolute = resolve(path)
  if (reading.open.includes(absolute) && includedAt !== undefined) {
    failAt(includedAt, `"${path}" includes itself, through other files perhaps`)
  }
  // Two files may include a third: its items are there once.
  if (reading.read.has(absolute)) return
  reading.read.add(absolute)
  if (reading.read.size > MAX_FILES) throw new CommandError(`more than ${MAX_FILES} files`)
  const text = readText(path, MAX_BYTES - reading.bytes, TOO_BIG)
  reading.bytes += Buffer.byteLength(text)
  const root = readYaml(path, text)
  if (root === undefined) throw new CommandError(`${path}: the file is empty`)
  if (root.kind !== 'map') {
    const found = root.kind === 'list' ? 'a list' : 'a single value'
    failAt(root.place, `found ${found}, wanted an enmasse file of Zato`)
  }
  checkKind(root)
  reading.open.push(absolute)
  for (const [section, node] of root.entries) readSection(section, node, path, reading)
  reading.open.pop()
}

/** Refuses what is certainly no enmasse file, before it is half understood. */
function checkKind(root: SourceMap): void {
  const keys = [...root.entries.keys()]
  if (keys.some((key) => ['inbound', 'egress', 'channels', 'outgoing'].includes(key))) {
    failAt(root.place, 'this is a configuration of Sidegate, wanted an enmasse file of Zato')
  }
  const isEnmasse = keys.some(
    (key) =>
      key === 'include' ||
      Object.hasOwn(sectionNames, key) ||
      /^(?:channel|outgoing|outconn|def|notif|email|cache|sql|scheduler|pubsub)_?/.test(key),
  )
  if (isEnmasse) return
  const wanted = 'security, groups, channel_rest, outgoing_rest or include'
  failAt(root.place, `without any section of an enmasse file, wanted ${wanted}`)
}

function readSection(section: string, node: SourceNode, path: string, reading: Reading): void {
  if (section === 'include') {
    readIncludes(node, path, reading)
    return
  }
  const name = Object.hasOwn(sectionNames, section) ? sectionNames[section] : undefined
  if (node.kind === 'scalar' && node.value === null) return
  if (node.kind !== 'list') {
    if (name !== undefined) failAt(node.place, `"${section}" is no list`)
    return
  }
  for (const item of node.items) {
    if (item.kind === 'map') {
      const target = name === undefined ? reading.others : reading.known[name]
      target.push({ section, map: item })
    } else if (name !== undefined) {
      failAt(item.place, `an item of "${section}" is no map`)
    }
  }
}

function readIncludes(node: SourceNode, path: string, reading: Reading): void {
  const items = node.kind === 'list' ? node.items : [node]
  for (const item of items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') {
      failAt(item.place, 'wanted the path of a file to include')
    }
    readFile(resolveBeside(path, item.value), item.place, reading)
  }
}

/** Relative to the including file, and relative where that is. */
function resolveBeside(path: string, included: string): string {
  if (included.startsWith('/')) return included
  const folder = dirname(path)
  return folder === '.' ? included : `${folder}/${included}`
}
