/**
 * Checks of outgoing connections, of parent proxies and of the clients of egress: names, types, that
 * a secret is there to be sent, and that no two connections are of equal rank.
 */
import { foldName } from '../http/headers.ts'
import { readPattern } from './check-channels.ts'
import { checkUsername } from './credential-rules.ts'
import type { ResolveContext } from './context.ts'
import type { Definition, DefinitionType } from './model.ts'
import type { NameRegistry } from './names.ts'
import { parseUrl } from './network.ts'
import type { ResolvedGroups } from './resolve-groups.ts'
import type { ParsedEgress, ParsedOutgoing } from './schema.ts'
import type { Path } from './tree.ts'

/** Types that can show who they are to our own port: `Proxy-Authorization: Basic`. */
const CLIENT_TYPES: ReadonlySet<DefinitionType> = new Set(['basic_auth', 'api_key'])

/** An outgoing connection and where it is said. */
export interface PlacedOutgoing {
  readonly path: Path
  readonly parsed: ParsedOutgoing
}

/** What outgoing connections are checked against. */
export interface OutgoingWorld {
  readonly names: NameRegistry
  readonly definitions: ReadonlyMap<string, Definition>
  readonly groups: ResolvedGroups
  readonly egress: ParsedEgress | undefined
}

/** Checks one outgoing connection. */
export function checkOutgoing(
  context: ResolveContext,
  { path, parsed }: PlacedOutgoing,
  world: OutgoingWorld,
): void {
  const { host, scheme, path: base } = parseUrl(parsed.url, { path: true, wildcard: true })
  if (host.startsWith('*.') && parsed.match === 'name') {
    context.report([...path, 'match'], 'a url with "*." has no NAME form, wanted match: host')
  }
  if (parsed.https === 'intercept' && world.egress !== undefined && world.egress.ca === undefined) {
    context.report(
      [...path, 'https'],
      'https: intercept needs egress.ca, a certificate of your own authority and its key: "sidegate ca init" makes them',
    )
  }
  if (scheme === 'http' && parsed.tls !== undefined) {
    context.reportKey([...path, 'tls'], 'the url is not https://, so that this has no effect')
  }
  readPattern(context, [...path, 'url'], base.endsWith('/') ? `${base}*` : `${base}/*`, parsed)
  for (const [index, rule] of (parsed.paths ?? []).entries()) {
    readPattern(context, [...path, 'paths', index], rule, parsed)
  }
  if (parsed.security !== 'none') checkSender(context, path, parsed, world)
  checkOwnClients(context, path, parsed, world)
}

function checkSender(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOutgoing,
  { names, definitions }: OutgoingWorld,
): void {
  const at = [...path, 'security']
  if (names.expectDefinition(at, parsed.security) === undefined) return
  const definition = definitions.get(parsed.security)
  if (definition === undefined) return
  if (isHashOnly(definition)) {
    context.report(
      at,
      `the definition "${parsed.security}" has only hashes, wanted one with the secret itself: a hash cannot be sent`,
    )
  }
  const own = new Set(listHeaders(definition).map(foldName))
  for (const name of Object.keys(parsed.headers)) {
    if (!own.has(foldName(name))) continue
    context.reportKey(
      [...path, 'headers', name],
      `the definition "${parsed.security}" sets this header`,
    )
  }
}

/** The headers that a definition sets. */
function listHeaders(definition: Definition): readonly string[] {
  if (definition.type === 'api_key') return [definition.header.toLowerCase()]
  if (definition.type === 'session') {
    const { headers, cookies } = definition.settings.apply
    const names = headers.map(([name]) => name.toLowerCase())
    return cookies.length === 0 ? names : [...names, 'cookie']
  }
  if (definition.type === 'custom') return definition.settings.headers
  if (definition.type !== 'hmac') return ['authorization']
  const { headers, keyHeader } = definition.settings
  const names = headers.map(([name]) => name.toLowerCase())
  return keyHeader === undefined ? names : [...names, keyHeader.toLowerCase()]
}

function isHashOnly(definition: Definition): boolean {
  if (definition.type === 'basic_auth') {
    return definition.passwords.every((entry) => entry.password === undefined)
  }
  return definition.type === 'api_key' && definition.keys.every((entry) => entry.key === undefined)
}

