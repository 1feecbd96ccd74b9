/**
 * Where a request goes. The invariant of egress is kept here and nowhere else: the authority that
 * chose the connection is the one that is dialled, named in SNI and sent as `Host`.
 */
import { findAuthority, formatAuthority } from './authority.ts'

/**
 * By what right a host is called: a connection names it, or names it by `*.`, or none does and
 * `egress.unmatched` is `allow` or `public`.
 */
export type DestinationKind = 'named' | 'wildcard' | 'unmatched_allow' | 'unmatched_public'

/** What is dialled, and what it is told about itself. Made by `createDestination` only. */
export interface Destination {
  readonly kind: DestinationKind
  readonly scheme: 'http' | 'https'
  /** Canonical; what is resolved or dialled. IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** The value of `Host`. */
  readonly authority: string
  /** SNI; `undefined` in cleartext and for addresses, which SNI never carries (RFC 6066 3). */
  readonly serverName: string | undefined
  /** A credential travels to it in cleartext because its host is this machine: no other is dialled. */
  readonly staysLocal: boolean
}

/**
 * Builds a destination. `chosenBy` is the host of the rule that was chosen (`*.x` for wildcards), or
 * the host itself where no rule was. Throws if what is dialled would not be what was chosen: a bug.
 */
export function createDestination(
  kind: DestinationKind,
  chosenBy: string,
  dialled: { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number },
  staysLocal = false,
): Destination {
  const { scheme, host, port } = dialled
  const authority = formatAuthority(host, port, scheme)
  const sent = findAuthority(authority)
  const isSame =
    sent !== undefined &&
    sent.host === host &&
    (sent.port ?? (scheme === 'https' ? 443 : 80)) === port &&
    (kind === 'wildcard' ? isOneLabelBelow(host, chosenBy) : host === chosenBy)
  if (!isSame) {
    throw new Error(
      `cannot dial "${authority}": wanted the authority that was chosen, "${chosenBy}"`,
    )
  }
  const serverName = scheme === 'https' && sent.family === 0 ? host : undefined
  return { kind, scheme, host, port, authority, serverName, staysLocal }
}

/** Whether `pattern` is `*.x` and the host is `x` with one label before it. */
function isOneLabelBelow(host: string, pattern: string): boolean {
  return (
    pattern.startsWith('*.') &&
    host.indexOf('.') > 0 &&
    host.slice(host.indexOf('.')) === pattern.slice(1)
  )
}
