/**
 * Takes out of the answer to a login what the session is made of. The answer is hostile input: what
 * is wrong with it is said with the names of the definition, and nothing of what the server wrote.
 */
import { findPointed } from './json-pointer.ts'
import { parseSetCookie } from './set-cookie.ts'
import type { Extraction } from './settings.ts'

/** An answer that has come in whole. */
export interface ReceivedAnswer {
  readonly status: number
  /** Flat list. */
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** Why something could not be taken, in our words. */
export class UnfitAnswer extends Error {}

/** Longer ones would fit no header. */
export const MAX_VALUE_LENGTH = 64 * 1024

/** The extracted values, in the order of the definition; throws `UnfitAnswer`. */
export function extractValues(
  extraction: Extraction,
  answer: ReceivedAnswer,
  nowMs: number,
): readonly (readonly [name: string, value: string])[] {
  const isJson = extraction.some(([, source]) => source.startsWith('/'))
  const document = isJson ? readJson(answer) : undefined
  return extraction.map(([name, source]) => {
    const value = findValue(source, answer, document, nowMs)
    const fault = typeof value === 'string' ? findFault(value) : value.fault
    if (fault !== undefined) throw new UnfitAnswer(`"${name}" (${source}) ${fault}`)
    return [name, value as string] as const
  })
}

/** The values of a header; `name` in lower case. */
export function valuesOf(headers: readonly string[], name: string): readonly string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name)
}

/** What time the server has, or else we. */
export function serverTimeMs(headers: readonly string[], nowMs: number): number {
  const date = Date.parse(valuesOf(headers, 'date')[0] ?? '')
  return Number.isNaN(date) ? nowMs : date
}

interface Fault {
  readonly fault: string
}

function findValue(
  source: string,
  answer: ReceivedAnswer,
  document: unknown,
  nowMs: number,
): string | Fault {
  if (source.startsWith('/')) return textOf(findPointed(document, source))
  const name = source.slice(source.indexOf(':') + 1)
  return source.startsWith('cookie:') ? findCookie(name, answer, nowMs) : findHeader(name, answer)
}

/** The last cookie of that name counts, as it does for a user agent. */
function findCookie(name: string, { headers }: ReceivedAnswer, nowMs: number): string | Fault {
  const timeMs = serverTimeMs(headers, nowMs)
  let found: string | Fault = { fault: 'is not in the answer' }
  for (const header of valuesOf(headers, 'set-cookie')) {
    const cookie = parseSetCookie(header, timeMs)
    if (cookie?.name !== name) continue
    found = cookie.isDeleted ? { fault: 'is deleted by the answer' } : cookie.value
  }
  return found
}

function findHeader(name: string, { headers }: ReceivedAnswer): string | Fault {
  const [value, ...others] = valuesOf(headers, name.toLowerCase())
  if (value === undefined) return { fault: 'is not in the answer' }
  return others.length === 0 ? value : { fault: 'stands several times in the answer' }
}

function textOf(value: unknown): string | Fault {
  switch (typeof value) {
    case 'string':
      return value
    case 'boolean':
      return String(value)
    case 'number':
      // A long id would come out with other digits than the server wrote.
      return Number.isInteger(value) && !Number.isSafeInteger(value)
        ? { fault: 'is a number too long to be kept exactly, wanted a string' }
        : String(value)
    case 'undefined':
      return { fault: 'is not in the answer' }
    default:
      return { fault: 'is neither a string nor a number nor a boolean' }
  }
}

function findFault(value: string): string | undefined {
  if (value === '') return 'is empty'
  return value.length > MAX_VALUE_LENGTH ? 'is over 64 KiB long' : undefined
}

/** By what it is: many a server that speaks JSON calls it text. */
function readJson({ headers, body }: ReceivedAnswer): unknown {
  const encodings = valuesOf(headers, 'content-encoding')
  if (encodings.some((value) => value.toLowerCase() !== 'identity')) {
    throw new UnfitAnswer('the body is compressed, which was not asked for')
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
    return JSON.parse(text)
  } catch {
    throw new UnfitAnswer('the body is not JSON in UTF-8')
  }
}
