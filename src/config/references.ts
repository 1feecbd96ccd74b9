/**
 * `${env:NAME}` and `${file:PATH}` inside strings: resolved once, not recursively. `$${` is a literal
 * `${`. What a reference gives is never part of a problem.
 */
import { resolve } from 'node:path'
import type { FileReader } from './file-reader.ts'

/** A string with its references resolved. */
export interface Resolution {
  readonly value: string
  /** `env:NAME` or `file:PATH`, several joined by `+`; `literal` without any. */
  readonly source: string
  /** What each reference gave, which may be secret wherever it stands. */
  readonly referred: readonly string[]
  readonly problems: readonly string[]
}

const NONE: readonly string[] = []
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/
const WANTED = 'wanted ${env:NAME} or ${file:PATH}, or $${ for a literal ${'

/** Resolves what stands in `text`; relative paths count from `directory`. */
export function resolveReferences(
  text: string,
  directory: string,
  reader: FileReader,
  onOpenFile: (path: string) => void,
): Resolution {
  if (!text.includes('${')) {
    return { value: text, source: 'literal', referred: NONE, problems: NONE }
  }
  const problems: string[] = []
  const sources: string[] = []
  const referred: string[] = []
  let value = ''
  let at = 0
  for (;;) {
    const start = text.indexOf('${', at)
    if (start === -1) break
    if (start > at && text[start - 1] === '$') {
      value += `${text.slice(at, start - 1)}\${`
      at = start + 2
      continue
    }
    value += text.slice(at, start)
    const end = text.indexOf('}', start)
    if (end === -1) {
      problems.push(`found "\${" without "}", ${WANTED}`)
      return { value: '', source: 'literal', referred, problems }
    }
    const reference = text.slice(start + 2, end)
    const result = resolveOne(reference, directory, reader, onOpenFile)
    if ('problem' in result) {
      problems.push(result.problem)
    } else {
      value += result.value
      referred.push(result.value)
    }
    sources.push(reference)
    at = end + 1
  }
  value += text.slice(at)
  const source = sources.length === 0 ? 'literal' : sources.join('+')
  return { value, source, referred, problems }
}

type Result = { readonly value: string } | { readonly problem: string }

function resolveOne(
  reference: string,
  directory: string,
  reader: FileReader,
  onOpenFile: (path: string) => void,
): Result {
  if (reference.startsWith('env:')) return resolveVariable(reference.slice(4), reader)
  if (reference.startsWith('file:')) {
    return resolveFile(reference.slice(5), directory, reader, onOpenFile)
  }
  if (VARIABLE.test(reference)) {
    return {
      problem: `found "\${${reference}}", wanted "\${env:${reference}}" for the variable, or $\${ for a literal \${`,
    }
  }
  return { problem: `found an unknown reference, ${WANTED}` }
}

function resolveVariable(name: string, reader: FileReader): Result {
  if (!VARIABLE.test(name)) {
    return {
      problem: 'found ${env:…} with something that is no name of a variable, wanted ${env:NAME}',
    }
  }
  const value = reader.readVariable(name)
  if (value === undefined) return { problem: `the environment variable "${name}" is not set` }
  return value === '' ? { problem: `the environment variable "${name}" is empty` } : { value }
}

function resolveFile(
  path: string,
  directory: string,
  reader: FileReader,
  onOpenFile: (path: string) => void,
): Result {
  if (path === '') return { problem: 'found ${file:} without a path, wanted ${file:PATH}' }
  const absolutePath = resolve(directory, path)
  const result = reader.readSecretText(absolutePath)
  if ('problem' in result) return { problem: `cannot read the file "${path}": ${result.problem}` }
  const value = result.text.replace(/\r?\n$/, '')
  if (value === '') return { problem: `the file "${path}" is empty` }
  if (result.isOpenToOthers) onOpenFile(path)
  return { value }
}
