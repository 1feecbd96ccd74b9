/**
 * The index of section 3.4: among the definitions that channels reach, usernames, header-and-key
 * pairs and identities are unique, so that a credential means one caller and an identity one
 * definition. Linear, for groups may have 100,000 members.
 */
import { foldName } from '../http/headers.ts'
import type { ResolveContext } from './context.ts'
import { findHeaderValueFault } from './header-rules.ts'
import type { Definition, HmacDefinition } from './model.ts'
import type { DefinitionPlaces } from './places.ts'

/** What of the index is compared; the values are never shown. */
interface Seen {
  readonly usernames: Map<string, string>
  /** By header, then by digest. */
  readonly keys: Map<string, Map<string, string>>
  readonly identities: Map<string, string>
  readonly signers: Map<string, string>
  readonly headers: Map<string, string>
}

/** Checks the index of all definitions that channels reach; gives their headers, folded, each with a definition. */
export function checkIndex(
  context: ResolveContext,
  reached: ReadonlySet<string>,
  definitions: ReadonlyMap<string, Definition>,
  places: DefinitionPlaces,
): ReadonlyMap<string, string> {
  const seen: Seen = {
    usernames: new Map(),
    keys: new Map(),
    identities: new Map(),
    signers: new Map(),
    headers: new Map(),
  }
  const report = (name: string, setting: string, problem: string): void => {
    places.report(context, name, [setting], problem)
  }
  for (const name of reached) {
    const definition = definitions.get(name)
    if (definition === undefined) continue
    // A custom module tells the identity with each call; its name is one that it may not give.
    checkIdentity(definition, seen, report)
    if (definition.type === 'basic_auth') checkUser(definition, seen, report)
    else if (definition.type === 'api_key') checkKeys(definition, seen, report)
    else if (definition.type === 'hmac') checkSigner(definition, seen, report)
  }
  return seen.headers
}

type Report = (name: string, setting: string, problem: string) => void

function checkIdentity(definition: Definition, seen: Seen, report: Report): void {
  const { name, identity } = definition
  const isUsername = definition.type === 'basic_auth' && identity === definition.username
  const setting = isUsername ? 'username' : 'identity'
  // The grammar of names is narrower than that of headers.
  const fault = identity === name ? undefined : findHeaderValueFault(identity)
  if (fault !== undefined) {
    report(
      name,
      setting,
      `what the upstream is told goes into a header, ${fault}; identity can say something else`,
    )
  }
  const earlier = remember(seen.identities, identity, name)
  if (earlier === undefined) return
  report(
    name,
    setting,
    `the upstream would be told the same identity as of "${earlier}", wanted one of its own`,
  )
}

function checkUser(
  definition: Extract<Definition, { type: 'basic_auth' }>,
  seen: Seen,
  report: Report,
): void {
  const earlier = remember(seen.usernames, definition.username, definition.name)
  if (earlier === undefined) return
  report(
    definition.name,
    'username',
    `the username is that of "${earlier}" too, wanted one of its own`,
  )
}

function checkKeys(
  definition: Extract<Definition, { type: 'api_key' }>,
  seen: Seen,
  report: Report,
): void {
  const header = definition.header.toLowerCase()
  let keys = seen.keys.get(header)
  if (keys === undefined) {
    keys = new Map()
    seen.keys.set(header, keys)
    seen.headers.set(foldName(header), definition.name)
  }
  for (const { digest } of definition.keys) {
    const earlier = remember(keys, digest.toString('latin1'), definition.name)
    if (earlier === undefined) continue
    const whose = earlier === definition.name ? 'stands twice in it' : `is that of "${earlier}" too`
    report(definition.name, '', `the key ${whose}, in the same header, wanted one of its own`)
  }
}

function checkSigner(definition: HmacDefinition, seen: Seen, report: Report): void {
  const { settings } = definition
  const isTimed = settings.stringToSign.some((part) => part.kind === 'timestamp')
  if (!isTimed && settings.toleranceMs !== undefined) {
    report(
      definition.name,
      '',
      'callers sign no timestamp, so that a request could be sent again for ever, wanted timestamp in string_to_sign and headers, or tolerance: none',
    )
  }
  if (!isTimed && settings.stringToSign.some((part) => part.kind === 'nonce')) {
    report(
      definition.name,
      'string_to_sign',
      'callers sign a nonce and no timestamp, so that it would have to be remembered for ever, wanted timestamp beside it',
    )
  }
  const isIdSent =
    settings.keyHeader !== undefined ||
    settings.headers.some(([, template]) => template.includes('{key_id}'))
  if (settings.keyId !== undefined && !isIdSent) {
    report(
      definition.name,
      'key_id',
      'callers cannot send the key id, wanted key_header or {key_id} in headers',
    )
  }
  const { keyHeader } = settings
  if (keyHeader !== undefined) seen.headers.set(foldName(keyHeader), definition.name)
  for (const [header] of settings.headers) seen.headers.set(foldName(header), definition.name)
  const slot = settings.headers.map(([header]) => header.toLowerCase()).sort()
  const key = `${slot.join(' ')}\n${settings.keyId ?? ''}`
  const earlier = remember(seen.signers, key, definition.name)
  if (earlier === undefined) return
  report(
    definition.name,
    settings.keyId === undefined ? '' : 'key_id',
    `reads the same headers as "${earlier}" with the same key id, or none, wanted a key_id of its own`,
  )
}

/** Who had the value before; remembers the first. */
function remember(map: Map<string, string>, value: string, name: string): string | undefined {
  const earlier = map.get(value)
  if (earlier === undefined) map.set(value, name)
  return earlier
}
