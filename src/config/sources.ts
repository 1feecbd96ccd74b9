/**
 * The files of a configuration: given one by one or as folders, read and parsed.
 */
import { join, dirname, resolve } from 'node:path'
import { createSourceFile, parseDocument } from './document.ts'
import type { DocumentContext } from './document.ts'
import type { SourceFile } from './problems.ts'
import type { MapNode, TreeNode } from './tree.ts'

/** A configuration file that could be parsed. */
export interface Source {
  readonly file: SourceFile
  readonly root: MapNode
  /** Whether users other than the owner and the group can read it. */
  readonly isOpenToOthers: boolean
}

/** What was found under the paths of `--config`. */
export interface Sources {
  readonly sources: readonly Source[]
  /** Names of all files, in the order in which they are read. */
  readonly order: readonly string[]
  /** Whether a file is missing from `sources`, which has been reported. */
  readonly isPartial: boolean
}

/** Reads and parses everything under `paths`. */
export function readSources(paths: readonly string[], context: DocumentContext): Sources {
  const { reader, problems } = context
  const names = new Map<string, string>()
  let isPartial = false
  const refuse = (file: string, problem: string): void => {
    problems.add({ file, line: 0, column: 0, path: '', problem })
    isPartial = true
  }
  for (const path of paths) {
    const absolutePath = resolve(path)
    const isFolder = reader.isDirectory(absolutePath)
    const listed = isFolder ? reader.list(absolutePath) : { names: undefined }
    if ('problem' in listed) {
      refuse(path, `cannot read the folder: ${listed.problem}`)
    } else if (listed.names?.length === 0) {
      refuse(path, 'no *.yaml and no *.yml in this folder, wanted at least one')
    }
    const found = 'names' in listed ? listed.names : []
    for (const name of found?.map((each) => join(path, each)) ?? [path]) {
      if (names.has(resolve(name))) refuse(name, 'given twice')
      else names.set(resolve(name), name)
    }
  }
  const sources: Source[] = []
  for (const [absolutePath, name] of names) {
    const result = reader.readText(absolutePath)
    if ('problem' in result) {
      refuse(name, describeReadFault(name, result.problem))
      continue
    }
    const { file, lines } = createSourceFile(name, absolutePath, dirname(absolutePath))
    const root = parseDocument(result.text, file, lines, context)
    if (root === undefined) isPartial = true
    else sources.push({ file, root, isOpenToOthers: result.isOpenToOthers })
  }
  return { sources, order: [...names.values()], isPartial }
}

function describeReadFault(name: string, problem: string): string {
  if (problem !== 'no such file') return `cannot read the configuration: ${problem}`
  return `no such file, wanted a configuration; \`sidegate init\` writes one${name === 'sidegate.yaml' ? '' : ' as sidegate.yaml'}`
}

const SECRETS = new Set(['password', 'key'])

/** The first secret that stands in a file itself: a password or key that is no reference. */
export function findLiteralSecret(root: MapNode): TreeNode | undefined {
  const security = root.entries.get('security')?.node
  return security === undefined ? undefined : findLiteral(security, '')
}

function findLiteral(node: TreeNode, key: string): TreeNode | undefined {
  if (node.kind === 'scalar') {
    const isSecret = SECRETS.has(key) && typeof node.value === 'string'
    return isSecret && node.source === 'literal' ? node : undefined
  }
  const children =
    node.kind === 'list'
      ? node.items.map((item) => [key, item.node] as const)
      : [...node.entries].map(
          ([name, entry]) => [key === 'secrets' ? 'key' : name, entry.node] as const,
        )
  for (const [name, child] of children) {
    // `tls.key` is the path of a file.
    const found = name === 'tls' ? undefined : findLiteral(child, name)
    if (found !== undefined) return found
  }
  return undefined
}
