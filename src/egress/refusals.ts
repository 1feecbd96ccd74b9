/**
 * Refusals of the choice, with the cure in words: these texts go to the caller in `detail`. They tell
 * names and settings of the configuration, never a secret, a query or userinfo.
 */
import type { Code } from '../errors.ts'
import { DOUBLE_ENCODING, EMPTY_SEGMENT, ENCODED_SLASH, PATH_PARAMETER } from '../http/path.ts'
import { quote } from '../observe/quote.ts'
import { formatAuthority } from './authority.ts'

/** Why a request goes nowhere. */
export interface Refusal {
  readonly kind: 'refused'
  readonly code: Code
  readonly detail: string
  /** The name of the connection that refused it, where one was chosen. */
  readonly outgoing: string | undefined
}

interface Named {
  readonly name: string
  readonly url: string
}

export function refuseInactive({ name }: Named): Refusal {
  return refuseBy(name, 'outgoing_refused', `${said(name)} says is_active: false`)
}

export function refuseMethod({ name }: Named): Refusal {
  return refuseBy(
    name,
    'outgoing_refused',
    `${said(name)} does not have this method among its methods`,
  )
}

export function refusePath({ name }: Named): Refusal {
  return refuseBy(
    name,
    'outgoing_refused',
    `None of the paths of the outgoing connection "${name}" matches this path`,
  )
}

const oddityWords = [
  [ENCODED_SLASH, 'encoded_slashes'],
  [EMPTY_SEGMENT, 'empty_segments'],
  [PATH_PARAMETER, 'path_parameters'],
  [DOUBLE_ENCODING, 'double_encoding'],
] as const

/** `oddities`: those that are not allowed. */
export function refuseOddPath(oddities: number, connection: Named | undefined): Refusal {
  const settings = oddityWords
    .filter(([oddity]) => (oddities & oddity) !== 0)
    .map(([, setting]) => `${setting}: true`)
    .join(' and ')
  const owner =
    connection === undefined ? 'an outgoing connection for this host' : said(connection.name)
  return refuseBy(
    connection?.name,
    'path_rejected',
    `The path could mean different things to different programs: wanted another spelling, or ${settings} on ${owner}`,
  )
}

/** A path that nothing lets through. */
export function refuseUnsafePath(connection: Named | undefined): Refusal {
  return refuseBy(
    connection?.name,
    'path_rejected',
    'Send a path without dot segments, backslashes, control characters, "#" and malformed percent-encoding',
  )
}

export function refuseName(name: string): Refusal {
  const shown = quote(name.slice(0, 128))
  return refuseBy(
    undefined,
    'no_outgoing',
    `No outgoing connection is named ${shown}: ask for /NAME/…`,
  )
}

export function refuseWildcardName({ name, url }: Named): Refusal {
  return refuseBy(
    name,
    'no_outgoing',
    `${said(name)} is for ${url}, which is no single host: call the host itself with this as proxy`,
  )
}

export function refuseNameOnly(host: string, names: readonly string[]): Refusal {
  const forms = names.map((name) => `/${name}/…`).join(', ')
  return refuseBy(
    undefined,
    'outgoing_refused',
    `${quote(host)} is named by match: name alone: wanted the NAME form, ${forms}`,
  )
}

/** `ports`: those that the connections of the host have, the default port of their scheme among them. */
export function refusePort(
  host: string,
  port: number | undefined,
  ports: readonly number[],
): Refusal {
  const asked = port === undefined ? 'no port' : `port ${port}`
  return refuseBy(
    undefined,
    'outgoing_refused',
    `${quote(host)} was asked for with ${asked}, its outgoing connections are on port ${ports.join(', ')}: wanted one of these`,
  )
}

export function refuseBasePath(host: string, bases: readonly string[]): Refusal {
  const shown = bases.slice(0, 10).join(', ')
  return refuseBy(
    undefined,
    'outgoing_refused',
    `The path is below no base path of the outgoing connections for ${quote(host)}: ${shown}`,
  )
}

export function refuseDowngrade({ name, url }: Named): Refusal {
  return refuseBy(
    name,
    'outgoing_refused',
    `https:// was asked for and ${said(name)} leads to ${url}, in cleartext: call it with http://`,
  )
}

/** `ownUrl` is the origin of a listener of ours, where the NAME form is asked. */
export function refuseHttpsMode({ name, url }: Named, ownUrl: string): Refusal {
  const nameUrl = url.includes('://*.') ? '' : `, or call ${ownUrl}/${name}/… instead`
  return refuseBy(
    name,
    'https_mode_missing',
    `${said(name)} says neither https: intercept (TLS ends here and the credential is added) nor https: tunnel (nothing is added): set one${nameUrl}`,
  )
}

export function refuseBlindTunnel({ name }: Named): Refusal {
  return refuseBy(
    name,
    'outgoing_refused',
    `${said(name)} has paths or methods, which cannot be checked in a tunnel: wanted https: intercept, or neither of them`,
  )
}

export function refuseUnmatchedPort(port: number, ports: readonly number[]): Refusal {
  return refuseBy(
    undefined,
    'destination_refused',
    `Port ${port} is not among egress.unmatched_ports (${ports.join(', ')}): name the host in an outgoing connection`,
  )
}

export function refuseUnmatchedTunnel(port: number): Refusal {
  return refuseBy(
    undefined,
    'destination_refused',
    `CONNECT to port ${port}: to hosts that no outgoing connection names only 443, and 80 for cleartext HTTP; name the host in an outgoing connection`,
  )
}

/** An IPv6 spelling of an IPv4 address that a connection names. */
export function refuseEmbedded(host: string, embedded: string): Refusal {
  return refuseBy(
    undefined,
    'outgoing_refused',
    `${quote(host)} leads to ${embedded}, which an outgoing connection names: call it by that address`,
  )
}

/** Prints what to add to the configuration. */
export function refuseUnmatched(
  scheme: 'http' | 'https',
  host: string,
  port: number,
  isConnect: boolean,
): Refusal {
  const name = host
    .replace(/[^a-z0-9._-]/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 128)
  const lines = [
    `No outgoing connection names ${quote(host)}, and egress.unmatched is deny. To allow it, add:`,
    'outgoing:',
    `  - name: ${JSON.stringify(name === '' ? 'host' : name)}`,
    `    url: ${JSON.stringify(`${scheme}://${formatAuthority(host, port, scheme)}`)}`,
    '    security: none',
  ]
  if (isConnect && scheme === 'https') lines.push('    https: tunnel')
  return refuseBy(undefined, 'unmatched_host', lines.join('\n'))
}

function said(name: string): string {
  return `the outgoing connection "${name}"`
}

function refuseBy(outgoing: string | undefined, code: Code, detail: string): Refusal {
  return {
    kind: 'refused',
    code,
    detail: detail.charAt(0).toUpperCase() + detail.slice(1),
    outgoing,
  }
}
