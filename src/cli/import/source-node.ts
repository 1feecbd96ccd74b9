/**
 * A foreign file as a tree of values that know their places. No reference in it is resolved, and
 * what it says is data, never an instruction.
 */
import { CommandError } from '../command.ts'

/** Where something stands in a file, 1-based. */
export interface SourcePlace {
  readonly file: string
  readonly line: number
  readonly column: number
}

export type SourceNode = SourceMap | SourceList | SourceScalar

export interface SourceMap {
  readonly kind: 'map'
  readonly place: SourcePlace
  readonly entries: ReadonlyMap<string, SourceNode>
}

export interface SourceList {
  readonly kind: 'list'
  readonly place: SourcePlace
  readonly items: readonly SourceNode[]
}

export interface SourceScalar {
  readonly kind: 'scalar'
  readonly place: SourcePlace
  /** `undefined` for what is neither text, number, truth value nor null: a date for instance. */
  readonly value: string | number | boolean | null | undefined
  /** As it stands in the file. */
  readonly written: string
}

/** `FILE:LINE:COL`; the file alone where the line is not known. */
export function formatPlace({ file, line, column }: SourcePlace): string {
  return line === 0 ? file : `${file}:${line}:${column}`
}

/** Ends the import: what is wrong with a file, at its place, and never with what stands there. */
export function failAt(place: SourcePlace, problem: string): never {
  throw new CommandError(`${formatPlace(place)}: ${problem}`)
}
