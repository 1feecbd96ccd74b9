/**
 * Several files become one tree: the lists `security`, `groups`, `channels` and `outgoing` are joined,
 * maps merge key by key, and a setting that is given twice is an error that names both places.
 */
import type { Place, ProblemList } from './problems.ts'
import type { MapEntry, MapNode, TreeNode } from './tree.ts'

const JOINED = new Set(['security', 'groups', 'channels', 'outgoing'])

/** The tree of all files; `undefined` for none. */
export function mergeTrees(roots: readonly MapNode[], problems: ProblemList): MapNode | undefined {
  const [first, ...others] = roots
  if (first === undefined) return undefined
  return others.reduce((merged, root) => mergeMaps(merged, root, '', problems), first)
}

function mergeMaps(a: MapNode, b: MapNode, label: string, problems: ProblemList): MapNode {
  const entries = new Map(a.entries)
  for (const [key, entry] of b.entries) {
    const earlier = entries.get(key)
    const childLabel = label === '' ? key : `${label}.${key}`
    const isTop = label === ''
    entries.set(
      key,
      earlier === undefined ? entry : mergeEntries(earlier, entry, childLabel, isTop, problems),
    )
  }
  return { ...a, entries, size: a.size + b.size }
}

function mergeEntries(
  a: MapEntry,
  b: MapEntry,
  label: string,
  isTop: boolean,
  problems: ProblemList,
): MapEntry {
  const node = mergeNodes(a.node, b.node, label, isTop, problems)
  if (node === undefined) {
    problems.addAt(b.keyPlace, label, `given twice, the first time in ${describe(a.keyPlace)}`)
    return a
  }
  return { keyPlace: a.keyPlace, node }
}

function mergeNodes(
  a: TreeNode,
  b: TreeNode,
  label: string,
  isTop: boolean,
  problems: ProblemList,
): TreeNode | undefined {
  if (a.kind === 'map' && b.kind === 'map') return mergeMaps(a, b, label, problems)
  if (a.kind === 'list' && b.kind === 'list' && isTop && JOINED.has(label)) {
    return { ...a, items: [...a.items, ...b.items], size: a.size + b.size }
  }
  return undefined
}

/** `FILE:LINE` of a place. */
export function describe(place: Place): string {
  return place.offset < 0
    ? place.file.name
    : `${place.file.name}:${place.file.locate(place.offset).line}`
}
