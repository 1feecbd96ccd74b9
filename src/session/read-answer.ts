/** What an answer of the API means for the session that was sent to it. */
import { takeSessionCookies } from './cookies.ts'
import { isExpiredAnswer } from './expiry.ts'
import type { Session } from './session.ts'

export interface ReadAnswer {
  /** The session is gone: see `SessionCache.expired`. */
  readonly isExpired: boolean
  /** For the app: without the session's cookies; the very list that was given where none is there. */
  readonly headers: readonly string[]
}

/**
 * Reads a final answer (not 1xx), before any of it goes to the app. `headers` is a flat list. Cookies
 * that renew the session are kept for the calls that follow, unless it is gone: what comes with a
 * redirect to the login is the session of a stranger.
 */
export function readAnswer(
  session: Session,
  status: number,
  headers: readonly string[],
): ReadAnswer {
  const { origin, cookieNames } = session
  const isGone = isExpired(session, status, headers)
  if (cookieNames.size === 0) return { isExpired: isGone, headers }
  const split = takeSessionCookies(headers, cookieNames)
  if (!isGone && split.taken.length > 0) origin.renewed(session, split.taken)
  return { isExpired: isGone, headers: split.headers }
}

/** Whether an answer means that the session is gone; nothing is kept of it. */
export function isExpired(session: Session, status: number, headers: readonly string[]): boolean {
  const { expiredWhen } = session.origin.settings
  const location = expiredWhen.location === undefined ? undefined : findLocation(headers)
  return isExpiredAnswer(expiredWhen, status, location)
}

function findLocation(headers: readonly string[]): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() === 'location') return headers[at + 1]
  }
  return undefined
}
