/**
 * Warnings about a configuration that is valid: what is probably a mistake, or will be one soon.
 */
import { createHash } from 'node:crypto'
import type { Secret } from '../secret.ts'
import type { ResolveContext } from './context.ts'
import { lintChannels } from './lint-channels.ts'
import { lintOutgoing } from './lint-outgoing.ts'
import type { Config, Definition } from './model.ts'
import type { DefinitionPlaces } from './places.ts'
import type { Path } from './tree.ts'

const DAY_MS = 24 * 3_600_000
const SOON_MS = 14 * DAY_MS
const STRONG_BITS = 128

/** Adds all warnings about `config`. */
export function lint(
  context: ResolveContext,
  config: Pick<Config, 'inbound' | 'channels' | 'definitions' | 'groups' | 'egress' | 'outgoing'>,
  places: DefinitionPlaces,
): void {
  lintChannels(context, config)
  lintOutgoing(context, config, places)
  warnDefinitions(context, config.definitions, places)
}

function warnDefinitions(
  context: ResolveContext,
  definitions: ReadonlyMap<string, Definition>,
  places: DefinitionPlaces,
): void {
  const owners = new Map<string, string>()
  for (const definition of definitions.values()) {
    const own = places.find(definition.name)
    // Callers of files have only hashes without end; the index has compared them.
    if (own === undefined) continue
    for (const entry of listEntries(definition)) {
      const path = findEntryPath(context, own, entry)
      const warn = (setting: string, text: string): void => {
        places.warn(context, definition.name, [...path, setting], text)
      }
      if (entry.list === 'keys' && isWeak(entry.secret)) {
        warn('key', 'a key of less than 128 bits can be guessed, wanted a longer random one')
      }
      warnEnd(context.nowMs, entry.notAfterMs, warn)
      if (entry.digest === undefined) continue
      const owner = owners.get(entry.digest)
      if (owner === undefined) owners.set(entry.digest, definition.name)
      else if (owner !== definition.name) {
        warn(entry.setting, `the same secret as that of "${owner}", wanted one of its own`)
      }
    }
  }
}

function warnEnd(
  nowMs: number,
  notAfterMs: number | undefined,
  warn: (setting: string, text: string) => void,
): void {
  if (notAfterMs === undefined || notAfterMs - nowMs > SOON_MS) return
  const days = Math.floor((notAfterMs - nowMs) / DAY_MS)
  const when = days === 0 ? 'in less than a day' : `in ${days} ${days === 1 ? 'day' : 'days'}`
  warn('not_after', notAfterMs <= nowMs ? 'this entry has ended' : `this entry ends ${when}`)
}

/** A secret of a definition, as far as warnings go. */
interface LintEntry {
  /** Where several may be listed. */
  readonly list: 'passwords' | 'keys' | 'secrets' | undefined
  readonly index: number
  readonly setting: string
  readonly secret: Secret | undefined
  /** Equal for equal secrets. */
  readonly digest: string | undefined
  readonly notAfterMs: number | undefined
}

function findEntryPath(context: ResolveContext, path: Path, entry: LintEntry): Path {
  if (entry.list === undefined) return []
  if (entry.list === 'secrets') return ['secrets']
  return context.has([...path, entry.list]) ? [entry.list, entry.index] : []
}

function listEntries(definition: Definition): readonly LintEntry[] {
  switch (definition.type) {
    case 'basic_auth':
      return definition.passwords.map(({ password, notAfterMs }, index) =>
        describeEntry('passwords', index, 'password', password, notAfterMs),
      )
    case 'api_key':
      return definition.keys.map(({ key, digest, notAfterMs }, index) => ({
        ...describeEntry('keys', index, 'key', undefined, notAfterMs),
        secret: key,
        digest: digest.toString('latin1'),
      }))
    case 'hmac':
      return definition.settings.keys.map(({ key, notAfterMs }, index) =>
        describeEntry('keys', index, 'key', key, notAfterMs),
      )
    case 'bearer_token':
    case 'ntlm':
      return [describeEntry(undefined, 0, 'password', definition.password, undefined)]
    case 'session': {
      const { password } = definition.settings
      return [describeEntry(undefined, 0, 'password', password, undefined)]
    }
    case 'custom':
      return definition.settings.secrets.map(([name, secret], index) =>
        describeEntry('secrets', index, name, secret, undefined),
      )
  }
}

function describeEntry(
  list: LintEntry['list'],
  index: number,
  setting: string,
  secret: Secret | undefined,
  notAfterMs: number | undefined,
): LintEntry {
  const digest =
    secret === undefined
      ? undefined
      : createHash('sha256').update(secret.reveal(), 'latin1').digest().toString('latin1')
  return { list, index, setting, secret, digest, notAfterMs }
}

const ALPHABETS: readonly (readonly [RegExp, number])[] = [
  [/^[0-9]*$/, 10],
  [/^(?:[0-9a-f-]*|[0-9A-F-]*)$/, 16],
  [/^(?:[a-z]*|[A-Z]*)$/, 26],
  [/^(?:[a-z0-9]*|[A-Z0-9]*)$/, 36],
  [/^[A-Za-z0-9]*$/, 62],
  [/^[A-Za-z0-9+/=_-]*$/, 64],
]

/** Whether a key has less than 128 bits even if it is random over the alphabet it seems to be of. */
function isWeak(secret: Secret | undefined): boolean {
  if (secret === undefined) return false
  const text = secret.reveal()
  // A repeated letter is no key, however long.
  if (new Set(text).size < 8) return true
  const alphabet = ALPHABETS.find(([pattern]) => pattern.test(text))?.[1] ?? 94
  const length = alphabet === 16 ? text.replaceAll('-', '').length : text.length
  return length * Math.log2(alphabet) < STRONG_BITS
}
