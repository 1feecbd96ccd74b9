/** Failures of a token request in plain words. */
import type { BearerTokenDefinition } from '../../config/model.ts'
import type { FetchFailure } from '../../oauth/fetch-token.ts'
import { type Words, explainSystemCode } from './network-words.ts'

type Explain = (definition: BearerTokenDefinition) => Words

/** By the error codes of RFC 6749 5.2, and those that servers have added. */
const errors: Readonly<Record<string, Explain>> = {
  invalid_client: ({ name, clientAuth }) => ({
    why: 'the token server does not know this client, or refuses its secret (invalid_client)',
    cure: `check username and password of "${name}", and client_auth: it is ${clientAuth}, servers differ in post, basic and private_key_jwt`,
  }),
  invalid_scope: ({ name, scopes }) => ({
    why: `the token server refuses the scopes (invalid_scope): asked for ${scopes.length === 0 ? 'none' : scopes.join(' ')}`,
    cure: `check scopes of "${name}" against what the server has granted to this client`,
  }),
  unauthorized_client: ({ name, grantType }) => ({
    why: `the client is known, but may not use this grant (unauthorized_client): ${grantType}`,
    cure: `have the grant allowed for this client at the server, or check grant_type of "${name}"`,
  }),
  access_denied: ({ name }) => ({
    why: 'the token server knows the client and denies it this (access_denied)',
    cure: `have it granted at the server; check scopes and extra_fields of "${name}"`,
  }),
  unsupported_grant_type: ({ name, grantType }) => ({
    why: `the token server does not know the grant (unsupported_grant_type): ${grantType}`,
    cure: `check grant_type and auth_server_url of "${name}"`,
  }),
  invalid_grant: ({ name }) => ({
    why: 'the token server refuses the grant (invalid_grant)',
    cure: `check grant_type and extra_fields of "${name}"`,
  }),
  invalid_target: ({ name }) => ({
    why: 'the token server does not know the audience or resource (invalid_target)',
    cure: `check extra_fields of "${name}"`,
  }),
  invalid_request: ({ name, dataFormat }) => ({
    why: 'the token server misses a field, or does not understand one (invalid_request)',
    cure: `check extra_fields, client_id_field, client_secret_field and data_format (${dataFormat}) of "${name}"`,
  }),
}

/** What went wrong, and the cure. */
export function explainTokenFailure(
  failure: FetchFailure,
  definition: BearerTokenDefinition,
): Words {
  const { result, detail, error } = failure
  const explain = error !== undefined && Object.hasOwn(errors, error) ? errors[error] : undefined
  if (explain !== undefined) return explain(definition)
  const code = /\(([A-Z0-9_]+)\)$/.exec(detail)?.[1] ?? ''
  const words = explainSystemCode(code)
  if (words !== undefined) return { why: `${words.why} (${code})`, cure: words.cure }
  return { why: detail, cure: cureOf(result, definition) }
}

function cureOf(result: FetchFailure['result'], { name }: BearerTokenDefinition): string {
  switch (result) {
    case 'timeout':
      return `check auth_server_url of "${name}" and firewalls, or raise its timeout`
    case 'unreachable':
      return `check auth_server_url of "${name}", and egress.proxy if there is one`
    case 'failed':
      return `check auth_server_url, private_key and algorithm of "${name}"`
    case 'malformed':
      return `check auth_server_url of "${name}": what answers there is no token server (RFC 6749 5.1)`
    case 'refused':
      return `check auth_server_url, data_format and client_auth of "${name}"; the token server's own log says more`
  }
}
