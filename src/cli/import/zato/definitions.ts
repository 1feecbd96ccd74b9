/**
 * The security definitions of an enmasse file. What has no counterpart is told, and what used it stays
 * closed.
 */
import { findHeaderValueFault } from '../../../config/header-rules.ts'
import { quote } from '../../../observe/quote.ts'
import type { NameSpace } from '../names.ts'
import { formatPlace } from '../source-node.ts'
import { createBearer } from './bearer.ts'
import type { Item } from './item.ts'
import { type Converted, type ImportedDefinition, literal } from './model.ts'
import { reportLimits } from './rate-limits.ts'
import { referMissing, referSecret, writeSetting } from './secret-setting.ts'

/** Types of Zato that are nothing here, and what to do instead. */
const foreignTypes: Readonly<Record<string, string>> = {
  mtls: 'mutual TLS: tls of a listener with client_ca, or tls with cert and key of an outgoing connection',
  tls_channel_sec: 'TLS client certificates: client_ca of a listener',
  tls_key_cert: 'a client certificate: tls with cert and key of the outgoing connection',
  jwt: 'JWT of Zato 3: a custom module can check tokens',
  spnego: 'Kerberos is not spoken',
  wss: 'WS-Security stands in the body: a custom module can check it',
  xpath_sec: 'XPath security stands in the body: a custom module can check it',
  vault_conn_sec: 'Vault: a custom module can ask it',
  aws: 'AWS signatures: a custom module can make them',
  openstack: 'a custom module, or a session, can do it',
  tech_acc: 'technical accounts: give the caller an api_key',
}

/** What the definitions share. */
export interface DefinitionsContext {
  readonly names: NameSpace
  /** Header of API keys that name none: `Zato_API_Key_Name` of the server. */
  readonly defaultHeader: string
  /** Whether the file was written by 3.2 or before: other defaults. */
  readonly isLegacy: boolean
  /** Quota tiers that shut addresses out. */
  readonly closingTiers: ReadonlySet<string>
}

/** All definitions by their original name. */
export function convertDefinitions(
  items: readonly Item[],
  context: DefinitionsContext,
): ReadonlyMap<string, ImportedDefinition> {
  const definitions = new Map<string, ImportedDefinition>()
  const identities = new Set<string>()
  for (const item of items) {
    const earlier = definitions.get(item.name)
    if (earlier !== undefined) {
      item.problem(`defined a second time, the first time at ${formatPlace(earlier.place)}`)
      continue
    }
    definitions.set(item.name, convertDefinition(item, context, identities))
  }
  return definitions
}

function convertDefinition(
  item: Item,
  context: DefinitionsContext,
  identities: Set<string>,
): ImportedDefinition {
  const { findings } = item.context
  const name = context.names.fit(item.name)
  const base = { original: item.name, name, place: item.place }
  const type = item.text('type') ?? ''
  const converted = convertByType(item, name, type, context)
  if (converted?.type === undefined) {
    const advice = Object.hasOwn(foreignTypes, type) ? `: ${foreignTypes[type] ?? ''}` : ''
    if (converted === undefined) {
      findings.add('unknown', item.place, `${item.shown} of type ${quote(type)}${advice}`)
    }
    return { ...base, type: undefined, canCall: false, header: undefined, draft: undefined }
  }
  if (name !== item.name) {
    findings.add('renamed', item.place, `definition ${item.shown} is ${quote(name)}`)
  }
  const isActive = item.flag('is_active', true)
  if (!isActive) {
    findings.add(
      'inactive',
      item.place,
      `definition ${item.shown}: Zato let it in all the same, Sidegate does not`,
    )
  }
  reportLimits(item, context.closingTiers)
  const { settings, canCall, header } = converted
  const identity = canCall ? findIdentity(item, name, settings, identities) : undefined
  const entry = {
    name,
    type: converted.type,
    ...(isActive ? {} : { is_active: false }),
    ...settings,
    ...(identity === undefined ? {} : { identity }),
  }
  return { ...base, type: converted.type, canCall, header, draft: { place: item.place, entry } }
}

