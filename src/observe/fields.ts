/**
 * Makes plain, harmless data of whatever is handed to the log: names of secrets and known values
 * are replaced, errors flattened, buffers only counted, cycles and depth bounded. Never throws.
 */
import type { Redactor } from './redact.ts'

const mark = '[redacted]'
const maxDepth = 5
const maxItems = 100
const maxLength = 8192
const maxStackLines = 12

const secretNames =
  /passw|pwd|passphrase|secret|token|authori[sz]ation|cookie|credential|apikey|privatekey|signature|userinfo/

/** What a line carries besides its own members. */
export type Fields = Readonly<Record<string, unknown>>

/** A copy of the fields in which no secret is left. */
export function cleanFields(fields: Fields, redactor: Redactor): Record<string, unknown> {
  return cleanMembers(fields, new Cleaner(redactor))
}

/** A text without secrets, cut to a length that a line can bear. */
export function cleanText(text: string, redactor: Redactor): string {
  // Redacted before it is cut, or half a secret could stay.
  const clean = redactor.redact(text)
  return clean.length > maxLength ? `${clean.slice(0, maxLength)}…` : clean
}

class Cleaner {
  readonly redactor: Redactor
  /** The objects that the present one stands in. */
  readonly parents: object[] = []

  constructor(redactor: Redactor) {
    this.redactor = redactor
  }

  clean(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return cleanText(value, this.redactor)
      case 'number':
        return Number.isFinite(value) ? value : String(value)
      case 'boolean':
      case 'undefined':
        return value
      case 'bigint':
        return String(value)
      case 'object':
        return value === null ? null : this.#cleanObject(value)
      default:
        return `[${typeof value}]`
    }
  }

  #cleanObject(value: object): unknown {
    if (this.parents.includes(value)) return '[circular]'
    if (this.parents.length >= maxDepth) return '[deep]'
    this.parents.push(value)
    try {
      return cleanKind(value, this)
    } catch {
      // A getter, a proxy or a toJSON of somebody else's threw.
      return '[unreadable]'
    } finally {
      this.parents.pop()
    }
  }
}

function cleanKind(value: object, cleaner: Cleaner): unknown {
  if (Array.isArray(value)) return cleanItems(value, cleaner)
  if (value instanceof Error) return cleanError(value, cleaner)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `[${value.byteLength} bytes]`
  if (value instanceof Set) return cleanItems([...value], cleaner)
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => [String(key), item] as const)
    return cleanMembers(Object.fromEntries(entries), cleaner)
  }
  // Secret, Date and URL say by themselves how they want to be seen.
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return cleaner.clean((value.toJSON as () => unknown)())
  }
  return cleanMembers(value as Fields, cleaner)
}

function cleanItems(items: readonly unknown[], cleaner: Cleaner): unknown[] {
  const clean = items.slice(0, maxItems).map((item) => cleaner.clean(item))
  if (items.length > maxItems) clean.push(`… ${items.length - maxItems} more`)
  return clean
}

function cleanMembers(fields: Fields, cleaner: Cleaner): Record<string, unknown> {
  const clean: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  let count = 0
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue
    if (++count > maxItems) break
    clean[cleanText(key, cleaner.redactor)] = isSecretName(key, value) ? mark : cleaner.clean(value)
  }
  return clean
}

/** Whether what stands under this name is a secret; a yes, a no and a null tell nothing. */
function isSecretName(key: string, value: unknown): boolean {
  if (value === null || typeof value === 'boolean') return false
  return secretNames.test(key.toLowerCase().replace(/[-_. ]/g, ''))
}

/** Only what every error has: undici hangs sockets, and Node the input of `new URL`, on theirs. */
function cleanError(error: Error, cleaner: Cleaner): Record<string, unknown> {
  const { stack } = error
  return {
    name: cleaner.clean(error.name),
    message: cleaner.clean(error.message),
    code: 'code' in error ? cleaner.clean(error.code) : undefined,
    stack: typeof stack === 'string' ? firstLines(cleanText(stack, cleaner.redactor)) : undefined,
    cause: error.cause === undefined ? undefined : cleaner.clean(error.cause),
    errors: error instanceof AggregateError ? cleaner.clean(error.errors) : undefined,
  }
}

/** Cut after it has been cleaned: a secret can have several lines. */
function firstLines(stack: string): string {
  return stack.split('\n').slice(0, maxStackLines).join('\n')
}
