/**
 * One YAML file becomes a tree of places and values. Whatever YAML lets pass and people regret is an
 * error here: unknown tags, duplicate keys, several documents, exploding aliases. Messages are ours,
 * for the parser's quote the source, in which secrets stand.
 */
import { Composer, LineCounter, Parser, isAlias, isCollection, isMap, isScalar, isSeq } from 'yaml'
import type { Alias, CST, Document, Node, Pair, ParsedNode, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import type { FileReader } from './file-reader.ts'
import type { Place, ProblemList, SourceFile } from './problems.ts'
import { resolveReferences } from './references.ts'
import type { ListItem, MapEntry, MapNode, ScalarNode, TreeNode } from './tree.ts'
import { describeYamlFault } from './yaml-faults.ts'

const MAX_DEPTH = 64
/** Values that aliases may stand for; a configuration written by hand has a few dozen. */
const MAX_ALIASED_VALUES = 10_000
const MAX_WARNINGS = 100
const SECTIONS = 'inbound, egress, admin, security, groups, channels, outgoing, log or shutdown'

/** What parsing needs besides the text. */
export interface DocumentContext {
  readonly reader: FileReader
  readonly problems: ProblemList
  /** Told of a file behind `${file:…}` that other users can read. */
  readonly onOpenFile: (place: Place, label: string, path: string) => void
}

/** A file name and its folder, with the way from offsets to lines. */
export function createSourceFile(
  name: string,
  absolutePath: string,
  directory: string,
): { file: SourceFile; lines: LineCounter } {
  const lines = new LineCounter()
  const locate = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  return { file: { name, absolutePath, directory, locate }, lines }
}

/** Parses a file; `undefined` when there is nothing to go on with, which has been reported. */
export function parseDocument(
  text: string,
  file: SourceFile,
  lines: LineCounter,
  context: DocumentContext,
): MapNode | undefined {
  const { problems } = context
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  const deep = findDeepToken(tokens)
  if (deep !== undefined) {
    // The composer recurses: deep nesting would end the process, not only the load.
    problems.addAt({ file, offset: deep }, '', `nested deeper than ${MAX_DEPTH} levels`)
    return undefined
  }
  const documents = [
    ...new Composer({
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      resolveKnownTags: false,
      logLevel: 'silent',
    }).compose(tokens),
  ]
  if (reportSyntax(text, documents, file, problems)) return undefined
  return convertRoot(documents, file, context)
}

function convertRoot(
  documents: readonly Document[],
  file: SourceFile,
  context: DocumentContext,
): MapNode | undefined {
  const [document, second] = documents
  if (second !== undefined) {
    const offset = second.range?.[0] ?? -1
    context.problems.addAt({ file, offset }, '', 'a second document ("---"), wanted one in a file')
    return undefined
  }
  if (document !== undefined && document.directives?.yaml.version !== '1.2') {
    // Of 1.1 `yes`, `0123` and dates mean something else.
    context.problems.addAt(
      { file, offset: 0 },
      '',
      'a %YAML line that asks for another version, wanted none, or 1.2',
    )
    return undefined
  }
  const contents = document?.contents ?? null
  const isNothing = contents === null || (isScalar(contents) && contents.value === null)
  if (isNothing || (isMap(contents) && contents.items.length === 0)) {
    const whole = { file, offset: -1 }
    context.problems.addAt(whole, '', `without any section, wanted at least one of ${SECTIONS}`)
    return undefined
  }
  const place = { file, offset: startOf(contents) ?? 0 }
  if (!isMap(contents)) {
    const found = isSeq(contents) ? 'a list' : 'a single value'
    context.problems.addAt(place, '', `found ${found}, wanted the sections ${SECTIONS}`)
    return undefined
  }
  const root = new Converter(file, context).convert(contents, '', place)
  return root.kind === 'map' ? root : undefined
}

/** The first error of the parser, whose echoes the others are, and its warnings (unknown tags). */
function reportSyntax(
  text: string,
  documents: readonly Document[],
  file: SourceFile,
  problems: ProblemList,
): boolean {
  const errors = documents.flatMap((document) => document.errors).slice(0, 1)
  const warnings = documents.flatMap((document) => document.warnings).slice(0, MAX_WARNINGS)
  for (const fault of [...errors, ...warnings]) {
    problems.addAt({ file, offset: fault.pos[0] }, '', describeYamlFault(fault, text))
  }
  return errors.length + warnings.length > 0
}

/** Where the nesting becomes too deep, without recursion. */
function findDeepToken(tokens: readonly CST.Token[]): number | undefined {
  const open: { token: CST.Token; depth: number }[] = tokens.map((token) => ({ token, depth: 0 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    if (depth > MAX_DEPTH) return token.offset
    if (token.type === 'document') {
      if (token.value !== undefined) open.push({ token: token.value, depth })
    } else if ('items' in token) {
      for (const item of token.items) {
        if (item.key) open.push({ token: item.key, depth: depth + 1 })
        if (item.value) open.push({ token: item.value, depth: depth + 1 })
      }
    }
  }
  return undefined
}

function startOf(node: unknown): number | undefined {
  return isScalar(node) || isCollection(node) || isAlias(node) ? node.range?.[0] : undefined
}

/** Turns parsed nodes into ours; what is reported here leaves a faulty node or is left out. */
class Converter {
  readonly #file: SourceFile
  readonly #context: DocumentContext
  readonly #anchors = new Map<string, TreeNode | 'open'>()
  #aliasedValues = 0

  constructor(file: SourceFile, context: DocumentContext) {
    this.#file = file
    this.#context = context
  }

  convert(node: Node | ParsedNode | null | undefined, label: string, fallback: Place): TreeNode {
    const offset = startOf(node)
    const place = offset === undefined ? fallback : { file: this.#file, offset }
    if (isAlias(node)) return this.#resolveAlias(node, label, place)
    const anchor = isScalar(node) || isCollection(node) ? node.anchor : undefined
    if (anchor !== undefined) this.#anchors.set(anchor, 'open')
    const converted = this.#convertNode(node, label, place)
    if (anchor !== undefined) this.#anchors.set(anchor, converted)
    return converted
  }

  #convertNode(node: Node | null | undefined, label: string, place: Place): TreeNode {
    if (isMap(node)) return this.#convertMap(node, label, place)
    if (isSeq(node)) return this.#convertList(node, label, place)
    return isScalar(node) ? this.#convertScalar(node, label, place) : nothing(place)
  }

  #convertMap(map: YAMLMap, label: string, place: Place): MapNode {
    const entries = new Map<string, MapEntry>()
    let size = 1
    for (const pair of map.items) {
      const keyPlace = { file: this.#file, offset: startOf(pair.key) ?? place.offset }
      const key = this.#readKey(pair, label, keyPlace)
      const childLabel = label === '' ? (key ?? '') : `${label}.${key ?? ''}`
      const first = key === undefined ? undefined : entries.get(key)
      if (first !== undefined) {
        const { line } = this.#file.locate(first.keyPlace.offset)
        this.#report(keyPlace, childLabel, `given twice, the first time on line ${line}`)
      }
      if (key === undefined) {
        // Whatever it was to say is not known: the checks of this map would be about something else.
        entries.set('', { keyPlace, node: { ...nothing(keyPlace), isFaulty: true } })
      }
      if (key === undefined || first !== undefined) continue
      const value = pair.value as Node | null | undefined
      const node = this.convert(value, childLabel, keyPlace)
      entries.set(key, { keyPlace, node })
      size += node.size
    }
    return { kind: 'map', place, entries, size }
  }

  #readKey(pair: Pair, label: string, place: Place): string | undefined {
    const key = pair.key
    if (!isScalar(key) || key.value === null) {
      this.#report(place, label, 'a key that is not a word, wanted "key: value"')
      return undefined
    }
    const word = typeof key.value === 'string' ? key.value : (key.source ?? '')
    if (word === '<<') {
      this.#report(place, label, 'a merge key (<<), which is not supported: write the settings out')
      return undefined
    }
    return word
  }

  #convertList(list: YAMLSeq, label: string, place: Place): TreeNode {
    const items: ListItem[] = []
    let size = 1
    for (const [index, item] of list.items.entries()) {
      const itemLabel = label === '' ? String(index) : `${label}.${index}`
      const node = this.convert(item as Node | null, itemLabel, place)
      items.push({ node, index })
      size += node.size
    }
    return { kind: 'list', place, items, size }
  }

  #convertScalar(scalar: Scalar, label: string, place: Place): ScalarNode {
    const value = scalar.value
    const isPlain = scalar.type === 'PLAIN'
    const written = scalar.source ?? (typeof value === 'string' ? value : '')
    const base = { kind: 'scalar', place, written, isPlain, size: 1 } as const
    if (typeof value === 'string') {
      const resolution = resolveReferences(
        value,
        this.#file.directory,
        this.#context.reader,
        (path) => {
          this.#context.onOpenFile(place, label, path)
        },
      )
      for (const problem of resolution.problems) this.#report(place, label, problem)
      const { source, referred } = resolution
      const isFaulty = resolution.problems.length > 0
      return { ...base, value: resolution.value, source, referred, isFaulty }
    }
    const isKnown = typeof value === 'number' || typeof value === 'boolean'
    const known = isKnown ? value : null
    return { ...base, value: known, source: 'literal', referred: [], isFaulty: false }
  }

  #resolveAlias(alias: Alias, label: string, place: Place): TreeNode {
    const target = this.#anchors.get(alias.source)
    if (target === undefined || target === 'open') {
      const problem =
        target === 'open'
          ? 'an alias (*) inside of what it stands for'
          : 'an alias (*) of something that is not above: quote it if it is text'
      this.#report(place, label, problem)
      return { ...nothing(place), isFaulty: true }
    }
    const isBelowLimit = this.#aliasedValues <= MAX_ALIASED_VALUES
    this.#aliasedValues += target.size
    if (this.#aliasedValues > MAX_ALIASED_VALUES) {
      const problem = `aliases (*) stand for more than ${MAX_ALIASED_VALUES} values`
      if (isBelowLimit) this.#report(place, label, problem)
      return { ...nothing(place), isFaulty: true }
    }
    return target
  }

  #report(place: Place, label: string, problem: string): void {
    this.#context.problems.addAt(place, label, problem)
  }
}

function nothing(place: Place): ScalarNode {
  return {
    kind: 'scalar',
    place,
    value: null,
    written: '',
    isPlain: true,
    source: 'literal',
    referred: [],
    size: 1,
    isFaulty: false,
  }
}