function convertByType(
  item: Item,
  name: string,
  type: string,
  context: DefinitionsContext,
): Converted | undefined {
  switch (type) {
    case 'basic_auth':
      return createBasic(item, name)
    case 'apikey':
      return createKey(item, name, context.defaultHeader)
    case 'bearer_token':
    case 'oauth':
      return createBearer(item, name, type, context.isLegacy)
    case 'ntlm':
      return createNtlm(item, name)
    default:
      return undefined
  }
}

function createBasic(item: Item, name: string): Converted {
  const setting = item.setting('username')
  const username =
    setting === undefined
      ? referMissing(item, name, 'USERNAME', 'username', 'text')
      : writeSetting(item, setting, 'username')
  const password = referSecret(item, name, 'password')
  const realm = item.setting('realm')
  if (realm === undefined) {
    item.context.findings.add(
      'lossy',
      item.place,
      `realm of ${item.shown}: the challenge has the name of the channel now (Zato: the realm, "API" or "zato" unless told)`,
    )
  }
  const isUsable =
    realm?.kind === 'variable' ||
    (realm !== undefined && !/["\\]/.test(realm.text) && !findHeaderValueFault(realm.text))
  if (realm !== undefined && !isUsable) {
    const text = `realm of ${item.shown}: it has characters that no challenge can carry, left out`
    item.context.findings.add('changed', realm.place, text)
  }
  const settings = { username, password }
  const written = isUsable ? { ...settings, realm: writeSetting(item, realm, 'realm') } : settings
  return { type: 'basic_auth', canCall: true, settings: written }
}

function createKey(item: Item, name: string, defaultHeader: string): Converted {
  const given = item.text('header')
  if (given === undefined) {
    item.context.findings.add(
      'lossy',
      item.place,
      `header of ${item.shown}: ${quote(defaultHeader)} is taken (a server may have another, by Zato_API_Key_Name)`,
    )
  }
  const header = given ?? defaultHeader
  const key = referSecret(item, name, 'password', 'key')
  const isDefault = header.toLowerCase() === 'x-api-key'
  const settings = isDefault ? { key } : { header: literal(header), key }
  return { type: 'api_key', canCall: true, header: header.toLowerCase(), settings }
}

function createNtlm(item: Item, name: string): Converted {
  const setting = item.setting('username')
  const username =
    setting === undefined
      ? referMissing(item, name, 'USERNAME', 'username (DOMAIN\\user)', 'account')
      : writeSetting(item, setting, 'username (DOMAIN\\user)', 'account')
  const password = referSecret(item, name, 'password')
  const isPlain = setting?.kind === 'literal' && !/[\\@]/.test(setting.text)
  if (isPlain) {
    const text = `${item.shown}: the username has no domain, "." is taken as in Zato`
    item.context.findings.add('changed', item.place, text)
  }
  item.context.findings.add(
    'changed',
    item.place,
    `${item.shown}: an NTLM definition that was imported has no password in Zato until somebody sets it by hand`,
  )
  const settings = isPlain ? { username, domain: '.', password } : { username, password }
  return { type: 'ntlm', canCall: false, settings }
}

/**
 * What the upstream is told must be one caller's alone and fit into a header: a username may be the
 * name of somebody else's key.
 */
function findIdentity(
  item: Item,
  name: string,
  settings: Converted['settings'],
  identities: Set<string>,
): string | undefined {
  const username = settings['username']
  const own = typeof username === 'string' ? username : name
  const isFit = findHeaderValueFault(own) === undefined && !identities.has(own)
  if (isFit) {
    identities.add(own)
    return undefined
  }
  let identity = name
  for (let count = 2; identities.has(identity); count++) identity = `${name}-${count}`
  identities.add(identity)
  const why = identities.has(own) ? 'is told of another caller too' : 'does not fit into a header'
  const text = `${item.shown}: what the upstream would be told ${why}; it is told ${quote(identity)}`
  item.context.findings.add('renamed', item.place, text)
  return identity === own ? undefined : identity
}
