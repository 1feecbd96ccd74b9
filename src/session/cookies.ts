/**
 * The cookies of a session among those of the app: added to what goes out, kept out of what comes
 * back. Names are compared in any case, since some services know no difference.
 */
import { nameOfSetCookie, trimBlanks } from './set-cookie.ts'
import type { Pairs } from './settings.ts'

/**
 * The one `Cookie` header of a request: the app's own cookies as they are, without those that share
 * a name with the session's, and then the session's. `''` where there is none of either.
 */
export function mergeCookies(
  ofApp: readonly string[],
  ofSession: Pairs,
  names: ReadonlySet<string>,
): string {
  let merged = ''
  for (const header of ofApp) {
    for (const item of header.split(';')) {
      const pair = trimBlanks(item)
      if (pair === '' || names.has(nameOfSetCookie(pair).toLowerCase())) continue
      merged += merged === '' ? pair : `; ${pair}`
    }
  }
  for (const [name, value] of ofSession) {
    merged += merged === '' ? `${name}=${value}` : `; ${name}=${value}`
  }
  return merged
}

/** What an answer is without the session's cookies, and those. */
export interface SplitHeaders {
  /** Flat list; the very one that was given where nothing is taken out. */
  readonly headers: readonly string[]
  /** Values of the `Set-Cookie` headers that were taken out, in their order. */
  readonly taken: readonly string[]
}

const NONE: readonly string[] = []

/** Takes the session's cookies out of the headers of an answer; `names` in lower case. */
export function takeSessionCookies(
  headers: readonly string[],
  names: ReadonlySet<string>,
): SplitHeaders {
  let taken: string[] | undefined
  let kept: string[] | undefined
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (isSetCookie(name) && names.has(nameOfSetCookie(value).toLowerCase())) {
      kept ??= headers.slice(0, at)
      taken ??= []
      taken.push(value)
    } else {
      kept?.push(name, value)
    }
  }
  return { headers: kept ?? headers, taken: taken ?? NONE }
}

/** `Set-Cookie2` (RFC 2965) is dead, and still read by some clients. */
function isSetCookie(name: string): boolean {
  if (name.length !== 10 && name.length !== 11) return false
  const lower = name.toLowerCase()
  return lower === 'set-cookie' || lower === 'set-cookie2'
}
