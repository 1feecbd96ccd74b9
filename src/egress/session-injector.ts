/** Sessions as credentials: headers, and cookies that are merged with the app's own. */
import type { SessionDefinition } from '../config/model.ts'
import type { Session } from '../session/session.ts'
import type { Credential, Injector } from './injector.ts'

/** Where sessions come from, for a definition of this generation. */
export type GetSession = (definition: SessionDefinition) => Session | Promise<Session>

export function createSessionInjector(
  definition: SessionDefinition,
  getSession: GetSession,
): Injector {
  let latest: Credential | undefined
  const credentialOf = (session: Session): Credential => {
    // One session serves many requests.
    if (latest?.session !== session) latest = credentialOfSession(session)
    return latest
  }
  return {
    definition,
    // Cookies are no slot: the app may have some of its own.
    slots: definition.settings.apply.headers.map(([name]) => name.toLowerCase()),
    takesScopes: false,
    obtain() {
      const session = getSession(definition)
      return session instanceof Promise ? session.then(credentialOf) : credentialOf(session)
    },
  }
}

export function credentialOfSession(session: Session): Credential {
  return { headers: session.headers.flat(), session, label: '', token: undefined }
}
