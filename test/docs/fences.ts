/** The code blocks of the documentation, with where they stand. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A fenced block, without its indentation. */
export interface Fence {
  readonly file: string
  /** Line of the opening fence. */
  readonly line: number
  readonly language: string
  readonly text: string
}

/** README.md and every page under docs/ that people wrote or that is generated. */
export function listPages(): readonly string[] {
  const below = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  return ['README.md', ...below.filter((path) => path.endsWith('.md')).map((p) => join('docs', p))]
}

/** All fences of a page. */
export function readFences(file: string): readonly Fence[] {
  const fences: Fence[] = []
  let open: { line: number; language: string; indent: string; lines: string[] } | undefined
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const [, indent = '', language = ''] = /^( *)```([a-z]*)/.exec(line) ?? []
      const isFence = /^ *```/.test(line)
      if (open === undefined) {
        if (isFence) open = { line: index + 1, language, indent, lines: [] }
      } else if (isFence) {
        fences.push({ file, line: open.line, language: open.language, text: open.lines.join('\n') })
        open = undefined
      } else {
        open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line)
      }
    })
  if (open !== undefined) throw new Error(`${file}:${open.line}: a fence is not closed`)
  return fences
}
