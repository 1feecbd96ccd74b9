/**
 * Outgoing REST connections of an enmasse file. One whose definition is not known here keeps its host and
 * is switched off: Zato called such an API without a credential.
 */
import { WantedError, isSurelyLoopback, parseUrl } from '../../../config/network.ts'
import { quote } from '../../../observe/quote.ts'
import type { NameSpace } from '../names.ts'
import { findSecurityName } from './access.ts'
import type { Item } from './item.ts'
import { type Draft, type ImportedDefinition, type Written, literal } from './model.ts'
import { convertPath } from './paths.ts'
import { writeSetting } from './secret-setting.ts'

interface Target {
  /** As it is written. */
  readonly url: string
  readonly paths: readonly string[] | undefined
  /** What tells it from others: host, port and base path; `undefined` where they are not known. */
  readonly rank: string | undefined
  readonly isPlaintext: boolean
}

interface Connection {
  readonly item: Item
  readonly target: Target
  readonly entry: Record<string, Written>
}

/** All outgoing connections. */
export function convertOutgoing(
  items: readonly Item[],
  definitions: ReadonlyMap<string, ImportedDefinition>,
  names: NameSpace,
): readonly Draft[] {
  const connections = items.flatMap((item) => readConnection(item, definitions, names) ?? [])
  const ranks = new Map<string, number>()
  for (const { target } of connections) {
    if (target.rank !== undefined) ranks.set(target.rank, (ranks.get(target.rank) ?? 0) + 1)
  }
  return connections.map(({ item, target, entry }) => {
    const isShared = target.rank !== undefined && (ranks.get(target.rank) ?? 0) > 1
    if (!isShared) return { place: item.place, entry }
    const text = `outgoing ${item.shown}: shares host and path with another, so that only its NAME form reaches it (match: name)`
    item.context.findings.add('changed', item.place, text)
    return { place: item.place, entry: { ...entry, match: 'name' } }
  })
}

function readConnection(
  item: Item,
  definitions: ReadonlyMap<string, ImportedDefinition>,
  names: NameSpace,
): Connection | undefined {
  const { findings } = item.context
  const target = readTarget(item)
  if (target === undefined) return undefined
  const name = names.fit(item.name)
  if (name !== item.name) {
    findings.add('renamed', item.place, `outgoing ${item.shown} is ${quote(name)}`)
  }
  const securityName = findSecurityName(item)
  const definition = securityName === undefined ? undefined : definitions.get(securityName)
  const isKnown = securityName === undefined || definition?.type !== undefined
  if (!isKnown) {
    const why =
      definition === undefined ? 'is in none of the files' : 'is of a type that is not known here'
    const text = `outgoing ${item.shown}: ${quote(securityName)} ${why}; switched off`
    findings.add('unknown', item.place, text)
  }
  const isSwitchedOn = item.flag('is_active', true)
  if (!isSwitchedOn) findings.add('inactive', item.place, `outgoing ${item.shown}: answers 403`)
  const isPlaintext = target.isPlaintext && definition?.type !== undefined
  if (isPlaintext) {
    const text = `outgoing ${item.shown}: its credential travels in cleartext, as it did; allow_plaintext says so`
    findings.add('changed', item.place, text)
  }
  reportLost(item)
  const entry = {
    name,
    url: target.url,
    security: definition?.type === undefined ? 'none' : definition.name,
    ...(target.paths === undefined ? {} : { paths: target.paths }),
    ...(isPlaintext ? { allow_plaintext: true } : {}),
    ...(isKnown && isSwitchedOn ? {} : { is_active: false }),
    ...findTimeout(item),
  }
  return { item, target, entry }
}

/** Host and path; what has no place in a URL of ours is told, and never repeated: it may be secret. */
function readTarget(item: Item): Target | undefined {
  const host = item.setting('host')
  const leaveOut = (why: string): Target | undefined => {
    const text = `outgoing ${item.shown}: ${why}; left out`
    item.context.findings.add('unknown', host?.place ?? item.place, text)
    return undefined
  }
  if (host === undefined) return leaveOut('it has no host')
  const [urlPath, query] = splitQuery(item.text('url_path') ?? '')
  if (query) {
    const text = `outgoing ${item.shown}: the query of its url_path is left out, the service has to send it`
    item.context.findings.add('changed', item.place, text)
  }
  const known = host.kind === 'literal' ? host.text : item.context.lookUp(host.name)
  const { base, paths, fault } = splitPath(urlPath)
  if (fault !== undefined) return leaveOut(fault)
  const written = writeSetting(item, host, 'host', 'origin')
  const own = host.kind === 'literal' ? written.replace(/\/+$/, '') : written
  if (known === undefined) {
    // The base path is in a variable: which paths are below it is not known here.
    return { url: own + base, paths: undefined, rank: undefined, isPlaintext: false }
  }
  try {
    const url = parseUrl(known.replace(/\/+$/, '') + base, { path: true })
    const before = url.path.slice(0, url.path.length - base.length)
    return {
      url: own + base,
      paths: paths?.map((path) => before + path),
      rank: `${url.host} ${isDefaultPort(url) ? 'default' : url.port} ${url.path.replace(/\/+$/, '')}`,
      isPlaintext: url.scheme === 'http' && !isSurelyLoopback(url.host),
    }
  } catch (error) {
    if (error instanceof WantedError) return leaveOut(`its host: ${error.message}`)
    throw error
  }
}

function isDefaultPort({ scheme, port }: { readonly scheme: string; readonly port: number }) {
  return port === (scheme === 'https' ? 443 : 80)
}

function splitQuery(text: string): readonly [string, string | undefined] {
  const [path = '', ...rest] = text.split(/[?#]/)
  return [path, rest.length === 0 ? undefined : rest.join('?')]
}

interface BasePath {
  readonly base: string
  readonly paths?: readonly string[]
  readonly fault?: string
}

/** What stands before the first parameter is the base path; with a parameter the whole is a rule. */
function splitPath(urlPath: string): BasePath {
  if (urlPath === '' || urlPath === '/') return { base: '' }
  if (!urlPath.startsWith('/')) return { base: '', fault: 'its url_path begins without /' }
  if (!urlPath.includes('{')) {
    const converted = convertPath(urlPath, false)
    return typeof converted === 'string'
      ? { base: '', fault: `its url_path: ${converted}` }
      : { base: literal(urlPath) }
  }
  const before = urlPath.slice(0, urlPath.indexOf('{'))
  const base = before.slice(0, before.lastIndexOf('/'))
  const converted = convertPath(urlPath, false)
  // What cannot be said as a rule is called below the base path.
  return typeof converted === 'string' ? { base } : { base, paths: [converted.path] }
}

function findTimeout(item: Item): Record<string, Written> {
  const text = item.text('timeout')
  const seconds = Number(text)
  if (text === undefined || !(seconds >= 1 && seconds <= 86_400) || seconds === 60) return {}
  return { timeouts: { first_byte: `${Math.ceil(seconds)}s` } }
}

function reportLost(item: Item): void {
  const { findings } = item.context
  if (Number(item.text('max_retries') ?? 0) > 0) {
    findings.add('changed', item.place, `outgoing ${item.shown}: calls are not retried`)
  }
  const verify = item.find('tls_verify', 'validate_tls')
  if (verify?.kind === 'scalar' && /^(?:false|no|off|n|f|0)$/i.test(verify.written)) {
    const text = `outgoing ${item.shown}: certificates are verified now; tls: { ca } names an authority of your own`
    findings.add('changed', verify.place, text)
  }
}
