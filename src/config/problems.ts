/**
 * Problems and warnings as they are collected, each with its place, and how they are printed.
 */
import type { Problem } from './model.ts'

/** A place in a configuration file: where a value, or a key, begins. */
export interface Place {
  readonly file: SourceFile
  /** Offset into the text of the file; -1 where the file as a whole is meant. */
  readonly offset: number
}

/** A configuration file that has been read. */
export interface SourceFile {
  /** As the operator wrote it. */
  readonly name: string
  readonly absolutePath: string
  /** Folder that relative paths count from. */
  readonly directory: string
  /** 1-based line and column of an offset. */
  locate(offset: number): { readonly line: number; readonly column: number }
}

/** `FILE:LINE:COL PATH: problem`; what is not known is left out. */
export function formatProblem(problem: Problem): string {
  const place =
    problem.line === 0
      ? problem.file
      : `${problem.file}:${problem.line}:${Math.max(1, problem.column)}`
  const path = problem.path === '' ? '' : ` ${problem.path}`
  return `${place}${path}: ${problem.problem}`
}

/** Collects problems and warnings in any order; `sorted` gives them file by file, line by line. */
export class ProblemList {
  readonly #found: Problem[] = []
  readonly #seen = new Set<string>()

  get count(): number {
    return this.#found.length
  }

  /** Adds a problem at a place; the same problem at the same place is kept once. */
  addAt(place: Place, path: string, problem: string): void {
    const { line, column } =
      place.offset < 0 ? { line: 0, column: 0 } : place.file.locate(place.offset)
    this.add({ file: place.file.name, line, column, path, problem })
  }

  /** Adds a problem that knows its place. */
  add(problem: Problem): void {
    const key = formatProblem(problem)
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.#found.push(problem)
  }

  /** All of them, in the order of the files, then of lines and columns. */
  sorted(fileOrder: readonly string[]): Problem[] {
    const ranks = new Map(fileOrder.map((file, index) => [file, index]))
    for (const { file } of this.#found) if (!ranks.has(file)) ranks.set(file, ranks.size)
    const rank = (problem: Problem): number => ranks.get(problem.file) ?? 0
    return this.#found
      .map((problem, index) => ({ problem, index }))
      .sort(
        (a, b) =>
          rank(a.problem) - rank(b.problem) ||
          a.problem.line - b.problem.line ||
          a.problem.column - b.problem.column ||
          a.index - b.index,
      )
      .map(({ problem }) => problem)
  }
}
