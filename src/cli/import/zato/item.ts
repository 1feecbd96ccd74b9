/**
 * One item of an enmasse file: its settings by name, with `${VAR}` and `Zato_Enmasse_Env.VAR`, which
 * stand for whole values. What must be known while importing is looked up; what need not be stays a
 * reference.
 */
import { quote } from '../../../observe/quote.ts'
import type { Findings } from '../findings.ts'
import type { SourceMap, SourceNode, SourcePlace } from '../source-node.ts'
import type { Variables } from '../variables.ts'
import type { SourceItem } from './enmasse.ts'

/** What Zato's own parser takes for a truth value, passwords included. */
const TRUTH = new Map<string, boolean>([
  ...['1', 't', 'y', 'yes', 'on', 'true'].map((word) => [word, true] as const),
  ...['0', 'f', 'n', 'no', 'off', 'false'].map((word) => [word, false] as const),
])

/** What items are read with. */
export interface ItemContext {
  readonly findings: Findings
  readonly variables: Variables
  /** The values of `--env-file`, then of the environment. */
  readonly lookUp: (name: string) => string | undefined
}

/** A setting that may be a reference. */
export type Setting =
  | { readonly kind: 'literal'; readonly text: string; readonly place: SourcePlace }
  | { readonly kind: 'variable'; readonly name: string; readonly place: SourcePlace }

/** The variable that a whole value stands for. */
export function findVariable(text: string): string | undefined {
  const [, braced, plain] = /^(?:\$\{([^{}]+)\}|Zato_Enmasse_Env\.(.+))$/.exec(text) ?? []
  return braced ?? plain
}

/** Whether Zato makes a truth value of this. */
export function isTruthWord(text: string): boolean {
  return TRUTH.has(text.toLowerCase())
}

export class Item {
  readonly section: string
  /** As the file says it; found out first, everything else is told by it. */
  readonly name: string = ''
  readonly map: SourceMap
  readonly context: ItemContext

  constructor({ section, map }: SourceItem, context: ItemContext) {
    this.section = section
    this.map = map
    this.context = context
    this.name = this.text('name') ?? ''
    if (this.name === '') this.problem('without a name')
  }

  get place(): SourcePlace {
    return this.map.place
  }

  /** The name, safe to print. */
  get shown(): string {
    return quote(this.name)
  }

  /** Refuses the import because of this item. */
  problem(text: string, place = this.place): void {
    this.context.findings.add('problem', place, `${this.section} ${this.shown}: ${text}`)
  }

  /** The first of these settings that is there and not null. */
  find(...keys: readonly string[]): SourceNode | undefined {
    for (const key of keys) {
      const node = this.map.entries.get(key)
      if (node !== undefined && !(node.kind === 'scalar' && node.value === null)) return node
    }
    return undefined
  }

  /** A setting that need not be known; empty text counts as absent. */
  setting(...keys: readonly string[]): Setting | undefined {
    const node = this.find(...keys)
    if (node === undefined) return undefined
    const text = this.#textOf(node, keys[0] ?? '')
    if (text === undefined || text === '') return undefined
    const name = findVariable(text)
    if (name !== undefined) return { kind: 'variable', name, place: node.place }
    return { kind: 'literal', text, place: node.place }
  }

  /** A text that must be known; a variable that is not set is a problem. */
  text(...keys: readonly string[]): string | undefined {
    const setting = this.setting(...keys)
    if (setting === undefined || setting.kind === 'literal') return setting?.text
    const value = this.context.lookUp(setting.name)
    if (value !== undefined && value !== '') return value
    this.problem(
      `${keys[0] ?? ''} is the variable ${quote(setting.name)}, which has to be known here: set it, or give --env-file`,
      setting.place,
    )
    return undefined
  }

  /** A truth value as Zato reads it. */
  flag(key: string, fallback: boolean): boolean {
    const node = this.find(key)
    if (node?.kind === 'scalar' && typeof node.value === 'boolean') return node.value
    if (node === undefined) return fallback
    const word = node.kind === 'scalar' ? (this.text(key) ?? '').toLowerCase() : ''
    const value = TRUTH.get(word)
    if (value === undefined) this.problem(`${key} is neither true nor false`, node.place)
    return value ?? fallback
  }

  /** Names: a list, or one. Zato looks up no variables inside of lists. */
  names(...keys: readonly string[]): readonly string[] {
    const node = this.find(...keys)
    if (node === undefined) return []
    if (node.kind !== 'list') {
      const one = this.text(...keys)
      return one === undefined ? [] : [one]
    }
    return node.items.flatMap((item) => this.#textOf(item, keys[0] ?? '') ?? [])
  }

  /** Lines of a text, or the items of a list. */
  lines(...keys: readonly string[]): readonly string[] {
    const node = this.find(...keys)
    if (node === undefined) return []
    if (node.kind === 'list') return this.names(...keys)
    return this.#textOf(node, keys[0] ?? '')?.split('\n') ?? []
  }

  /**
   * The text of a scalar. A number is taken where YAML reads it as it is written; `0123`, which is 83,
   * is not.
   */
  #textOf(node: SourceNode, key: string): string | undefined {
    if (node.kind === 'scalar') {
      if (typeof node.value === 'string') return node.value
      if (String(node.value) === node.written) return node.written
      if (typeof node.value === 'boolean') return node.written
    }
    const found = node.kind === 'scalar' ? 'not what is written there: quote it' : `a ${node.kind}`
    this.problem(`${key} is read as ${found}, wanted text`, node.place)
    return undefined
  }
}
