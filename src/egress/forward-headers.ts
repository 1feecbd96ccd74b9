/**
 * The headers of a request on its way out: what ends here is removed, what the connection sets is set,
 * and exactly one credential leaves. A signature is added by whoever knows the whole request.
 */
import type { RawHeaders } from '../http/exchange.ts'
import { findName, findNominated, foldName, ROLE } from '../http/headers.ts'
import { mergeCookies } from '../session/cookies.ts'
import type { Credential } from './injector.ts'

/** What a connection does to headers; built once for each generation. */
export interface HeaderRules {
  /** Folded names of the headers that the definition owns. */
  readonly slots: ReadonlySet<string>
  /** Flat list that is set on every request. */
  readonly set: RawHeaders
  /** Folded names of `set`. */
  readonly setNames: ReadonlySet<string>
}

/** For hosts that no connection names. */
export const NO_RULES: HeaderRules = { slots: new Set(), set: [], setNames: new Set() }

export function createHeaderRules(
  slots: readonly string[],
  headers: readonly (readonly [string, string])[],
): HeaderRules {
  return {
    slots: new Set(slots.map(foldName)),
    set: headers.flat(),
    setNames: new Set(headers.map(([name]) => foldName(name))),
  }
}

export interface OutgoingHeaders {
  readonly names: readonly string[]
  readonly headers: RawHeaders
  readonly rules: HeaderRules
  /** `undefined`: the app's own stays, whatever it is. */
  readonly credential: Credential | undefined
  /** The value of `Host`. */
  readonly authority: string
  /** Our pseudonym for `Via`. */
  readonly pseudonym: string
}

/** Gives a fresh flat list, without framing headers. */
export function forwardHeaders(outgoing: OutgoingHeaders): string[] {
  const { names, headers, rules, credential } = outgoing
  const nominated = findNominated(names, headers)
  const sent: string[] = ['Host', outgoing.authority]
  const session = credential?.session
  // Only where cookies of ours come beside the app's.
  const cookies: string[] | undefined = session?.cookieNames.size ? [] : undefined
  for (let at = 0; at < names.length; at++) {
    const name = headers[2 * at] ?? ''
    const lower = names[at] ?? ''
    const known = findName(name)
    if (known === undefined || known.isHopByHop || known.role !== ROLE.OTHER) {
      if (known?.role !== ROLE.AUTHORIZATION) continue
    }
    const { folded } = known
    // Where the app's own header stays, naming it in `Connection` must not take it away unseen.
    const isKept = credential === undefined && rules.slots.has(folded)
    if (nominated?.has(lower) === true && !isKept) continue
    if (isOurs(folded) || rules.setNames.has(folded)) continue
    if (credential !== undefined && rules.slots.has(folded)) continue
    if (folded === 'cookie' && cookies !== undefined) cookies.push(headers[2 * at + 1] ?? '')
    else sent.push(name, headers[2 * at + 1] ?? '')
  }
  for (const text of rules.set) sent.push(text)
  if (credential !== undefined) for (const text of credential.headers) sent.push(text)
  if (session !== undefined && cookies !== undefined) {
    const merged = mergeCookies(cookies, session.cookies, session.cookieNames)
    if (merged !== '') sent.push('Cookie', merged)
  }
  sent.push('Via', `1.1 ${outgoing.pseudonym}`)
  return sent
}

/** What is meant for us, or for whatever proxy asks: none of it leaves. */
function isOurs(folded: string): boolean {
  return folded.startsWith('x-sidegate-') || folded.startsWith('proxy-')
}

/** How often the app itself sent a header that the definition owns, in any spelling; of several the most. */
export function countOwn(names: readonly string[], slots: ReadonlySet<string>): number {
  let most = 0
  for (const slot of slots) {
    let count = 0
    for (const name of names) if (foldName(name) === slot) count++
    most = Math.max(most, count)
  }
  return most
}

/** Whether a request has been here before (RFC 9110, section 7.6.3). */
export function isLoop(names: readonly string[], headers: RawHeaders, pseudonym: string): boolean {
  for (let at = names.indexOf('via'); at !== -1; at = names.indexOf('via', at + 1)) {
    if ((headers[2 * at + 1] ?? '').includes(pseudonym)) return true
  }
  return false
}
