/**
 * What every step after the schema needs: the tree for places and sources, the lists of problems and
 * warnings, and the files.
 */
import { isAbsolute, join, resolve } from 'node:path'
import { Secret } from '../secret.ts'
import type { FileReader, ReadResult } from './file-reader.ts'
import { showText, showValue } from './issues.ts'
import type { Place, ProblemList } from './problems.ts'
import { findNode } from './tree.ts'
import type { MapNode, Path, ScalarNode, TreeNode } from './tree.ts'

const DATE = /^\d{4}-\d\d?-\d\d?(?:[Tt ].*)?$/

/** A file that a setting names. */
export interface NamedFile {
  readonly absolutePath: string
  /** For people: as written, seen from where the configuration is. */
  readonly shown: string
}

export class ResolveContext {
  readonly root: MapNode
  readonly reader: FileReader
  readonly fingerprintKey: Buffer
  readonly nowMs: number
  readonly #problems: ProblemList
  readonly #warnings: ProblemList
  readonly #referred = new Map<string, Secret>()

  constructor(
    root: MapNode,
    reader: FileReader,
    problems: ProblemList,
    warnings: ProblemList,
    fingerprintKey: Buffer,
    nowMs: number,
  ) {
    this.root = root
    this.reader = reader
    this.fingerprintKey = fingerprintKey
    this.nowMs = nowMs
    this.#problems = problems
    this.#warnings = warnings
  }

  get problemCount(): number {
    return this.#problems.count
  }

  /** A problem with the value at `path`. */
  report(path: Path, problem: string): void {
    const found = findNode(this.root, path)
    this.#problems.addAt(found.node.place, found.label, problem)
  }

  /** A problem of the form `found …, wanted …`; the value is shown if it can be no secret. */
  reportFound(path: Path, wanted: string): void {
    const found = findNode(this.root, path)
    const text = `found ${showValue(found.node, path)}, ${wanted}`
    this.#problems.addAt(found.node.place, found.label, text)
  }

  /** The value at `path` for people; what came through a reference as it was written. */
  show(path: Path): string {
    return showValue(findNode(this.root, path).node, path)
  }

  /** Whether the value at `path` came through a reference, so that it may be a secret. */
  isReferred(path: Path): boolean {
    return this.scalarAt(path)?.source !== 'literal'
  }

  /** A problem with the key at `path`. */
  reportKey(path: Path, problem: string): void {
    const found = findNode(this.root, path)
    this.#problems.addAt(found.keyPlace ?? found.node.place, found.label, problem)
  }

  /** A problem in another file, such as a keys_file. */
  reportLine(file: string, line: number, problem: string): void {
    this.#problems.add({ file, line, column: line === 0 ? 0 : 1, path: '', problem })
  }

  /** A warning about the value at `path`. */
  warn(path: Path, problem: string): void {
    const found = findNode(this.root, path)
    this.#warnings.addAt(found.node.place, found.label, problem)
  }

  /** A warning about a file, such as a keys_file. */
  warnLine(file: string, line: number, problem: string): void {
    this.#warnings.add({ file, line, column: line === 0 ? 0 : 1, path: '', problem })
  }

  /** Where the value at `path` stands. */
  placeOf(path: Path): Place {
    return findNode(this.root, path).node.place
  }

  /** File and line of the value at `path`. */
  linePlaceOf(path: Path): { file: string; line: number } {
    const { file, offset } = this.placeOf(path)
    return { file: file.name, line: file.locate(offset).line }
  }

  /** `FILE:LINE` of the value at `path`. */
  describePlace(path: Path): string {
    const { file, line } = this.linePlaceOf(path)
    return `${file}:${line}`
  }

  /** Whether the file says something at `path`. */
  has(path: Path): boolean {
    return findNode(this.root, path).isWhole
  }

  /** The scalar at `path`. */
  scalarAt(path: Path): ScalarNode | undefined {
    const { node, isWhole } = findNode(this.root, path)
    return isWhole && node.kind === 'scalar' ? node : undefined
  }

  /** The text at `path` as written: `007`, not 7. */
  verbatimAt(path: Path): string {
    const node = this.scalarAt(path)
    if (node === undefined) return ''
    return typeof node.value === 'string' ? node.value : node.written
  }

  /** The secret at `path`, with its source. */
  secretAt(path: Path): Secret {
    const node = this.scalarAt(path)
    const value = typeof node?.value === 'string' ? node.value : ''
    if (node?.isPlain === true && DATE.test(node.written)) {
      this.report(
        path,
        'programs that read YAML 1.1 take this for a date, wanted a string: quote it',
      )
    }
    return new Secret(value, node?.source ?? 'literal')
  }

  /**
   * Marks what references gave to the value at `path`, or below it, as secret. What is written out
   * there is not: a setting such as `extra_fields` holds both.
   */
  markReferred(path: Path): void {
    const { node, isWhole } = findNode(this.root, path)
    if (isWhole) this.#markNode(node)
  }

  #markNode(node: TreeNode): void {
    if (node.kind === 'scalar') {
      for (const value of node.referred) this.#referred.set(value, new Secret(value, node.source))
    } else if (node.kind === 'list') {
      for (const item of node.items) this.#markNode(item.node)
    } else {
      for (const entry of node.entries.values()) this.#markNode(entry.node)
    }
  }

  /** What has been marked, each value once. */
  get referredSecrets(): readonly Secret[] {
    return [...this.#referred.values()]
  }

  /** The file that the value at `path` names; relative paths count from the folder of its file. */
  fileAt(path: Path, value: string): NamedFile {
    const { file } = this.placeOf(path)
    const absolutePath = resolve(file.directory, value)
    const folder = join(file.name, '..')
    return { absolutePath, shown: isAbsolute(value) ? value : join(folder, value) }
  }

  /** The text of a key in the place of its path is not shown; base64 has no dot. */
  #showFile(path: Path): string {
    const written = this.scalarAt(path)?.written ?? ''
    const isKey = /^(?:private_)?key$/.test(String(path.at(-1)))
    return isKey && !/^.{0,200}\.[a-z]{1,10}$/i.test(written)
      ? 'the file'
      : `the file ${showText(written)}`
  }

  /** Reads the file that the value at `path` names; `undefined` when it cannot, which is reported. */
  readFileAt(
    path: Path,
    value: string,
  ): { text: string; file: NamedFile; isOpen: boolean } | undefined {
    const file = this.fileAt(path, value)
    const result: ReadResult = this.reader.readText(file.absolutePath)
    if ('problem' in result) {
      this.report(path, `cannot read ${this.#showFile(path)}: ${result.problem}`)
      return undefined
    }
    return { text: result.text, file, isOpen: result.isOpenToOthers }
  }
}
