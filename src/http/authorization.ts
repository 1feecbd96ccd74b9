/**
 * Reads the value of an `Authorization` or `Proxy-Authorization` header: Basic credentials by RFC 7617,
 * strictly, so that one pair of username and password has one spelling.
 */
import { isUtf8 } from 'node:buffer'

/** What a Basic header carries. */
export interface BasicCredentials {
  readonly username: string
  /** The bytes of the password: valid UTF-8 without control characters. */
  readonly password: Buffer
}

/** Longer values are refused as malformed; tokens of a few KiB are used as passwords. */
const MAX_VALUE_CHARS = 8192
const SCHEME = 'basic'
const SPACE = 0x20
const DEL = 0x7f
const COLON = 0x3a

/** Whether the value (Latin-1, as on the wire) names the scheme Basic, in any case, well-formed or not. */
export function isBasic(value: string): boolean {
  for (let at = 0; at < SCHEME.length; at++) {
    if ((value.charCodeAt(at) | 0x20) !== SCHEME.charCodeAt(at)) return false
  }
  return value.length === SCHEME.length || value.charCodeAt(SCHEME.length) === SPACE
}

/**
 * Gives the credentials of `Basic BASE64`, or `undefined` when the value is anything else: base64 must
 * be canonical with its padding, the bytes UTF-8 without control characters (HMAC pads with zeros:
 * `secret` and `secret\0` hash alike), and the first colon splits.
 */
export function parseBasic(value: string): BasicCredentials | undefined {
  if (value.length > MAX_VALUE_CHARS || !isBasic(value)) return undefined
  let start = SCHEME.length
  while (value.charCodeAt(start) === SPACE) start++
  const encoded = value.slice(start)
  const bytes = Buffer.from(encoded, 'base64')
  // Node's decoder skips what is not base64, so that only a round trip tells.
  if (bytes.toString('base64') !== encoded) return undefined
  const colon = bytes.indexOf(COLON)
  if (colon === -1 || hasControls(bytes) || !isUtf8(bytes)) return undefined
  return { username: bytes.toString('utf8', 0, colon), password: bytes.subarray(colon + 1) }
}

function hasControls(bytes: Buffer): boolean {
  for (const byte of bytes) {
    if (byte < SPACE || byte === DEL) return true
  }
  return false
}
