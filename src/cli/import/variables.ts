/**
 * The environment variables that a configuration refers to in place of what may not be written. Names
 * are given once: `a-b` and `a.b` never share one.
 */
import { randomBytes } from 'node:crypto'
import { renderVariable } from '../yaml-text.ts'
import type { Findings } from './findings.ts'
import type { SourcePlace } from './source-node.ts'

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

/** What a variable stands for: what the trial value looks like that a configuration is checked with. */
export type VariableKind = 'secret' | 'text' | 'url' | 'origin' | 'account'

interface Variable {
  readonly kind: VariableKind
  readonly value: string | undefined
  readonly lines: { readonly place: SourcePlace | undefined; readonly text: string }[]
}

/** What is known of a variable, and what to say about it. */
export interface VariableUse {
  readonly kind: VariableKind
  /** What it holds, half a sentence: `the password of "crm"`. */
  readonly what: string
  /** Where its value comes from, half a sentence. */
  readonly origin: string
  readonly place: SourcePlace
  /** What the input says it is, for the trial alone. */
  readonly value?: string | undefined
}

/** All variables of one configuration. */
export class Variables {
  readonly #variables = new Map<string, Variable>()
  /** What the variables of the input are called here. */
  readonly #fitted = new Map<string, string>()
  readonly #reserved = new Set<string>()

  /** Names that the input uses: none is given to something else. */
  reserve(name: string): void {
    if (this.#fitted.has(name)) return
    const base = fitVariable(name)
    let fitted = base
    for (let count = 2; this.#reserved.has(fitted); count++) fitted = `${base}_${count}`
    this.#fitted.set(name, fitted)
    this.#reserved.add(fitted)
  }

  /** A reference to a variable that the input names itself. */
  refer(name: string, use: VariableUse): string {
    this.reserve(name)
    return this.#add(this.#fitted.get(name) ?? name, use)
  }

  /** A reference to a variable that gets its name from what it is for. */
  create(owner: string, suffix: string, use: VariableUse): string {
    const base = renderVariable(owner, suffix)
    for (let count = 1; ; count++) {
      const name = count === 1 ? base : `${base}_${count}`
      if (!this.#variables.has(name) && !this.#reserved.has(name)) return this.#add(name, use)
    }
  }

  #add(name: string, { kind, what, origin, place, value }: VariableUse): string {
    const known = this.#variables.get(name)
    const variable = known ?? { kind, value, lines: [] }
    variable.lines.push({ place, text: `${name}: ${what}; ${origin}` })
    this.#variables.set(name, variable)
    return `\${env:${name}}`
  }

  /** Tells which to set. */
  report(findings: Findings): void {
    for (const { lines } of this.#variables.values()) {
      for (const { place, text } of lines) findings.add('secret', place, text)
    }
  }

  /** An environment to check the configuration with: what is known, and else what could be. */
  createTrial(): Record<string, string> {
    return Object.fromEntries(
      [...this.#variables].map(([name, { kind, value }]) => [
        name,
        value === undefined || value === '' ? createSample(kind) : value,
      ]),
    )
  }
}

/** Nothing is asked of these; `.invalid` exists nowhere (RFC 6761). */
function createSample(kind: VariableKind): string {
  const random = randomBytes(16).toString('hex')
  if (kind === 'url') return `https://${random}.invalid/token`
  if (kind === 'origin') return `https://${random}.invalid`
  return kind === 'account' ? `DOMAIN\\${random}` : random
}

function fitVariable(name: string): string {
  if (VARIABLE.test(name)) return name
  const fitted = name.replace(/[^A-Za-z0-9_]/g, '_')
  return /^[0-9]/.test(fitted) || fitted === '' ? `_${fitted}` : fitted
}
