/** The login of a session, once, for a trial; what became of it in plain words. */
import type { SessionDefinition } from '../../config/model.ts'
import { credentialOfSession } from '../../egress/session-injector.ts'
import type { Credential } from '../../egress/injector.ts'
import { SessionClient, type LoginFailure } from '../../session/session-client.ts'
import { imagineSession } from '../explain/imagined-session.ts'
import type { Dialler } from './dial.ts'
import { type Words, explainSystemCode } from './network-words.ts'

/** A login that is to be ended. */
export interface SessionTrial {
  readonly credential: Credential
  /** What may not be printed. */
  readonly secrets: readonly string[]
  /** Whether the server took the log-out; `undefined` where there is none. Never rejects. */
  logOut(): Promise<boolean | undefined>
}

/** Logs in as `serve` would; a failure with who was asked. */
export async function logIn(
  definition: SessionDefinition,
  dialler: Dialler,
): Promise<SessionTrial | (LoginFailure & { readonly hop: string })> {
  let hop = ''
  const client = new SessionClient<SessionDefinition>({
    nowMs: Date.now,
    upstreamOf: (_, url) => {
      const dialled = dialler.dialSession(definition, url)
      hop = dialled.hop
      return dialled.upstream
    },
  })
  const outcome = await client.login(definition)
  if (outcome.kind === 'failure') {
    if (outcome.opened !== undefined) await client.logout(definition, outcome.opened)
    return { ...outcome, hop }
  }
  return {
    credential: credentialOfSession(imagineSession(definition, outcome.values, outcome.applied)),
    secrets: [...outcome.values.values()],
    logOut: () => client.logout(definition, outcome.applied),
  }
}

/** What went wrong, and the cure. */
export function explainLoginFailure(
  { result, detail }: LoginFailure,
  { name, settings }: SessionDefinition,
): Words {
  const code = /\(([A-Z0-9_]+)\)$/.exec(detail)?.[1] ?? ''
  const words = explainSystemCode(code)
  if (words !== undefined) return { why: `${words.why} (${code})`, cure: words.cure }
  return { why: detail, cure: cureOf(result, name, settings.login.url) }
}

function cureOf(result: LoginFailure['result'], name: string, url: string): string {
  switch (result) {
    case 'refused':
      return `check username and password of "${name}", login.headers and login.body, and login.success: what the server answers to a good login`
    case 'malformed':
      return `check extract of "${name}": many servers answer 200 to a wrong password, and leave out what was hoped for`
    case 'timeout':
      return `check ${new URL(url).origin} and firewalls, or raise timeout of "${name}"`
    case 'unreachable':
      return `check login.url of "${name}", and egress.proxy if there is one`
    case 'failed':
      return `check login, steps and apply of "${name}"`
  }
}
