/** A session that no server gave, for commands that show or try one request. */
import type { SessionDefinition } from '../../config/model.ts'
import { cookieNamesOf } from '../../session/apply.ts'
import { Session, type Applied } from '../../session/session.ts'
import type { Values } from '../../session/template.ts'

/** Ends never, is never renewed. */
export function imagineSession(
  { settings }: Pick<SessionDefinition, 'settings'>,
  values: Values,
  applied: Applied,
): Session {
  const origin = {
    settings,
    cookieNames: cookieNamesOf(settings),
    expired: () => Promise.resolve(undefined),
    renewed: () => undefined,
  }
  const now = performance.now()
  return Session.begin({ origin, askedAtMs: now, receivedAtMs: now }, values, applied).latest
}
