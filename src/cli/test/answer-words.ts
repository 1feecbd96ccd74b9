/** The answer of an API in plain words: whether the connection works, and what is wrong if not. */
import type { Definition, OutgoingConfig } from '../../config/model.ts'
import { quote } from '../../observe/quote.ts'
import { maskQuery } from '../explain/masked.ts'
import type { ApiAnswer } from './ask.ts'

/** How a trial ended. */
export interface Verdict {
  readonly isOk: boolean
  readonly text: string
  readonly why?: string
  readonly cure?: string
}

/** What the answer is judged by. */
export interface Tried {
  readonly connection: OutgoingConfig
  /** `undefined` for `security: none`. */
  readonly definition: Definition | undefined
  readonly method: string
  /** Whether `--path` was given. */
  readonly hasPath: boolean
  readonly answer: ApiAnswer
}

/** Below 400 it works; everything else has its own words. */
export function judgeAnswer(tried: Tried): Verdict {
  const { status, headers } = tried.answer
  if (status >= 300 && status < 400) {
    const location = maskQuery(findValue(headers, 'location') ?? '').slice(0, 200)
    const where = location === '' ? '' : ` to ${quote(location)}`
    return {
      isOk: true,
      text: `the API answers with a redirect${where}`,
      why: 'redirects are never followed; one to a login page means that the credential was not taken',
    }
  }
  if (status < 400) return { isOk: true, text: 'it works' }
  return { isOk: false, ...explainRefusal(tried) }
}

function explainRefusal(tried: Tried): Omit<Verdict, 'isOk'> {
  const { connection, method, hasPath, answer } = tried
  const { status } = answer
  switch (status) {
    case 401:
      return explainUnauthorized(tried)
    case 403:
      return explainForbidden(tried)
    case 404:
      return {
        text: 'the API says that nothing is there (404)',
        why: hasPath
          ? 'it was reached; some say 404 where a credential may not see something'
          : `it was reached, and ${connection.url} alone may be no resource: no --path was given`,
        cure: hasPath ? 'check --path, and the path of url' : 'say --path /SOMETHING that exists',
      }
    case 405:
      return {
        text: `the API does not take ${method} there (405)`,
        why: 'it was reached',
        cure: 'say another --method, or a --path that takes this one',
      }
    case 407:
      return {
        text: 'the parent proxy wants to know who calls (407)',
        why: 'the API was not asked',
        cure: 'check security of egress.proxy, or of proxy of the connection',
      }
    case 429:
      return {
        text: 'the API says that it was called too often (429)',
        why: 'it was reached, and nothing is said of the credential',
        cure: 'wait and try again',
      }
    default:
      return status >= 500
        ? {
            text: `the API, or a proxy before it, failed by itself (${status})`,
            why: 'it was reached, and nothing is said of the credential',
            cure: 'try again, try another --path, or ask those who run it',
          }
        : {
            text: `the API refuses the request (${status})`,
            why: 'it was reached, and wants something else of this request',
            cure: 'say another --path or --method',
          }
  }
}

function explainUnauthorized({ connection, definition, answer }: Tried): Omit<Verdict, 'isOk'> {
  const text = 'the API refuses the credential (401)'
  const asked = findScheme(answer.headers)
  const asks = asked === undefined ? '' : `; it asks for ${asked}`
  if (definition === undefined) {
    return {
      text: 'the API wants a credential (401)',
      why: `the connection "${connection.name}" says security: none${asks}`,
      cure: 'name a definition in its security',
    }
  }
  const { name } = definition
  switch (definition.type) {
    case 'bearer_token':
      return {
        text,
        why: `the token server gave a token, which the API does not take${asks}`,
        cure: `check the audience (extra_fields) and scopes of "${name}", and that auth_server_url belongs to this API`,
      }
    case 'session':
      return {
        text,
        why: `the login was taken, and its session is not${asks}`,
        cure: `check extract and apply of "${name}" against what the API wants of a session`,
      }
    case 'api_key':
      return {
        text,
        why: `it was shown the key in ${definition.header}${asks}`,
        cure: `check the key of "${name}", and header: some APIs want it elsewhere`,
      }
    case 'basic_auth':
      return {
        text,
        why: `it was shown the username "${definition.username}" with a password${asks}`,
        cure: `check username and password of "${name}"`,
      }
    default:
      return { text, why: `it was shown "${name}"${asks}`, cure: `check "${name}"` }
  }
}

function explainForbidden({ definition, answer }: Tried): Omit<Verdict, 'isOk'> {
  const text = 'the API does not allow this (403)'
  const why =
    definition === undefined
      ? 'no credential was sent (security: none)'
      : 'most often the credential is right, and may not do this'
  const isScope = /\binsufficient_scope\b/.test(findValue(answer.headers, 'www-authenticate') ?? '')
  if (isScope) return { text, why: 'it says insufficient_scope', cure: 'ask for more in scopes' }
  const rights = definition?.type === 'bearer_token' ? 'scopes and roles' : 'rights'
  return {
    text,
    why,
    cure: `check the ${rights} of this account at the API, and whether the API knows the address of this machine`,
  }
}

/** The value of the first header of this name. */
export function findValue(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
  return at === -1 ? undefined : headers[at + 1]
}

/** The word of the first challenge: `Bearer`, `Basic`, `Negotiate`. */
function findScheme(headers: readonly string[]): string | undefined {
  return /^[A-Za-z][A-Za-z0-9-]{0,31}(?= |,|$)/.exec(
    findValue(headers, 'www-authenticate') ?? '',
  )?.[0]
}
