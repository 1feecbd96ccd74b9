/**
 * Failures of a login with NTLM in plain words. A server answers a wrong password, a wrong name and a
 * wrong channel binding alike, so that what is likely is said, and how to tell one from another.
 */
import type { NtlmDefinition } from '../../config/model.ts'
import { NtlmFailure } from '../../egress/ntlm/failure.ts'
import type { SidegateError } from '../../errors.ts'
import { readIdentity } from '../../ntlm/identity.ts'
import { quote } from '../../observe/quote.ts'
import type { Held } from './held.ts'
import type { Words } from './network-words.ts'

/** One of the logins of a trial. */
export interface Login {
  readonly definition: NtlmDefinition
  /** Host of the service name. */
  readonly host: string
  /** Whether TLS goes to the server itself, so that a channel binding is sent. */
  readonly isBound: boolean
}

interface LoginTried extends Login {
  readonly who: 'the API' | 'the parent proxy'
}

/** The verdict too: only a refusal has shown the password. */
export interface LoginWords extends Words {
  readonly text: string
}

/** `undefined` for an error that is none of these logins'. */
export function explainLogin(
  error: SidegateError,
  logins: { readonly origin?: Login | undefined; readonly proxy?: Login | undefined },
): LoginWords | undefined {
  if (!(error.cause instanceof NtlmFailure)) return undefined
  const { reason, schemes, isOfProxy } = error.cause
  const login = isOfProxy ? logins.proxy : logins.origin
  if (login === undefined) return undefined
  const who = isOfProxy ? 'the parent proxy' : 'the API'
  const tried: LoginTried = { ...login, who }
  const { definition } = login
  if (reason === 'refused') return explainRefusal(tried)
  const text = `${who} gives no login with NTLM; the password was not shown`
  switch (reason) {
    case 'not_offered':
      return { text, ...explainOffer(tried, schemes) }
    case 'no_challenge':
      return { text, ...explainSilence(tried, schemes) }
    case 'closes':
      return {
        text,
        why: `${who} closes the connection between the two messages; NTLM logs in a connection, not a request`,
        cure: 'ask its administrator for keep-alive, on load balancers and proxies before it too',
      }
    case 'unanswerable':
      return {
        text,
        why: `its challenge must not be answered: ${error.message}`,
        cure: 'NTLMv2 alone is spoken, on every version of Windows since 2000: ask what answers there',
      }
    case 'not_asked':
      return {
        text,
        why: error.message,
        cure: `check whether ${who} wants NTLM there at all; "${definition.name}" may not be needed`,
      }
  }
}

function explainRefusal({ definition, host, isBound, who }: LoginTried): LoginWords {
  const { name, username, domain } = definition
  const { user, domain: realm } = readIdentity(username, domain)
  const shown =
    realm === '' ? `${quote(user)} without a domain` : `${quote(user)} of ${quote(realm)}`
  const spn = `service name HTTP/${host}`
  const common = `check username, domain and password of "${name}", and that the account is neither locked nor barred there`
  if (!isBound) {
    const why = `it was shown ${shown} with a password and the ${spn}; servers say no more, and most often the password is wrong`
    const more =
      who === 'the API'
        ? '; over http:// no channel binding can be sent, which Extended Protection may require'
        : ''
    return { text: `${who} refuses the login (wrong password?)`, why: why + more, cure: common }
  }
  return {
    text: `${who} refuses the login (wrong password, or Extended Protection failed)`,
    why: `it was shown ${shown} with a password, the ${spn} and the channel binding of the certificate that we saw; servers do not say which of them they refuse`,
    cure: `${common}; if "curl --ntlm", which sends no channel binding, gets in with them, then something between opens TLS (a load balancer, a proxy with its own certificate), or the service name is not that of the server: see docs/ntlm.md`,
  }
}

function explainSilence({ who }: LoginTried, schemes: readonly string[]): Words {
  if (!schemes.includes('ntlm')) {
    return {
      why: `${who} offers only ${schemes.join(', ')}, and takes no NTLM under it: Kerberos alone, which is not spoken here`,
      cure: 'ask its administrator for NTLM as a provider, on IIS beside Negotiate',
    }
  }
  return {
    why: `${who} offers NTLM, and answers the first message without a challenge; something before it may use another connection for each request`,
    cure: 'ask its administrator that load balancers and proxies keep connections from end to end',
  }
}

function explainOffer({ definition, who }: LoginTried, schemes: readonly string[]): Words {
  const [only] = schemes
  if (only === undefined) {
    return {
      why: `${who} asks for credentials and offers nothing`,
      cure: 'check the url and --path; where it really wants NTLM, its administrator must switch it on',
    }
  }
  const others: Readonly<Record<string, string>> = {
    basic: 'type: basic_auth, over https',
    bearer: 'type: bearer_token',
  }
  const other = schemes.map((scheme) => others[scheme]).find((type) => type !== undefined)
  return {
    why: `${who} offers only ${schemes.join(', ')}; nothing but NTLM is shown for "${definition.name}", whatever a server offers`,
    cure: `have NTLM switched on there${other === undefined ? '' : `, or use a definition of ${other}`}`,
  }
}

/** Of a credential that the running gate does not show for a while. */
export function explainHold({ definition, refusals, until }: Held): LoginWords {
  const times = refusals === 1 ? 'once' : `${refusals} times in a row`
  const end = until === null ? 'until its password changes' : `until ${until}`
  return {
    text: `nothing was sent: the gate that runs here holds "${definition}" ${end}`,
    why: `its password was refused ${times}; every further try brings the account nearer to being locked`,
    cure: `correct username and password of "${definition}"; a reload lifts the hold, and so does POST /reload?release=${definition} on the admin port`,
  }
}
