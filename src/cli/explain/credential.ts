/** Which credential a call would get, and what its headers have to say to that; none is fetched. */
import { basename } from 'node:path'
import type { SessionDefinition } from '../../config/model.ts'
import { countOwn } from '../../egress/forward-headers.ts'
import type { OutgoingRoute } from '../../egress/generation.ts'
import type { Credential, Injector } from '../../egress/injector.ts'
import { credentialOfSession } from '../../egress/session-injector.ts'
import type { Judgement, RequestHead } from '../../http/strict.ts'
import { parseScopes } from '../../oauth/scopes.ts'
import { imagineSession } from './imagined-session.ts'
import { Refusal } from './refusal.ts'

/** `X-Sidegate-Scopes`: `undefined` where there is none that counts. */
export function readScopes(
  { rawHeaders }: RequestHead,
  { names }: Judgement,
  route: OutgoingRoute | undefined,
): readonly string[] | undefined {
  const at = names.indexOf('x-sidegate-scopes')
  if (at === -1 || route === undefined) return undefined
  const { injector, connection } = route
  if (injector?.takesScopes !== true) {
    throw new Refusal(
      'bad_control_header',
      `The outgoing connection "${connection.name}" has no bearer_token that scopes could be asked for`,
    )
  }
  const isRepeated = names.includes('x-sidegate-scopes', at + 1)
  const scopes = isRepeated ? undefined : parseScopes(rawHeaders[2 * at + 1] ?? '')
  if (scopes !== undefined) return scopes
  throw new Refusal(
    'bad_control_header',
    'Send X-Sidegate-Scopes once, with scopes of RFC 6749 and one space between them',
  )
}

/** `undefined` where nothing is added, or the app's own stays. */
export function imagineCredential(
  { names }: Judgement,
  route: OutgoingRoute | undefined,
  scopes: readonly string[] | undefined,
  notes: string[],
): Credential | undefined {
  const injector = route?.injector
  if (route === undefined || injector === undefined) return undefined
  const { definition } = injector
  if (!definition.isActive) {
    throw new Refusal(
      'definition_inactive',
      `The definition "${definition.name}" says is_active: false`,
    )
  }
  const count = countOwn(names, route.rules.slots)
  const [slot = ''] = injector.slots
  if (count > 0 && keepsOwn(route, slot, count)) {
    notes.push(`the ${slot} header of the app stays (on_existing: keep)`)
    return undefined
  }
  if (count > 0) notes.push(`the ${slot} header of the app is replaced`)
  return pickCredential(injector, scopes, notes)
}

function keepsOwn({ connection }: OutgoingRoute, slot: string, count: number): boolean {
  if (connection.onExisting === 'replace') return false
  if (connection.onExisting === 'reject') {
    throw new Refusal(
      'outgoing_refused',
      `Send no ${slot} header: the outgoing connection "${connection.name}" adds it, and says on_existing: reject`,
    )
  }
  if (count > 1) throw new Refusal('bad_request', `Send one ${slot} header, not several`)
  return true
}

/** A token is not fetched: it is only said which would be asked for. */
function pickCredential(
  injector: Injector,
  scopes: readonly string[] | undefined,
  notes: string[],
): Credential | undefined {
  const { definition } = injector
  if (definition.type === 'ntlm') {
    notes.push(`no header carries it: the connection logs in by NTLM as ${definition.username}`)
  }
  if (definition.type === 'custom') {
    const { module, headers } = definition.settings
    notes.push(`the module ${basename(module)} makes the headers; it is not asked here`)
    return { headers: headers.flatMap((name) => [name, '[masked]']), label: '', token: undefined }
  }
  if (definition.type === 'session') return imagineLogin(definition, notes)
  if (definition.type !== 'bearer_token') {
    const credential = injector.obtain(scopes)
    return credential instanceof Promise ? undefined : credential
  }
  const { name, allowedScopes } = definition
  const asked = scopes === undefined || scopes.length === 0 ? definition.scopes : scopes
  if (asked !== definition.scopes && allowedScopes !== undefined) {
    const refused = asked.some((scope) => !allowedScopes.includes(scope))
    if (refused) {
      throw new Refusal(
        'scope_refused',
        `a scope that is not among allowed_scopes of "${name}" was asked for`,
      )
    }
  }
  const { origin, pathname } = new URL(definition.authServerUrl)
  const words = asked.length === 0 ? 'no scopes' : `scopes ${asked.join(' ')}`
  notes.push(`the token is one of ${origin}${pathname}, with ${words}`)
  return { headers: ['Authorization', 'Bearer [masked]'], label: '', token: undefined }
}

/** Nobody logs in: it is only said where, and what the session would be carried by. */
function imagineLogin(definition: SessionDefinition, notes: string[]): Credential {
  const { login, username, apply } = definition.settings
  const { origin, pathname } = new URL(login.url)
  notes.push(`the session is one of ${origin}${pathname}, logged in as ${username}`)
  const names = apply.cookies.map(([name]) => name)
  if (names.length > 0) notes.push(`its cookies go beside those of the app: ${names.join(', ')}`)
  const mask = ([name]: readonly [string, string]) => [name, '[masked]'] as const
  const applied = { headers: apply.headers.map(mask), cookies: apply.cookies.map(mask) }
  return credentialOfSession(imagineSession(definition, new Map(), applied))
}
