/**
 * Validates a value against the parts of JSON Schema draft-07 that our schema uses; throws on others.
 */
type Json = Record<string, unknown>

const CHECKED = new Set([
  'type',
  'const',
  'enum',
  'pattern',
  'minLength',
  'minimum',
  'maximum',
  'minItems',
  'items',
  'properties',
  'required',
  'additionalProperties',
  'propertyNames',
  'anyOf',
  'oneOf',
])
const NOTES = new Set(['$schema', 'title', 'description', 'default', 'examples'])

/** What is wrong, one line each; empty for a valid value. */
export function findSchemaFaults(schema: unknown, value: unknown, path = ''): string[] {
  if (typeof schema === 'boolean') return schema ? [] : [`${path}: nothing is allowed`]
  const rules = schema as Json
  for (const key of Object.keys(rules)) {
    if (!CHECKED.has(key) && !NOTES.has(key)) throw new Error(`unknown keyword ${key} at ${path}`)
  }
  return [
    ...checkScalar(rules, value).map((fault) => `${path}: ${fault}`),
    ...checkList(rules, value, path),
    ...checkMap(rules, value, path),
    ...checkChoices(rules, value, path),
  ]
}

function checkScalar(rules: Json, value: unknown): string[] {
  const faults: string[] = []
  const { type, pattern, minimum, maximum } = rules
  if (type !== undefined && !isOfType(value, type)) faults.push(`wanted ${JSON.stringify(type)}`)
  if ('const' in rules && value !== rules['const']) faults.push('wanted another constant')
  if (Array.isArray(rules['enum']) && !rules['enum'].includes(value)) faults.push('not in enum')
  if (typeof value === 'string') {
    if (typeof pattern === 'string' && !new RegExp(pattern, 'u').test(value)) {
      faults.push(`does not match ${pattern}`)
    }
    if (typeof rules['minLength'] === 'number' && value.length < rules['minLength']) {
      faults.push('too short')
    }
  }
  if (typeof value === 'number') {
    if (typeof minimum === 'number' && value < minimum) faults.push('too small')
    if (typeof maximum === 'number' && value > maximum) faults.push('too big')
  }
  return faults
}

function isOfType(value: unknown, type: unknown): boolean {
  if (Array.isArray(type)) return type.some((each) => isOfType(value, each))
  if (type === 'array') return Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}

function checkList(rules: Json, value: unknown, path: string): string[] {
  if (!Array.isArray(value)) return []
  const faults: string[] = []
  if (typeof rules['minItems'] === 'number' && value.length < rules['minItems']) {
    faults.push(`${path}: too few items`)
  }
  if (rules['items'] === undefined) return faults
  return [
    ...faults,
    ...value.flatMap((item, index) => findSchemaFaults(rules['items'], item, `${path}.${index}`)),
  ]
}

function checkMap(rules: Json, value: unknown, path: string): string[] {
  if (!isOfType(value, 'object')) return []
  const map = value as Json
  const properties = (rules['properties'] ?? {}) as Json
  const faults = ((rules['required'] ?? []) as string[])
    .filter((key) => !(key in map))
    .map((key) => `${path}: missing ${key}`)
  for (const [key, child] of Object.entries(map)) {
    const at = `${path}.${key}`
    if (rules['propertyNames'] !== undefined) {
      faults.push(...findSchemaFaults(rules['propertyNames'], key, at))
    }
    if (key in properties) faults.push(...findSchemaFaults(properties[key], child, at))
    else if (rules['additionalProperties'] !== undefined) {
      faults.push(...findSchemaFaults(rules['additionalProperties'], child, at))
    }
  }
  return faults
}

function checkChoices(rules: Json, value: unknown, path: string): string[] {
  const anyOf = rules['anyOf'] as unknown[] | undefined
  const oneOf = rules['oneOf'] as unknown[] | undefined
  const faults: string[] = []
  const count = (all: unknown[]): number =>
    all.filter((each) => findSchemaFaults(each, value, path).length === 0).length
  if (anyOf !== undefined && count(anyOf) === 0) faults.push(`${path}: none of the choices fits`)
  if (oneOf !== undefined && count(oneOf) !== 1) faults.push(`${path}: not exactly one choice fits`)
  return faults
}
