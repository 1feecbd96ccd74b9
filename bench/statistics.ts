/** Medians with their spread, and tables of them. One timing proves nothing on a shared machine. */

/** The median of some rounds with the lowest and the highest. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

/** Of at least one value. */
export function summarise(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (at(sorted, Math.ceil(middle) - 1) + at(sorted, Math.floor(middle))) / 2
  return { median, lowest: at(sorted, 0), highest: at(sorted, sorted.length - 1) }
}

function at(values: readonly number[], index: number): number {
  const value = values[index]
  if (value === undefined) throw new RangeError(`no value at ${index}`)
  return value
}

/** The same summary for each of the named fields of some rounds. */
export function summariseFields<Name extends string>(
  rounds: readonly Readonly<Record<Name, number>>[],
  names: readonly Name[],
): Record<Name, Spread> {
  const entries = names.map((name) => [name, summarise(rounds.map((round) => round[name]))])
  return Object.fromEntries(entries) as Record<Name, Spread>
}

/** `12.3 (11.9–12.8)`. */
export function formatSpread({ median, lowest, highest }: Spread): string {
  const digits = highest >= 1000 ? 0 : highest >= 100 ? 0 : highest >= 10 ? 1 : 2
  return `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`
}

/** A Markdown table, its columns as wide as their cells. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((text, column) =>
    Math.max(...[text, ...rows.map((row) => row[column] ?? '')].map((cell) => cell.length)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}
