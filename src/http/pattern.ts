/**
 * The grammar of paths in channels and outgoing connections: literal segments, `{name}` for one
 * segment that is not empty, a last `*` for everything below. Literals are compared in one canonical
 * spelling, so that `a:b` and `a%3Ab`, which are one resource to nearly every service, are one here.
 */
import {
  DOUBLE_ENCODING,
  EMPTY_SEGMENT,
  ENCODED_SLASH,
  PATH_PARAMETER,
  escapedByte,
  guardTarget,
} from './path.ts'

/** A parsed path rule. */
export interface PathPattern {
  /** The rule, normalised as request paths are. */
  readonly text: string
  /** Literals in canonical spelling; `undefined` stands for `{name}`. A final slash is a last `''`. */
  readonly segments: readonly (string | undefined)[]
  /** Whether a last `*` takes everything below, and the prefix itself. */
  readonly hasRest: boolean
}

/** How paths are compared. */
export interface PathComparison {
  readonly caseInsensitive: boolean
}

const caseSensitive: PathComparison = { caseInsensitive: false }

const oddityProblems = [
  [ENCODED_SLASH, 'an encoded slash or backslash', 'encoded_slashes'],
  [EMPTY_SEGMENT, 'an empty segment', 'empty_segments'],
  [PATH_PARAMETER, 'a semicolon', 'path_parameters'],
  [DOUBLE_ENCODING, 'a doubly encoded character', 'double_encoding'],
] as const

/**
 * Reads a path rule; throws an `Error` that says what was wanted. `allowed` is the bit set of
 * oddities that the rule's owner allows (`allowedOddities`): without them such a path never arrives.
 */
export function parsePattern(path: string, allowed = 0): PathPattern {
  if (!path.startsWith('/')) fail(path, 'wanted a path that starts with /')
  if (/[?#]/.test(path)) fail(path, 'wanted a path without query and fragment')
  const guarded = guardTarget(encodeLiterals(path))
  if (guarded === undefined) {
    fail(
      path,
      'wanted a path without backslash, control character, malformed percent-encoding and dot segment',
    )
  }
  for (const [oddity, what, setting] of oddityProblems) {
    if ((guarded.oddities & ~allowed & oddity) === 0) continue
    fail(path, `${what} is never let through, wanted a path without it or ${setting}: true`)
  }
  const parts = guarded.path.slice(1).split('/')
  const hasRest = parts.at(-1) === '*'
  if (hasRest) parts.pop()
  const segments = parts.map((part) => parseSegment(part, path))
  return { text: guarded.path, segments, hasRest }
}

/**
 * Whether two rules have equal rank (segment by segment literal over `{name}` over `*`) and some path
 * matches both: nothing then tells which of them it takes.
 */
export function overlaps(a: PathPattern, b: PathPattern, options: PathComparison): boolean {
  if (a.hasRest !== b.hasRest || a.segments.length !== b.segments.length) return false
  return a.segments.every((segment, at) => isSameSegment(segment, b.segments[at], options))
}

/** Whether every path that `b` matches is matched by `a` too. */
export function contains(
  a: PathPattern,
  b: PathPattern,
  options: PathComparison = caseSensitive,
): boolean {
  if (a.segments.length > b.segments.length) return false
  if (!a.hasRest && (b.hasRest || a.segments.length < b.segments.length)) return false
  return a.segments.every((segment, at) => {
    const other = b.segments[at]
    return segment === undefined ? other !== '' : isSameSegment(segment, other, options)
  })
}

/** Whether a path (the `path` of a `GuardedTarget`) matches a rule. */
export function matches(
  pattern: PathPattern,
  path: string,
  options: PathComparison = caseSensitive,
): boolean {
  const parts = decodeReserved(path).slice(1).split('/')
  if (parts.length < pattern.segments.length) return false
  if (!pattern.hasRest && parts.length > pattern.segments.length) return false
  return pattern.segments.every((segment, at) => {
    const part = parts[at] ?? ''
    return segment === undefined ? part !== '' : isSameSegment(segment, part, options)
  })
}

const isReservedByte = new Uint8Array(128).map((_, byte) => {
  const isPrintable = byte >= 0x20 && byte < 0x7f
  return isPrintable && /[^A-Za-z0-9._~\-/\\%;?#]/.test(String.fromCharCode(byte)) ? 1 : 0
})

/** Whether a literal holds a character that clients may send encoded or bare. */
export function hasReserved(literal: string): boolean {
  for (let at = 0; at < literal.length; at++) {
    if (isReservedByte[literal.charCodeAt(at)] === 1) return true
  }
  return false
}

/**
 * Decodes the escapes of printable ASCII that the guard left: sub-delimiters, `:`, `@`, blanks and
 * the like. Never slashes, percent signs, `;`, `?` and `#`, whose escapes mean something else.
 * Without this a rule for `/v1/jobs:cancel` would be walked around with `/v1/jobs%3Acancel`.
 */
export function decodeReserved(path: string): string {
  let percentAt = path.indexOf('%')
  if (percentAt === -1) return path
  let decoded = ''
  let from = 0
  for (; percentAt !== -1; percentAt = path.indexOf('%', percentAt + 1)) {
    const byte = escapedByte(path, percentAt)
    if (isReservedByte[byte] !== 1) continue
    decoded += path.slice(from, percentAt) + String.fromCharCode(byte)
    from = percentAt + 3
  }
  return from === 0 ? path : decoded + path.slice(from)
}

/**
 * One spelling for all letter cases of a path, as Windows compares names: ASCII, and encoded
 * characters one by one; none becomes several, and none but ASCII letters meets an ASCII letter.
 */
export function foldCase(path: string): string {
  const lower = path.toLowerCase()
  return lower.includes('%') ? lower.replace(/(?:%[89a-f][0-9a-f])+/g, foldEscapes) : lower
}

function foldEscapes(escapes: string): string {
  let folded = ''
  for (const char of Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8')) {
    const upper = char.toUpperCase()
    // What becomes an ASCII capital by this (the long s) meets none: those are in lower case by now.
    folded += upper.length === char.length ? upper : char
  }
  return folded
}

function isSameSegment(
  a: string | undefined,
  b: string | undefined,
  options: PathComparison,
): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || !options.caseInsensitive) return false
  return foldCase(a) === foldCase(b)
}

function parseSegment(part: string, path: string): string | undefined {
  if (part.startsWith('{') && part.endsWith('}')) {
    if (!/^\{[A-Za-z0-9_-]+\}$/.test(part)) {
      fail(path, `wanted a name of A-Za-z0-9_- between the braces of "${part}"`)
    }
    return undefined
  }
  if (part.includes('*')) fail(path, 'wanted * only as the whole last segment, or %2A for the star')
  if (/[{}]/.test(part)) {
    fail(path, 'wanted {name} only as a whole segment, or %7B and %7D for the braces')
  }
  return decodeReserved(part)
}

/** People write blanks and letters of their language as they are; on the wire they are escaped. */
function encodeLiterals(path: string): string {
  if (/\p{Surrogate}/u.test(path)) fail(path, 'wanted valid Unicode')
  return path.replace(/[ \u0080-\u{10ffff}]/gu, encodeURIComponent)
}

function fail(path: string, wanted: string): never {
  throw new Error(`cannot read path "${path}": ${wanted}`)
}
