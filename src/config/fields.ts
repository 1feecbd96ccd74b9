/**
 * Settings that may be written in several ways: words by lines, list or blanks; fields as a map, a
 * list or lines of `key=value`.
 */
import type { ResolveContext } from './context.ts'
import { showText } from './issues.ts'
import type { Path } from './tree.ts'

/** Words, each once, in their order. */
export function splitWords(value: string | readonly string[]): readonly string[] {
  const parts = typeof value === 'string' ? [value] : value
  return [...new Set(parts.flatMap((part) => part.split(/\s+/)).filter((word) => word !== ''))]
}

// RFC 6749 3.3: scope-token.
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** Scopes; one outside of the grammar is reported. */
export function resolveScopes(
  context: ResolveContext,
  path: Path,
  value: string | readonly string[],
): readonly string[] {
  const scopes = splitWords(value)
  const bad = scopes.find((scope) => !SCOPE.test(scope))
  if (bad !== undefined) {
    const isLiteral = context.scalarAt(path)?.source === 'literal'
    const shown = isLiteral ? `the scope ${showText(bad)}` : 'a scope'
    context.report(
      path,
      `${shown} is not printable ASCII without quote and backslash (RFC 6749 3.3)`,
    )
  }
  return scopes
}

function describeLine(isText: boolean, index: number): string {
  return isText ? `line ${index + 1} is` : 'this is'
}

/** Names and values in their order; a line without `=` and a name given twice are reported. */
export function resolveFields(
  context: ResolveContext,
  path: Path,
  value: string | readonly string[] | Readonly<Record<string, unknown>>,
): readonly (readonly [string, string])[] {
  if (typeof value === 'object' && !Array.isArray(value)) {
    return Object.keys(value).map((key) => [key, context.verbatimAt([...path, key])] as const)
  }
  const isText = typeof value === 'string'
  const lines = isText ? value.split(/\r?\n/) : (value as readonly string[])
  const fields = new Map<string, string>()
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue
    const at = isText ? path : [...path, index]
    const name = line.slice(0, Math.max(0, line.indexOf('='))).trim()
    if (name === '') {
      context.report(at, `${describeLine(isText, index)} not key=value`)
    } else if (fields.has(name)) {
      context.report(at, `${describeLine(isText, index)} a field that stands above already`)
    } else {
      fields.set(name, line.slice(line.indexOf('=') + 1))
    }
  }
  return [...fields]
}
