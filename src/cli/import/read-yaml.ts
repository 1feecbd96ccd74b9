/**
 * Reads YAML of others, and JSON, which is YAML too: as PyYAML reads it (1.1: `yes` is true, `<<`
 * merges), with what would exhaust memory or stack refused before it does. Messages are ours, for the
 * parser's quote the source, in which secrets stand.
 */
import { Composer, LineCounter, Parser, isAlias, isCollection, isMap, isScalar, isSeq } from 'yaml'
import type { Alias, CST, Document, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { describeYamlFault } from '../../config/yaml-faults.ts'
import type { SourceMap, SourceNode, SourcePlace } from './source-node.ts'
import { failAt } from './source-node.ts'

const MAX_DEPTH = 64
/** Values that aliases may stand for. */
const MAX_ALIASED_VALUES = 10_000

/** Parses the text of a file; `undefined` for one without a value. What is wrong throws `CommandError`. */
export function readYaml(file: string, text: string): SourceNode | undefined {
  const lines = new LineCounter()
  const locate = (offset: number): SourcePlace => {
    const { line, col } = lines.linePos(Math.max(0, offset))
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  const deep = findDeepToken(tokens)
  // The composer recurses: deep nesting would end the process.
  if (deep !== undefined) failAt(locate(deep), `nested deeper than ${MAX_DEPTH} levels`)
  const [document, second] = compose(tokens, lines)
  const fault = document?.errors[0] ?? document?.warnings[0] ?? second?.errors[0]
  if (fault !== undefined) failAt(locate(fault.pos[0]), describeYamlFault(fault, text))
  if (second !== undefined) {
    failAt(locate(second.range?.[0] ?? 0), 'a second document ("---"), wanted one in a file')
  }
  const contents = document?.contents ?? null
  if (contents === null || (isScalar(contents) && contents.value === null)) return undefined
  return new Converter(locate).convert(contents)
}

function compose(tokens: readonly CST.Token[], lineCounter: LineCounter): readonly Document[] {
  const composer = new Composer({
    lineCounter,
    version: '1.1',
    prettyErrors: false,
    uniqueKeys: false,
    resolveKnownTags: false,
    logLevel: 'silent',
  })
  return [...composer.compose(tokens)]
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
      for (const { key, value } of token.items) {
        if (key) open.push({ token: key, depth: depth + 1 })
        if (value) open.push({ token: value, depth: depth + 1 })
      }
    }
  }
  return undefined
}

/** Parsed nodes become ours. */
class Converter {
  readonly #locate: (offset: number) => SourcePlace
  readonly #anchors = new Map<string, { node: SourceNode; size: number } | 'open'>()
  #values = 0
  #aliasedValues = 0

  constructor(locate: (offset: number) => SourcePlace) {
    this.#locate = locate
  }

  convert(node: unknown, fallback?: SourcePlace): SourceNode {
    const isNode = isScalar(node) || isCollection(node) || isAlias(node)
    const offset = isNode ? node.range?.[0] : undefined
    const place = offset === undefined && fallback ? fallback : this.#locate(offset ?? 0)
    if (isAlias(node)) return this.#resolveAlias(node, place)
    const anchor = isNode ? node.anchor : undefined
    if (anchor === undefined) return this.#convertNode(node, place)
    this.#anchors.set(anchor, 'open')
    const before = this.#values
    const converted = this.#convertNode(node, place)
    this.#anchors.set(anchor, { node: converted, size: this.#values - before })
    return converted
  }

  #convertNode(node: unknown, place: SourcePlace): SourceNode {
    this.#values++
    if (isMap(node)) return this.#convertMap(node, place)
    if (isSeq(node)) return this.#convertList(node, place)
    if (isScalar(node)) return convertScalar(node, place)
    return { kind: 'scalar', place, value: null, written: '' }
  }

  #convertMap(map: YAMLMap, place: SourcePlace): SourceMap {
    const entries = new Map<string, SourceNode>()
    const merged: SourceNode[] = []
    for (const { key, value } of map.items) {
      const keyPlace = isScalar(key) ? this.#locate(key.range?.[0] ?? 0) : place
      const word = readKey(key)
      if (word === undefined) failAt(keyPlace, 'a key that is not a word, wanted "key: value"')
      const node = this.convert(value, keyPlace)
      if (word === '<<' && isScalar(key) && key.type === 'PLAIN') merged.push(node)
      else if (entries.has(word)) failAt(keyPlace, 'a key that is given twice')
      else entries.set(word, node)
    }
    for (const node of merged) mergeInto(entries, node)
    return { kind: 'map', place, entries }
  }

  #convertList(list: YAMLSeq, place: SourcePlace): SourceNode {
    return { kind: 'list', place, items: list.items.map((item) => this.convert(item, place)) }
  }

  #resolveAlias(alias: Alias, place: SourcePlace): SourceNode {
    const target = this.#anchors.get(alias.source)
    if (target === 'open') failAt(place, 'an alias (*) inside of what it stands for')
    if (target === undefined) failAt(place, 'an alias (*) of something that is not above')
    this.#aliasedValues += target.size
    this.#values += target.size
    if (this.#aliasedValues > MAX_ALIASED_VALUES) {
      failAt(place, `aliases (*) stand for more than ${MAX_ALIASED_VALUES} values`)
    }
    return target.node
  }
}

function readKey(key: unknown): string | undefined {
  if (!isScalar(key) || key.value === null) return undefined
  return typeof key.value === 'string' ? key.value : key.source
}

/** `<<: *base` and `<<: [*a, *b]`: what is said already stays. */
function mergeInto(entries: Map<string, SourceNode>, node: SourceNode): void {
  const maps = node.kind === 'list' ? node.items : [node]
  for (const map of maps) {
    if (map.kind !== 'map') failAt(map.place, 'a merge key (<<) of something that is no map')
    for (const [key, value] of map.entries) if (!entries.has(key)) entries.set(key, value)
  }
}

function convertScalar(scalar: Scalar, place: SourcePlace): SourceNode {
  const { value } = scalar
  const isKnown =
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean'
  const written = typeof value === 'string' ? value : (scalar.source ?? '')
  return { kind: 'scalar', place, value: isKnown ? value : undefined, written }
}
