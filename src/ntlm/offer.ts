/** What a server offers in `WWW-Authenticate` or `Proxy-Authenticate` (RFC 9110, section 11.6.1). */
import { MAX_CHALLENGE_BYTES } from './messages.ts'

/** In base64. */
const MAX_TOKEN_LENGTH = 4 * Math.ceil(MAX_CHALLENGE_BYTES / 3)
/** Schemes that are named to people, and no more of them than this. */
const MAX_SCHEMES = 16
const MAX_SCHEME_LENGTH = 64
/** A scheme, alone or before what belongs to it; with `=` behind, it is a parameter of the one before. */
const CHALLENGE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]+(?![ \t=])(.*))?$/

export interface Offer {
  /** In lower case, in the order of the lines. */
  readonly schemes: readonly string[]
  /** The challenges that came with a token, by their scheme; a token that is no base64 is none. */
  readonly tokens: Readonly<Partial<Record<'NTLM' | 'Negotiate', Buffer>>>
}

/** Reads the challenges of a flat list of raw headers; `headerName` is in lower case. */
export function readOffer(raw: readonly Buffer[], headerName: string): Offer {
  const schemes = new Set<string>()
  const tokens: Partial<Record<'NTLM' | 'Negotiate', Buffer>> = {}
  for (const value of valuesOf(raw, headerName)) {
    for (const { scheme, rest } of readChallenges(value)) {
      if (schemes.size < MAX_SCHEMES && scheme.length <= MAX_SCHEME_LENGTH) schemes.add(scheme)
      const known = nameOf(scheme)
      const token = known === undefined ? undefined : readToken(rest)
      if (known !== undefined && token !== undefined) tokens[known] ??= token
    }
  }
  return { schemes: [...schemes], tokens }
}

/** Whether a header holds a challenge of NTLM's, which is between the server and us. */
export function isNtlmChallenge(
  name: Buffer | undefined,
  value: Buffer | undefined,
  headerName: string,
): boolean {
  if (!isNamed(name, headerName) || value === undefined) return false
  return readChallenges(value.toString('latin1')).some(({ scheme }) => nameOf(scheme) !== undefined)
}

function nameOf(scheme: string): 'NTLM' | 'Negotiate' | undefined {
  if (scheme === 'ntlm') return 'NTLM'
  return scheme === 'negotiate' ? 'Negotiate' : undefined
}

function* valuesOf(raw: readonly Buffer[], headerName: string): Generator<string> {
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (isNamed(raw[at], headerName)) yield raw[at + 1]?.toString('latin1') ?? ''
  }
}

function isNamed(name: Buffer | undefined, headerName: string): boolean {
  return name?.length === headerName.length && name.toString('latin1').toLowerCase() === headerName
}

interface SchemeChallenge {
  /** In lower case. */
  readonly scheme: string
  /** The token, or the first parameter. */
  readonly rest: string
}

function readChallenges(value: string): SchemeChallenge[] {
  const challenges: SchemeChallenge[] = []
  for (const part of splitAtCommas(value)) {
    const [, scheme, rest = ''] = CHALLENGE.exec(part) ?? []
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), rest })
  }
  return challenges
}

/**
 * The parts between commas outside of quoted strings. What follows a quote that never ends belongs to
 * nobody. One pass: a value full of quotes must not take the square of its length.
 */
function splitAtCommas(value: string): string[] {
  const parts: string[] = []
  let isQuoted = false
  let start = 0
  for (let at = 0; at < value.length; at++) {
    const char = value.charAt(at)
    if (isQuoted && char === '\\') at += 1
    else if (char === '"') isQuoted = !isQuoted
    else if (char === ',' && !isQuoted) {
      parts.push(value.slice(start, at).trim())
      start = at + 1
    }
  }
  if (!isQuoted) parts.push(value.slice(start).trim())
  return parts
}

/** Strictly: one spelling of the bytes, with its padding. */
function readToken(token: string): Buffer | undefined {
  if (token === '' || token.length > MAX_TOKEN_LENGTH) return undefined
  const bytes = Buffer.from(token, 'base64')
  // Node's decoder skips what is not base64, so that only a round trip tells.
  return bytes.toString('base64') === token ? bytes : undefined
}
