/**
 * What a command is: its manual and what runs it. The manual is the one place where options are
 * declared: help, parsing and the suggestions for misspelt options all read it.
 */
import { parseArgs } from 'node:util'
import { findNearest } from '../config/nearest.ts'

/** One option of a command. */
export interface OptionManual {
  /** A `flag` is there or not, a `value` is given once, a `list` may be repeated. */
  readonly kind: 'flag' | 'value' | 'list'
  /** One letter, for the short form. */
  readonly short?: string
  /** The word for the value in the help, `PATH` for instance. */
  readonly value?: string
  /** What it is for, half a sentence. */
  readonly text: string
}

/** `--config` of the commands that read the configuration. */
export const configOption = {
  kind: 'list',
  short: 'c',
  value: 'PATH',
  text: 'a configuration file or a directory of them; may be repeated',
} as const satisfies OptionManual

/** The options of a command by long name, without the dashes. */
export type OptionManuals = Readonly<Record<string, OptionManual>>

/** Everything that `--help` prints about a command, and what its arguments are parsed by. */
export interface Manual<O extends OptionManuals = OptionManuals> {
  readonly name: string
  /** What follows `sidegate NAME ` on the usage line. */
  readonly usage: string
  /** What it does, in whole sentences. */
  readonly about: string
  readonly options: O
  /** Pairs of a command line and what it does. */
  readonly examples: readonly (readonly [line: string, text: string])[]
  /** Set where an argument may be a secret: messages then never repeat what was typed. */
  readonly argumentsMayBeSecret?: boolean
}

/** A command that the table of `commands.ts` can load. */
export interface Command {
  readonly manual: Manual
  /** Runs with the arguments after the command's name; gives the exit code. */
  run(args: readonly string[]): Promise<number>
}

/** Option values as the manual declares them. */
export type Values<O extends OptionManuals> = {
  readonly [K in keyof O]: O[K]['kind'] extends 'flag'
    ? boolean
    : O[K]['kind'] extends 'list'
      ? readonly string[]
      : string | undefined
}

/** The command line is wrong: one line on stderr and exit code 2. */
export class UsageError extends Error {}

/** Something that is not a bug went wrong: one line on stderr and exit code 1. */
export class CommandError extends Error {}

/** Keeps the literal types of a manual, so that `parseOptions` knows its options. */
export function defineManual<const O extends OptionManuals>(manual: Manual<O>): Manual<O> {
  return manual
}

/** Parses the arguments of a command by its manual; throws `UsageError` with a suggestion. */
export function parseOptions<O extends OptionManuals>(
  manual: Manual<O>,
  args: readonly string[],
): { values: Values<O>; positionals: readonly string[] } {
  const found = new Map<string, string[]>()
  const positionals: string[] = []
  const { tokens } = parseArgs({
    args: [...args],
    options: toParserOptions(manual.options),
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const value = checkOption(manual, token)
    found.set(token.name, [...(found.get(token.name) ?? []), value])
  }
  return { values: toValues(manual.options, found), positionals }
}

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}

function checkOption(manual: Manual, token: OptionToken): string {
  const option = Object.hasOwn(manual.options, token.name) ? manual.options[token.name] : undefined
  if (option === undefined) {
    if (manual.argumentsMayBeSecret) throw new UsageError('unknown option')
    const hint = suggest(token.name, Object.keys(manual.options), '--')
    throw new UsageError(`unknown option "${token.rawName}"${hint}`)
  }
  if (option.kind === 'flag') {
    if (token.inlineValue) throw new UsageError(`${token.rawName} takes no value`)
    return ''
  }
  const wanted = option.value ?? 'VALUE'
  const { value } = token
  if (value === undefined || (!token.inlineValue && /^-./.test(value))) {
    throw new UsageError(`${token.rawName} needs a value, as in ${token.rawName} ${wanted}`)
  }
  return value
}

function toParserOptions(options: OptionManuals) {
  return Object.fromEntries(
    Object.entries(options).map(([name, { kind, short }]) => [
      name,
      {
        type: kind === 'flag' ? ('boolean' as const) : ('string' as const),
        ...(short === undefined ? {} : { short }),
      },
    ]),
  )
}

function toValues<O extends OptionManuals>(
  options: O,
  found: ReadonlyMap<string, readonly string[]>,
): Values<O> {
  const entries = Object.entries(options).map(([name, { kind }]) => {
    const given = found.get(name) ?? []
    if (kind === 'flag') return [name, given.length > 0]
    if (kind === 'list') return [name, given]
    if (given.length > 1) throw new UsageError(`--${name} is given twice`)
    return [name, given[0]]
  })
  return Object.fromEntries(entries) as Values<O>
}

/** Throws `UsageError` unless there are exactly as many positionals as the usage line names. */
export function expectPositionals(
  manual: Manual,
  positionals: readonly string[],
  names: readonly string[],
): void {
  const missing = names[positionals.length]
  if (missing !== undefined) throw new UsageError(`${missing} is missing`)
  const extra = positionals[names.length]
  if (extra === undefined) return
  throw new UsageError(`unexpected argument${manual.argumentsMayBeSecret ? '' : ` "${extra}"`}`)
}

/** `; did you mean "x"?`, or nothing where no candidate is near. */
export function suggest(given: string, candidates: readonly string[], prefix = ''): string {
  const nearest = findNearest(given, candidates)
  return nearest === undefined ? '' : `; did you mean "${prefix}${nearest}"?`
}
