/**
 * The configuration as a tree that remembers places: what YAML said, with references resolved. zod
 * sees its plain values (`toPlain`); every problem finds its line through it.
 */
import type { Place } from './problems.ts'

/** Keys and indexes from the root. */
export type Path = readonly (string | number)[]

export type TreeNode = MapNode | ListNode | ScalarNode

export interface MapNode {
  readonly kind: 'map'
  readonly place: Place
  readonly entries: Map<string, MapEntry>
  /** Values in it, itself included, aliases written out. */
  readonly size: number
}

export interface MapEntry {
  readonly keyPlace: Place
  readonly node: TreeNode
}

export interface ListNode {
  readonly kind: 'list'
  readonly place: Place
  readonly items: readonly ListItem[]
  readonly size: number
}

export interface ListItem {
  readonly node: TreeNode
  /** Its index in the file it stands in: lists of several files are joined. */
  readonly index: number
}

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly place: Place
  readonly value: string | number | boolean | null
  /** The text as it stands in the file: `007` where `value` is 7. */
  readonly written: string
  /** Neither quoted nor a block. */
  readonly isPlain: boolean
  /** `env:NAME`, `file:PATH`, several joined by `+`, or `literal`. */
  readonly source: string
  /** What each reference in it gave. */
  readonly referred: readonly string[]
  readonly size: 1
  /** A reference in it could not be resolved, which has been reported. */
  readonly isFaulty: boolean
}

/** What a path leads to. */
export interface Found {
  /** The node, or the deepest one on the way to it. */
  readonly node: TreeNode
  /** Where the key of `node` stands; `undefined` in lists and at the root. */
  readonly keyPlace: Place | undefined
  /** Whether the whole path exists. */
  readonly isWhole: boolean
  /** Whether something on the way was reported already. */
  readonly isFaulty: boolean
  /** The path for people: `channels.0.security`, indexes as in the file. */
  readonly label: string
}

/** Follows a path as far as it goes. */
export function findNode(root: TreeNode, path: Path): Found {
  let node = root
  let keyPlace: Place | undefined
  let isWhole = true
  const label: (string | number)[] = []
  for (const step of path) {
    const next = isWhole ? findChild(node, step) : undefined
    label.push(next?.index ?? step)
    if (next === undefined) {
      isWhole = false
      continue
    }
    node = next.node
    keyPlace = next.keyPlace
  }
  const isFaulty = node.kind === 'scalar' && node.isFaulty
  return { node, keyPlace, isWhole, isFaulty, label: label.join('.') }
}

function findChild(
  node: TreeNode,
  step: string | number,
): { node: TreeNode; keyPlace?: Place; index?: number } | undefined {
  if (node.kind === 'map') return node.entries.get(String(step))
  return node.kind === 'list' && typeof step === 'number' ? node.items[step] : undefined
}

/** The values alone, for the schema. */
export function toPlain(node: TreeNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map((item) => toPlain(item.node))
  // `fromEntries` makes `__proto__` a key like any other.
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toPlain(entry.node)]))
}
