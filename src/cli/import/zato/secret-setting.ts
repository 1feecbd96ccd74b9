/**
 * Settings that are never written: secrets, and what only the environment knows. Each becomes a
 * reference, and the report says what to set and where its value is to be found.
 */
import { quote } from '../../../observe/quote.ts'
import type { SourcePlace } from '../source-node.ts'
import type { VariableKind } from '../variables.ts'
import { type Item, type Setting, isTruthWord } from './item.ts'
import { literal } from './model.ts'

/** Reads a secret setting; the result is always a reference. */
export function referSecret(item: Item, name: string, key: string, what = key): string {
  const { variables, findings, lookUp } = item.context
  const setting = item.setting(key)
  const owner = `the ${what} of ${item.shown}`
  if (setting?.kind === 'variable') {
    const value = lookUp(setting.name)
    if (value !== undefined && isTruthWord(value)) {
      findings.add(
        'changed',
        setting.place,
        `${owner}: Zato reads words such as yes and 1 as true or false, in passwords too; what it knows is not what the variable holds: set a new secret`,
      )
    }
    const origin = value ? 'its value is known to the environment or --env-file' : 'it is not set'
    const use = { kind: 'secret', what: owner, origin, place: setting.place, value } as const
    return variables.refer(setting.name, use)
  }
  const { place, origin, value } = describeLiteral(item, setting)
  return variables.create(name, suffixOf(what), {
    kind: 'secret',
    what: owner,
    origin,
    place,
    value,
  })
}

function suffixOf(what: string): string {
  return what === 'client secret' ? 'SECRET' : what
}

interface LiteralSecret {
  readonly place: SourcePlace
  readonly origin: string
  readonly value: string | undefined
}

/** What can be said of a secret that the file should have: nothing of the secret itself. */
function describeLiteral(item: Item, setting: Setting | undefined): LiteralSecret {
  if (setting?.kind !== 'literal') {
    const origin = 'the file has none (exports never do), Zato has it'
    return { place: item.place, origin, value: undefined }
  }
  const { text, place } = setting
  if (text.startsWith('gAAA')) {
    const origin = 'the file has it encrypted by Zato, which is not the secret'
    return { place, origin, value: undefined }
  }
  if (/^Missing_.+_[0-9a-f]+$/s.test(text)) {
    const origin =
      'its variable was missing when Zato imported it, so there is none: make a new one'
    return { place, origin, value: undefined }
  }
  if (text.startsWith('Zato-Auto-Password-')) {
    const origin = 'Zato made a random one that nobody knows: make a new one'
    return { place, origin, value: undefined }
  }
  const origin =
    'it stands here in the file; a server that knew the definition before kept its older one'
  return { place, origin, value: text }
}

/** A setting that is no secret: written as it is, or as a reference where the file has a variable. */
export function writeSetting(
  item: Item,
  setting: Setting,
  what: string,
  kind: VariableKind = 'text',
): string {
  if (setting.kind === 'literal') return literal(setting.text)
  const { variables, lookUp } = item.context
  const value = lookUp(setting.name)
  const origin = value ? 'its value is known to the environment or --env-file' : 'it is not set'
  const owner = `the ${what} of ${item.shown}`
  return variables.refer(setting.name, { kind, what: owner, origin, place: setting.place, value })
}

/** A reference for what the file should say and does not. */
export function referMissing(
  item: Item,
  name: string,
  suffix: string,
  what: string,
  kind: VariableKind,
): string {
  const owner = `the ${what} of ${quote(item.name)}`
  const origin = 'the file does not say it'
  return item.context.variables.create(name, suffix, {
    kind,
    what: owner,
    origin,
    place: item.place,
  })
}
