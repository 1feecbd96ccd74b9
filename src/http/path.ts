/**
 * The path guard: refuses targets that two programs could read differently, and gives the view of
 * the path that rules are matched against. What the upstream gets is always the client's own bytes.
 * Four oddities are only reported, since a channel or connection may allow them; dot segments,
 * controls, `#`, `\`, malformed escapes and invalid UTF-8 are never let through.
 */
import { isUtf8 } from 'node:buffer'

/** A slash or backslash that was percent-encoded; allowed by `encoded_slashes`. */
export const ENCODED_SLASH = 1
/** `//`, also where one of the slashes was encoded; allowed by `empty_segments`. */
export const EMPTY_SEGMENT = 2
/** A `;`, encoded or not; allowed by `path_parameters`. */
export const PATH_PARAMETER = 4
/** A percent sign with two hex digits behind it after one decoding; allowed by `double_encoding`. */
export const DOUBLE_ENCODING = 8

/** A target that passed the guard. */
export interface GuardedTarget {
  /** The path exactly as received. */
  readonly rawPath: string
  /** The query exactly as received: `''`, or with its `?`. */
  readonly rawQuery: string
  /** For matching: unreserved characters decoded, hex digits in upper case (RFC 3986 6.2.2). */
  readonly path: string
  /** Bit set of what a rule must allow explicitly. */
  readonly oddities: number
}

/** Beyond this depth nobody has a reason to nest escapes, and decoding on would be quadratic. */
const MAX_DECODINGS = 4

const DOT_SEGMENT = -1

const SLASH = 0x2f
const BACKSLASH = 0x5c
const PERCENT = 0x25
const SEMICOLON = 0x3b
const DOT = 0x2e
const QUESTION_MARK = 0x3f

const PLAIN = 0
const REFUSED = 1
const NEEDS_LOOK = 2
const IS_SLASH = 3
const IS_QUERY = 4

const kindOfByte = new Uint8Array(256).map((_, byte) => {
  if (byte <= 0x20 || byte >= 0x7f || byte === 0x23 || byte === BACKSLASH) return REFUSED
  if (byte === PERCENT || byte === SEMICOLON) return NEEDS_LOOK
  if (byte === SLASH) return IS_SLASH
  return byte === QUESTION_MARK ? IS_QUERY : PLAIN
})

const isUnreservedByte = new Uint8Array(256).map((_, byte) =>
  /[A-Za-z0-9._~-]/.test(String.fromCharCode(byte)) ? 1 : 0,
)

const NOT_HEX = 0xff
const hexValue = new Uint8Array(256).map((_, byte) => {
  const digit = String.fromCharCode(byte)
  return /[0-9A-Fa-f]/.test(digit) ? parseInt(digit, 16) : NOT_HEX
})

/**
 * Judges a target in origin-form; `undefined` means that it must be refused (`path_rejected`). The
 * `oddities` of the answer must be compared with what the chosen rule allows.
 */
export function guardTarget(target: string): GuardedTarget | undefined {
  if (target.charCodeAt(0) !== SLASH) return undefined
  const length = target.length
  let isPlain = true
  let end = 0
  for (; end < length; end++) {
    const code = target.charCodeAt(end)
    const kind = code > 0xff ? REFUSED : kindOfByte[code]
    if (kind === PLAIN) continue
    if (kind === REFUSED) return undefined
    if (kind === IS_QUERY) break
    if (kind === IS_SLASH) {
      const next = target.charCodeAt(end + 1)
      if (next !== SLASH && next !== DOT) continue
    }
    isPlain = false
  }
  for (let at = end; at < length; at++) {
    const code = target.charCodeAt(at)
    // The query plays no part, but where it ends, and thereby the target, must be beyond doubt.
    if (code > 0xff || (kindOfByte[code] === REFUSED && code !== BACKSLASH)) return undefined
  }
  const rawPath = end === length ? target : target.slice(0, end)
  const rawQuery = end === length ? '' : target.slice(end)
  return isPlain ? { rawPath, rawQuery, path: rawPath, oddities: 0 } : guardOdd(rawPath, rawQuery)
}

/** The bit set of oddities that a channel or an outgoing connection allows. */
export function allowedOddities(rule: {
  readonly encodedSlashes: boolean
  readonly emptySegments: boolean
  readonly pathParameters: boolean
  readonly doubleEncoding: boolean
}): number {
  return (
    (rule.encodedSlashes ? ENCODED_SLASH : 0) |
    (rule.emptySegments ? EMPTY_SEGMENT : 0) |
    (rule.pathParameters ? PATH_PARAMETER : 0) |
    (rule.doubleEncoding ? DOUBLE_ENCODING : 0)
  )
}

