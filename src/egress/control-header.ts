/** `X-Sidegate-Scopes`: the scopes that the token of one call is to have. */
import type { Exchange } from '../http/exchange.ts'
import { parseScopes } from '../oauth/scopes.ts'
import type { OutgoingRoute } from './generation.ts'

/** In lower case. */
export const CONTROL_HEADER = 'x-sidegate-scopes'

/** Exactly one of both, or neither where the header is not there. */
export interface ScopesAsked {
  readonly scopes: readonly string[] | undefined
  /** What is wrong with the header, for the caller. */
  readonly fault: string | undefined
}

const NONE: ScopesAsked = { scopes: undefined, fault: undefined }

/** On a host that no connection names the header means nothing and is only removed. */
export function readScopes(
  { names, headers }: Pick<Exchange, 'names' | 'headers'>,
  route: OutgoingRoute | undefined,
): ScopesAsked {
  const at = names.indexOf(CONTROL_HEADER)
  if (at === -1 || route === undefined) return NONE
  if (route.injector?.takesScopes !== true) {
    return fault(
      `The outgoing connection "${route.connection.name}" has no bearer_token that scopes could be asked for`,
    )
  }
  const isRepeated = names.includes(CONTROL_HEADER, at + 1)
  const scopes = isRepeated ? undefined : parseScopes(headers[2 * at + 1] ?? '')
  if (scopes !== undefined) return { scopes, fault: undefined }
  return fault('Send X-Sidegate-Scopes once, with scopes of RFC 6749 and one space between them')
}

function fault(text: string): ScopesAsked {
  return { scopes: undefined, fault: text }
}
