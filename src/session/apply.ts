/**
 * What a session puts into requests: rendered after the login, and again where the API renews one of
 * its cookies.
 */
import { MAX_VALUE_LENGTH } from './extract.ts'
import { parseSetCookie } from './set-cookie.ts'
import type { Applied } from './session.ts'
import type { Extraction, SessionSettings } from './settings.ts'
import { findCookieFault, renderCookies, renderHeaders, type Values } from './template.ts'

/** Rendered from the values of a login; throws `UnfitValue` where it cannot be sent. */
export function applyValues({ apply }: SessionSettings, values: Values): Applied {
  const cookies = renderCookies(apply.cookies, values)
  return {
    headers: renderHeaders(apply.headers, values),
    cookies: cookies.map(([name, value]) => [name, values.get(keyOf(name)) ?? value] as const),
  }
}

/** In lower case: the cookies that a session sends, and those that it was made of. */
export function cookieNamesOf(settings: SessionSettings): ReadonlySet<string> {
  const names = settings.apply.cookies.map(([name]) => name)
  for (const [, source] of extractionOf(settings)) {
    if (source.startsWith('cookie:')) names.push(source.slice('cookie:'.length))
  }
  return new Set(names.map((name) => name.toLowerCase()))
}

/**
 * The values after an answer of the API that set cookies of the session; `undefined` where nothing is
 * new. A cookie that is deleted stays as it was: that a session has ended is for `expired_when`.
 */
export function renewValues(
  settings: SessionSettings,
  values: Values,
  setCookies: readonly string[],
  nowMs: number,
): Values | undefined {
  const cookies = readCookies(setCookies, nowMs)
  const next = new Map(values)
  for (const [name, source] of extractionOf(settings)) {
    const value = source.startsWith('cookie:') && cookies.get(source.slice('cookie:'.length))
    if (value) next.set(name, value)
  }
  for (const [name] of settings.apply.cookies) {
    const value = cookies.get(name)
    // Whatever the template says: this is what the API wants it to be from now on.
    if (value !== undefined) next.set(keyOf(name), value)
  }
  const isNew = [...next].some(([name, value]) => values.get(name) !== value)
  return isNew ? next : undefined
}

function readCookies(setCookies: readonly string[], nowMs: number): Map<string, string> {
  const cookies = new Map<string, string>()
  for (const header of setCookies) {
    const cookie = parseSetCookie(header, nowMs)
    if (cookie === undefined) continue
    const { name, value, isDeleted } = cookie
    if (isDeleted) cookies.delete(name)
    else if (value.length <= MAX_VALUE_LENGTH && findCookieFault(value) === undefined) {
      cookies.set(name, value)
    }
  }
  return cookies
}

function extractionOf({ extract, steps }: SessionSettings): Extraction {
  return [...extract, ...steps.flatMap((step) => step.extract)]
}

/** No name of a template has a colon. */
function keyOf(cookie: string): string {
  return `cookie:${cookie}`
}
