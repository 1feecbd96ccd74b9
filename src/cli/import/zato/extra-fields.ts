/**
 * `extra_fields` of bearer definitions: `key=value` by lines, list or `;`. Values of names that are
 * not known to be harmless may be secret and become references. Zato guessed types and let these fields
 * overwrite the others; here they are text, and what overwrote a setting becomes that setting.
 */
import { splitWords } from '../../../config/fields.ts'
import { quote } from '../../../observe/quote.ts'
import { isTruthWord, type Item } from './item.ts'
import { literal } from './model.ts'

/** Names whose values are written as they are. */
const HARMLESS = new Set(
  [
    [
      'audience',
      'resource',
      'tenant',
      'tenant_id',
      'realm',
      'organization',
      'account_id',
      'region',
    ],
    ['response_type', 'token_type', 'requested_token_type', 'api_version', 'version', 'locale'],
  ].flat(),
)

/** Fields besides those that other settings fill, and what overwrote these. */
export interface ExtraFields {
  readonly fields: ReadonlyMap<string, string>
  readonly username: string | undefined
  readonly password: string | undefined
  readonly grantType: string | undefined
  readonly scopes: readonly string[] | undefined
}

/** Reads the fields; a line without `=` is a problem, told without what stands on it. */
export function readExtraFields(
  item: Item,
  name: string,
  { idField, secretField }: { readonly idField: string; readonly secretField: string },
): ExtraFields {
  const found = splitFields(item)
  const take = (field: string): string | undefined => {
    const value = found.get(field)
    found.delete(field)
    if (value !== undefined) {
      const text = `${item.shown}: the extra field ${quote(field)} overwrote a setting, it is that setting now`
      item.context.findings.add('changed', item.place, text)
    }
    return value
  }
  const username = take(idField)
  const secret = take(secretField)
  const grantType = take('grant_type')
  const scope = take('scope')
  const fields = new Map<string, string>()
  for (const [field, value] of found)
    fields.set(literal(field), writeField(item, name, field, value))
  return {
    fields,
    username: username === undefined ? undefined : literal(username),
    password:
      secret === undefined ? undefined : hide(item, name, 'SECRET', 'client secret', secret),
    grantType,
    scopes: scope === undefined ? undefined : splitWords(scope),
  }
}

function splitFields(item: Item): Map<string, string> {
  const fields = new Map<string, string>()
  const place = item.find('extra_fields')?.place ?? item.place
  const parts = item.lines('extra_fields').flatMap((line) => line.split(/[;\n]/))
  for (const part of parts.map((each) => each.trim())) {
    if (part === '' || part.startsWith('#')) continue
    const equals = part.indexOf('=')
    if (equals < 1) {
      item.problem('a line of extra_fields is not key=value', place)
      continue
    }
    fields.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim())
  }
  return fields
}

function writeField(item: Item, name: string, field: string, value: string): string {
  if (isGuessed(value)) {
    const text = `${item.shown}: Zato sent its guess at the type of the extra field ${quote(field)} (True for yes, 7 for 007); the text is sent now`
    item.context.findings.add('changed', item.place, text)
  }
  if (HARMLESS.has(field.toLowerCase().replaceAll('-', '_'))) return literal(value)
  return hide(item, name, field, `extra field ${quote(field)}`, value)
}

/** Truth words, numbers, None, and literals of Python and JSON. */
function isGuessed(value: string): boolean {
  return isTruthWord(value) || /^(?:[-+]?[\d.]+(?:e[-+]?\d+)?|None|null|[[{(].*)$/is.test(value)
}

function hide(item: Item, name: string, suffix: string, what: string, value: string): string {
  return item.context.variables.create(name, suffix, {
    kind: 'secret',
    what: `the ${what} of ${item.shown}`,
    origin: 'it stands here in the file',
    place: item.find('extra_fields')?.place ?? item.place,
    value,
  })
}
