/**
 * The `WWW-Authenticate` headers of a channel: one for each scheme that it accepts, in a fixed order, so
 * that every 401 of the channel is alike (RFC 9110 11.6.1, RFC 7617 2).
 */
import type { DefinitionType } from '../config/model.ts'
import type { RawHeaders } from '../http/exchange.ts'

/** What follows the realm; `undefined` for types that only outgoing connections use. */
const schemes = {
  api_key: { name: 'ApiKey', parameters: '' },
  hmac: { name: 'Signature', parameters: '' },
  custom: { name: 'Custom', parameters: '' },
  // The last one: of several challenges wget 1.21 answers that, or none.
  basic_auth: { name: 'Basic', parameters: ', charset="UTF-8"' },
  bearer_token: undefined,
  ntlm: undefined,
  session: undefined,
} as const satisfies Record<
  DefinitionType,
  { readonly name: string; readonly parameters: string } | undefined
>

/** Lists the challenges of these types as a flat header list. Throws on a realm that is no header value. */
export function listChallenges(types: ReadonlySet<DefinitionType>, realm: string): RawHeaders {
  const headers: string[] = []
  const quoted = quote(realm)
  for (const type of Object.keys(schemes) as DefinitionType[]) {
    const scheme = types.has(type) ? schemes[type] : undefined
    if (scheme === undefined) continue
    headers.push('WWW-Authenticate', `${scheme.name} realm=${quoted}${scheme.parameters}`)
  }
  return headers
}

/** A quoted-string of RFC 9110 5.6.4. */
function quote(text: string): string {
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char < 0x20 || (char > 0x7e && char < 0xa0) || char > 0xff) {
      throw new Error('quote a realm: wanted Latin-1 without control characters')
    }
  }
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
