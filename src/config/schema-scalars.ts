/**
 * The words of the schema: strings, durations, sizes, names, secrets and maps. Messages begin with
 * `wanted`; what was found is put before them where it may be shown. The message of an unknown key
 * is the list of the known ones, from which the nearest is chosen.
 */
import { z } from 'zod'

export const NAME_WANTED =
  'wanted a name: 1 to 128 of A-Za-z0-9._-, starting with a letter or digit'
const DURATION = /^(0|[1-9]\d{0,8})(ms|s|m|h)$/
const SIZE = /^([1-9]\d{0,8})(B|KiB|MiB|GiB)$/
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const SIZE_UNITS: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
/** Timers count to 2^31 ms; a day is enough for all that has no limit of its own. */
const MAX_DURATION_MS = 24 * 3_600_000

/** A map with known keys only. */
export function map<S extends z.core.$ZodLooseShape>(
  shape: S,
  description: string,
  wanted = 'a map of settings',
): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape).join(' ')
  return z
    .strictObject(shape, {
      error: (issue) => (issue.code === 'unrecognized_keys' ? known : `wanted ${wanted}`),
    })
    .meta({ description })
}

/** A list. */
export function list<T extends z.core.$ZodType>(item: T, wanted: string): z.ZodArray<T> {
  return z.array(item, { error: `wanted ${wanted}` })
}

/** Any string that is not empty; numbers and the like get told to be quoted. */
export function text(wanted = 'wanted a string', pattern?: RegExp): z.ZodString {
  const base = z.string({ error: (issue) => quoteHint(issue.input) ?? wanted })
  return pattern === undefined
    ? base.min(1, `${wanted}, not an empty one`)
    : base.regex(pattern, wanted)
}

/** A string that may be empty. */
export function anyText(): z.ZodString {
  return z.string({ error: (issue) => quoteHint(issue.input) ?? 'wanted a string' })
}

function quoteHint(input: unknown): string | undefined {
  if (typeof input === 'number') return 'YAML read this as a number, wanted a string: quote it'
  if (typeof input === 'boolean')
    return 'YAML read this as true or false, wanted a string: quote it'
  return undefined
}

/** A secret string; never shown. */
export function secret(description: string): z.ZodString {
  return text().meta({ description, secret: true })
}

/** A name of the operator's. */
export function name(what: string): z.ZodString {
  return text(NAME_WANTED, /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/).meta({ description: what })
}

/** A string that a function checks: it throws an error whose message begins with `wanted`. */
export function checkedText(
  wanted: string,
  parse: (value: string) => unknown,
  pattern?: RegExp,
): z.ZodString {
  return text(wanted, pattern).superRefine((value, context) => {
    if (value === '') return
    try {
      parse(value)
    } catch (error) {
      const message = error instanceof Error ? error.message : wanted
      context.addIssue({ code: 'custom', message })
    }
  })
}

/** Bounds of a duration, in milliseconds. */
interface DurationBounds {
  readonly minMs?: number
  readonly maxMs?: number
}

/** A duration; milliseconds once parsed. */
export function duration(
  description: string,
  bounds: DurationBounds = {},
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  const { minMs = 1, maxMs = MAX_DURATION_MS } = bounds
  const wanted = 'wanted a duration such as 500ms, 30s, 5m or 1h'
  return z
    .string({ error: wanted })
    .regex(DURATION, wanted)
    .transform((value, context) => {
      const milliseconds = measure(DURATION, DURATION_UNITS, value)
      if (milliseconds < minMs || milliseconds > maxMs) {
        const message = `wanted a duration from ${printDuration(minMs)} to ${printDuration(maxMs)}`
        context.addIssue({ code: 'custom', message })
      }
      return milliseconds
    })
    .meta({ description })
}

/** A size; bytes once parsed. */
export function size(
  description: string,
  minBytes: number,
  maxBytes: number,
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  const wanted = 'wanted a size such as 64KiB or 10MiB'
  return z
    .string({ error: wanted })
    .regex(SIZE, wanted)
    .transform((value, context) => {
      const bytes = measure(SIZE, SIZE_UNITS, value)
      if (bytes < minBytes || bytes > maxBytes) {
        const message = `wanted a size from ${printSize(minBytes)} to ${printSize(maxBytes)}`
        context.addIssue({ code: 'custom', message })
      }
      return bytes
    })
    .meta({ description })
}

function measure(pattern: RegExp, units: Record<string, number>, value: string): number {
  const [, digits = '', unit = ''] = pattern.exec(value) ?? []
  return Number(digits) * (units[unit] ?? Number.NaN)
}

function printDuration(milliseconds: number): string {
  const unit = ['h', 'm', 's'].find((each) => milliseconds % (DURATION_UNITS[each] ?? 1) === 0)
  if (unit === undefined || milliseconds === 0) return `${milliseconds}ms`
  return `${milliseconds / (DURATION_UNITS[unit] ?? 1)}${unit}`
}

function printSize(bytes: number): string {
  const unit = ['GiB', 'MiB', 'KiB'].find((each) => bytes % (SIZE_UNITS[each] ?? 1) === 0) ?? 'B'
  return `${bytes / (SIZE_UNITS[unit] ?? 1)}${unit}`
}

/** A whole number within bounds. */
export function integer(description: string, min: number, max: number): z.ZodInt {
  const wanted = `wanted a whole number from ${min} to ${max}`
  return z.int({ error: wanted }).min(min, wanted).max(max, wanted).meta({ description })
}

/** True or false; YAML 1.2 reads `yes` and `on` as words. */
export function flag(description: string): z.ZodBoolean {
  return z
    .boolean({
      error: (issue) =>
        typeof issue.input === 'string' && /^(?:yes|no|on|off|y|n)$/i.test(issue.input)
          ? 'wanted true or false (yes, no, on and off are words in YAML 1.2)'
          : 'wanted true or false',
    })
    .meta({ description })
}

/** One of a few words. */
export function choice<const W extends readonly [string, ...string[]]>(
  words: W,
  description: string,
): z.ZodEnum<{ [K in W[number]]: K }> {
  return z.enum(words, { error: `wanted one of ${words.join(', ')}` }).meta({ description })
}

/** Text, or a number or truth value whose spelling in the file is the text: `3600`, `true`. */
export function verbatim(): z.ZodUnion<[z.ZodString, z.ZodNumber, z.ZodBoolean]> {
  return z.union([z.string(), z.number(), z.boolean()], { error: 'wanted a string' })
}

const INSTANT =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** An instant (RFC 3339); milliseconds since 1970 once parsed. */
export function instant(
  description: string,
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  const wanted = 'wanted an instant such as 2027-01-31T00:00:00Z'
  return z
    .string({ error: wanted })
    .regex(INSTANT, wanted)
    .transform((value, context) => {
      const milliseconds = Date.parse(value)
      // `Date` rolls 31 February over into March.
      const day = new Date(`${value.slice(0, 10)}T00:00:00Z`)
      if (Number.isNaN(milliseconds) || !day.toISOString().startsWith(value.slice(0, 10))) {
        context.addIssue({ code: 'custom', message: wanted })
      }
      return milliseconds
    })
    .meta({ description })
}
