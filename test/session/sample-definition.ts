/** A definition of the configuration, with its defaults. */
import { Secret } from '../../src/secret.ts'
import type { SessionDefinition, SessionSettings } from '../../src/session/settings.ts'

export const password = 'pass"word&9f2c-long'

/** Logs in with a form, takes a cookie and sends it. */
export function sampleDefinition(
  url: string,
  changes: Partial<SessionSettings> = {},
  name = 'hawkeye',
): SessionDefinition {
  return {
    name,
    isActive: true,
    fingerprint: 'f1',
    settings: {
      username: 'svc app',
      password: new Secret(password),
      login: {
        method: 'POST',
        url: `${url}/login?tenant=1`,
        headers: [['Content-Type', 'application/x-www-form-urlencoded']],
        body: 'user={username}&password={password}',
        success: [200],
      },
      extract: [['sid', 'cookie:SID']],
      steps: [],
      apply: { headers: [], cookies: [['SID', '{sid}']] },
      ttlMs: 600_000,
      expiredWhen: { status: [401], location: undefined },
      logout: { method: 'POST', url: `${url}/logout` },
      timeoutMs: 10_000,
      allowPlaintext: false,
      ...changes,
    },
  }
}
