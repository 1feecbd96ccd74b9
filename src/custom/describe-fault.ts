/**
 * Runs in the thread: what may be said of an error. While a module is loaded it has been given
 * nothing, and its message tells the operator what to mend; afterwards the message may hold
 * what the module was given, so that only the kind of the error and a place are told.
 */
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/** Builtin errors; the name of any other could have been made of something that was given. */
const ERROR_NAMES: ReadonlySet<string> = new Set([
  'Error',
  'AggregateError',
  'EvalError',
  'RangeError',
  'ReferenceError',
  'SyntaxError',
  'TypeError',
  'URIError',
])

/** In one line, why a module cannot be loaded. */
export function describeLoadFault(error: unknown, path: string): string {
  if (!existsSync(path)) return 'found no such file'
  if (!(error instanceof Error)) return 'the module threw while it was loaded'
  const message = toLine(error.message)
  const at = findLoadPlace(error, path)
  const place = at === undefined ? '' : ` at ${at}`
  return `found ${toLine(error.name)}${place}: ${message}`
}

/** `sap.mjs:3`, and the column where it is known. */
function findLoadPlace(error: Error, path: string): string | undefined {
  const stack = String(error.stack)
  // A syntax error has the place on the first line, in whichever file of the graph it is.
  const [, file = '', line = ''] = /^file:\/\/\S*?([^/\s]+):(\d+)$/m.exec(stack) ?? []
  if (file !== '') return `${file}:${line}`
  const own = findPlace(stack, path)
  return own === undefined
    ? undefined
    : `${pathToFileURL(path).href.split('/').at(-1) ?? ''}:${own}`
}

/** What may be told of what a function threw. */
export function describeCallFault(
  error: unknown,
  path: string,
): { readonly error: string | undefined; readonly line: string | undefined } {
  if (!(error instanceof Error)) return { error: undefined, line: undefined }
  const { name } = error
  return {
    error: ERROR_NAMES.has(name) ? name : 'Error',
    line: findPlace(String(error.stack), path),
  }
}

/** Line and column of the topmost frame in the module itself. */
function findPlace(stack: string, path: string): string | undefined {
  const url = pathToFileURL(path).href
  for (const line of stack.split('\n')) {
    const at = line.indexOf(`${url}:`)
    if (!line.startsWith('    at ') || at === -1) continue
    const place = /^\d{1,6}:\d{1,6}(?=\)?$)/.exec(line.slice(at + url.length + 1))?.[0]
    if (place !== undefined) return place
  }
  return undefined
}

function toLine(text: string): string {
  return text.replace(/[^\x20-\x7e\xa1-\uffff]+/g, ' ').slice(0, 300)
}