/** The byte that the two characters behind a percent sign stand for; -1 where they are not hex. */
export function escapedByte(text: string, percentAt: number): number {
  // Behind the end charCodeAt is NaN, and what is not in the table is undefined.
  const high = hexValue[text.charCodeAt(percentAt + 1)] ?? NOT_HEX
  const low = hexValue[text.charCodeAt(percentAt + 2)] ?? NOT_HEX
  return high === NOT_HEX || low === NOT_HEX ? -1 : high * 16 + low
}

/** The thorough way, for paths with escapes, parameters, empty segments or dots behind a slash. */
function guardOdd(rawPath: string, rawQuery: string): GuardedTarget | undefined {
  const decoded = Buffer.allocUnsafe(rawPath.length)
  const view = Buffer.allocUnsafe(rawPath.length)
  let decodedLength = 0
  let viewLength = 0
  let oddities = 0
  for (let at = 0; at < rawPath.length; at++) {
    const code = rawPath.charCodeAt(at)
    if (code !== PERCENT) {
      decoded[decodedLength++] = code
      view[viewLength++] = code
      continue
    }
    const byte = escapedByte(rawPath, at)
    if (byte < 0x20 || byte === 0x7f) return undefined
    if (byte === SLASH || byte === BACKSLASH) oddities |= ENCODED_SLASH
    decoded[decodedLength++] = byte
    if (isUnreservedByte[byte] === 1) {
      view[viewLength++] = byte
    } else {
      view[viewLength++] = PERCENT
      view[viewLength++] = upperCased(rawPath.charCodeAt(at + 1))
      view[viewLength++] = upperCased(rawPath.charCodeAt(at + 2))
    }
    at += 2
  }
  const found = inspectLevels(decoded.subarray(0, decodedLength))
  if (found === DOT_SEGMENT) return undefined
  const path = decodedLength === rawPath.length ? rawPath : view.toString('latin1', 0, viewLength)
  return { rawPath, rawQuery, path, oddities: oddities | found }
}

function upperCased(code: number): number {
  return code >= 0x61 ? code - 0x20 : code
}

/**
 * The oddities after one decoding; `DOT_SEGMENT` where a dot segment, or text that is not UTF-8,
 * shows at this or any deeper decoding: a service behind a rule with `double_encoding` decodes again.
 */
function inspectLevels(bytes: Buffer): number {
  let level = bytes
  let oddities = 0
  for (let decodings = 1; decodings <= MAX_DECODINGS; decodings++) {
    if (!isText(level)) return DOT_SEGMENT
    const found = inspectSegments(level)
    if (found === DOT_SEGMENT) return DOT_SEGMENT
    if (decodings === 1) oddities = found
    if ((found & DOUBLE_ENCODING) === 0) return oddities
    level = decodeAgain(level)
  }
  return DOT_SEGMENT
}

/** Valid UTF-8 (no overlong forms, no surrogates) and free of C1 controls, which are U+0080 to U+009F. */
function isText(bytes: Buffer): boolean {
  let isAscii = true
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    if (byte < 0x80) continue
    isAscii = false
    if (byte === 0xc2 && (bytes[at + 1] ?? 0) < 0xa0) return false
  }
  return isAscii || isUtf8(bytes)
}

/** Looks at a decoded path segment by segment; `/` and `\` both separate. */
function inspectSegments(bytes: Buffer): number {
  let oddities = 0
  let start = 1
  let nameEnd = -1
  for (let at = 1; at <= bytes.length; at++) {
    const byte = at === bytes.length ? SLASH : bytes[at]
    if (byte === SEMICOLON) {
      oddities |= PATH_PARAMETER
      if (nameEnd === -1) nameEnd = at
    } else if (byte === PERCENT) {
      if (isHexByte(bytes[at + 1]) && isHexByte(bytes[at + 2])) oddities |= DOUBLE_ENCODING
    } else if (byte === SLASH || byte === BACKSLASH) {
      // Servlet containers cut `;…` off before they resolve dots: `..;x` is `..` to them.
      const length = (nameEnd === -1 ? at : nameEnd) - start
      if (isDotSegment(bytes, start, length)) return DOT_SEGMENT
      if (length === 0 && at < bytes.length) oddities |= EMPTY_SEGMENT
      start = at + 1
      nameEnd = -1
    }
  }
  return oddities
}

function isDotSegment(bytes: Buffer, start: number, length: number): boolean {
  if (length !== 1 && length !== 2) return false
  return bytes[start] === DOT && (length === 1 || bytes[start + 1] === DOT)
}

function isHexByte(byte: number | undefined): boolean {
  return byte !== undefined && hexValue[byte] !== NOT_HEX
}

/** Decodes what is a valid escape and keeps the rest, as lenient decoders do. */
function decodeAgain(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  const decoded = Buffer.allocUnsafe(bytes.length)
  let length = 0
  for (let at = 0; at < text.length; at++) {
    const byte = text.charCodeAt(at) === PERCENT ? escapedByte(text, at) : -1
    decoded[length++] = byte === -1 ? text.charCodeAt(at) : byte
    if (byte !== -1) at += 2
  }
  return decoded.subarray(0, length)
}
