/** What a server offers in `WWW-Authenticate` or `Proxy-Authenticate` (RFC 9110, section 11.6.1). */

/** A token is about 400 characters; more than this is none. */
const MAX_TOKEN_LENGTH = 88 * 1024
/** Schemes that are named to people, and no more of them than this. */
const MAX_SCHEMES = 16
const SCHEME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const TOKEN68 = /^[A-Za-z0-9+/]+={0,2}$/

export interface Offer {
  /** In lower case, in the order of the lines. */
  readonly schemes: readonly string[]
  /** The challenges that came with a token, by their scheme. */
  readonly tokens: Readonly<Partial<Record<'NTLM' | 'Negotiate', Buffer>>>
}

/** Reads the challenges of a flat list of raw headers; `headerName` is in lower case. */
export function readOffer(raw: readonly Buffer[], headerName: string): Offer {
  const schemes = new Set<string>()
  const tokens: Partial<Record<'NTLM' | 'Negotiate', Buffer>> = {}
  for (const value of valuesOf(raw, headerName)) {
    for (const challenge of splitChallenges(value)) {
      const [scheme = '', token, ...more] = challenge.split(/[ \t]+/)
      if (!SCHEME.test(scheme)) continue
      const lower = scheme.toLowerCase()
      if (schemes.size < MAX_SCHEMES) schemes.add(lower)
      const known = lower === 'ntlm' ? 'NTLM' : lower === 'negotiate' ? 'Negotiate' : undefined
      if (known === undefined || token === undefined || more.length > 0) continue
      const bytes = readToken(token)
      if (bytes !== undefined) tokens[known] ??= bytes
    }
  }
  return { schemes: [...schemes], tokens }
}

/** Whether a header is a challenge of NTLM's, which is between the server and us. */
export function isNtlmChallenge(
  name: Buffer | undefined,
  value: Buffer | undefined,
  headerName: string,
): boolean {
  if (name?.length !== headerName.length) return false
  if (name.toString('latin1').toLowerCase() !== headerName) return false
  return /^(?:ntlm|negotiate)(?:[ \t]|$)/i.test(value?.toString('latin1') ?? '')
}

function* valuesOf(raw: readonly Buffer[], headerName: string): Generator<string> {
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]
    if (name?.length !== headerName.length) continue
    if (name.toString('latin1').toLowerCase() === headerName) {
      yield raw[at + 1]?.toString('latin1').trim() ?? ''
    }
  }
}

/** Splits at commas outside of quoted strings; parameters come out as what no scheme looks like. */
function splitChallenges(value: string): string[] {
  const parts = value.match(/(?:"(?:[^"\\]|\\.)*"|[^",])+/g) ?? []
  return parts.map((part) => part.trim())
}

function readToken(token: string): Buffer | undefined {
  if (token.length > MAX_TOKEN_LENGTH || token.length % 4 !== 0 || !TOKEN68.test(token)) {
    return undefined
  }
  return Buffer.from(token, 'base64')
}
