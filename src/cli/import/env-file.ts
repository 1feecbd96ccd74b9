/**
 * The INI file of `zato enmasse --env-file`: all sections as one list. A faulty line is told by its
 * number alone, for a secret may stand on it.
 */
import { failAt } from './source-node.ts'

/** Reads `NAME=value` and `NAME: value`; `#` and `;` begin comments. Throws `CommandError`. */
export function readEnvFile(file: string, text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const content = line.trim()
    if (content === '' || /^(?:[#;]|\[[^\]]*\]$)/.test(content)) continue
    const [, name, value = ''] = /^([^=:\s]+)\s*[=:]\s*(.*)$/s.exec(content) ?? []
    if (name === undefined) {
      failAt({ file, line: index + 1, column: 1 }, 'neither NAME=value, a [section] nor a comment')
    }
    const quoted = /^(["'])(.*)\1$/s.exec(value)?.[2]
    values.set(name, quoted ?? value)
  }
  return values
}
