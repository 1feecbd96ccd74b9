/**
 * The request of `sidegate explain`: from METHOD, URL and -H to a head as a parser would have split
 * it. Nothing is normalised, because what is unusual about a request is what is asked about.
 */
import type { RequestHead } from '../../http/strict.ts'
import { UsageError } from '../command.ts'
import { maskQuery } from './masked.ts'

/** A request that nobody sent. */
export interface ImaginedRequest {
  /** In origin-form. */
  readonly head: RequestHead
  readonly isTls: boolean
  /** `host[:port]` of the URL without userinfo; `undefined` where it was a path alone. */
  readonly authority: string | undefined
}

/** Reads the arguments; a path alone is asked of `ownHost`. Throws `UsageError`. */
export function parseImaginedRequest(
  method: string,
  url: string,
  headerLines: readonly string[],
  ownHost = 'localhost',
): ImaginedRequest {
  const [, scheme, authority = ownHost, rest = ''] =
    /^(?:(https?):\/\/([^/?#]*))?(.*)$/is.exec(toBytes(url)) ?? []
  if (scheme === undefined && !rest.startsWith('/')) {
    throw new UsageError(`URL "${maskQuery(url)}": http://HOST/path or /path was wanted`)
  }
  const at = authority.lastIndexOf('@')
  const given = headerLines.map(parseHeaderLine)
  const rawHeaders: string[] = []
  const has = (name: string) => given.some(([other]) => other.toLowerCase() === name)
  if (!has('host')) rawHeaders.push('Host', authority.slice(at + 1))
  if (at !== -1 && !has('authorization')) {
    rawHeaders.push('Authorization', renderBasic(authority.slice(0, at)))
  }
  for (const [name, value] of given) rawHeaders.push(name, value)
  const target = rest.startsWith('/') ? rest : `/${rest}`
  return {
    head: { method: toBytes(method), target, versionMajor: 1, versionMinor: 1, rawHeaders },
    isTls: scheme?.toLowerCase() === 'https',
    authority: scheme === undefined ? undefined : authority.slice(at + 1),
  }
}

/** One char is one byte, as on the wire. */
function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

function parseHeaderLine(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  // Not repeated in the message: it may be a secret whose header was forgotten.
  if (colon < 1) throw new UsageError(`-H: "Name: value" was wanted, and there is no colon`)
  const value = toBytes(line.slice(colon + 1)).replace(/^[ \t]+|[ \t]+$/g, '')
  return [toBytes(line.slice(0, colon)), value]
}

/** `user:password` before the @ of a URL, percent-decoded as curl does. */
function renderBasic(userinfo: string): string {
  const bytes = userinfo.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  )
  const pair = bytes.includes(':') ? bytes : `${bytes}:`
  return `Basic ${Buffer.from(pair, 'latin1').toString('base64')}`
}