/** `clients` of a connection: some of those of egress. */
function checkOwnClients(
  context: ResolveContext,
  path: Path,
  parsed: ParsedOutgoing,
  { names, groups, egress }: OutgoingWorld,
): void {
  if (parsed.clients === undefined || egress === undefined) return
  const at = [...path, 'clients']
  if (egress.clients === undefined || egress.clients === 'none') {
    context.reportKey(at, 'egress asks nobody who they are, wanted egress.clients first')
    return
  }
  const common = typeof egress.clients === 'string' ? [egress.clients] : egress.clients
  const allowed = new Set(common.flatMap((name) => [name, ...(groups.members.get(name) ?? [])]))
  const isList = Array.isArray(parsed.clients)
  const own = isList ? parsed.clients : [parsed.clients]
  for (const [index, name] of (own as readonly string[]).entries()) {
    const place = isList ? [...at, index] : at
    if (names.expectAny(place, name) === undefined || allowed.has(name)) continue
    const members = groups.members.get(name)
    if (members?.length !== 0 && members?.every((member) => allowed.has(member)) === true) continue
    context.report(place, `"${name}" is not among egress.clients, so that it could never connect`)
  }
}

/** Checks who may use the egress port. */
export function checkClients(
  context: ResolveContext,
  parsed: ParsedEgress,
  { names, definitions, groups }: OutgoingWorld,
): void {
  if (parsed.clients === undefined || parsed.clients === 'none') return
  const isList = Array.isArray(parsed.clients)
  const clients = (isList ? parsed.clients : [parsed.clients]) as readonly string[]
  const users = new Map<string, string>()
  for (const [index, name] of clients.entries()) {
    const path = isList ? ['egress', 'clients', index] : ['egress', 'clients']
    if (name === 'none') {
      context.report(
        path,
        '"none" in a list, wanted clients: none alone, or definitions and groups',
      )
      continue
    }
    if (names.expectAny(path, name) === undefined) continue
    const members = groups.members.get(name)
    if (members?.length === 0 && !groups.incomplete.has(name)) {
      context.report(path, `the group "${name}" has no members, so that nobody could connect`)
    }
    for (const member of members ?? [name]) {
      const definition = definitions.get(member)
      if (definition !== undefined) checkClient(context, path, definition, users)
    }
  }
}

function checkClient(
  context: ResolveContext,
  path: Path,
  definition: Definition,
  users: Map<string, string>,
): void {
  const { name, type } = definition
  if (!CLIENT_TYPES.has(type)) {
    context.report(path, `"${name}" is of type ${type}, wanted basic_auth or api_key`)
    return
  }
  const user = definition.type === 'basic_auth' ? definition.username : name
  const earlier = users.get(user)
  if (earlier === undefined) users.set(user, name)
  else if (earlier !== name) {
    context.report(
      path,
      `"${name}" and "${earlier}" would have the same username here, wanted one of its own`,
    )
  }
}

/** Checks the definition that is shown to a parent proxy. */
export function checkProxySecurity(
  context: ResolveContext,
  path: Path,
  security: string | undefined,
  { names, definitions }: OutgoingWorld,
): void {
  if (security === undefined || security === 'none') return
  const at = [...path, 'security']
  if (names.expectDefinition(at, security) === undefined) return
  const definition = definitions.get(security)
  if (definition === undefined) return
  if (definition.type === 'ntlm') return
  if (definition.type !== 'basic_auth') {
    context.report(
      at,
      `a definition of type ${definition.type}, wanted basic_auth or ntlm: proxies ask for those`,
    )
  } else if (isHashOnly(definition)) {
    context.report(
      at,
      `the definition "${security}" has only hashes, wanted one with the password itself`,
    )
  } else {
    checkUsername(context, at, definition.username)
  }
}

/** Reports `match: host` connections of equal rank that overlap. */
export function checkOutgoingOverlaps(
  context: ResolveContext,
  placed: readonly PlacedOutgoing[],
): void {
  const first = new Map<string, PlacedOutgoing>()
  for (const connection of placed) {
    const { parsed, path } = connection
    if (parsed.match === 'name') continue
    const key = rankOf(parsed.url)
    const earlier = first.get(key)
    if (earlier === undefined) {
      first.set(key, connection)
      continue
    }
    const place = `"${earlier.parsed.name}" (${context.describePlace(earlier.path)})`
    context.report(
      [...path, 'url'],
      `the same host, port and base path as ${place}, wanted match: name on one of them`,
    )
  }
}

/**
 * Host, port and base path. The default ports of both schemes count as one: an application that
 * names no port says nothing about the scheme either.
 */
function rankOf(url: string): string {
  const { host, port, scheme, path } = parseUrl(url, { path: true, wildcard: true })
  const isDefault = port === (scheme === 'https' ? 443 : 80)
  return `${host} ${isDefault ? 'default' : port} ${path.replace(/\/+$/, '')}`
}
