/**
 * docs/configuration.md, the reference of all settings, from the JSON Schema: so that it cannot say
 * anything else than the program does.
 */
import { buildJsonSchema } from './schema.ts'

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly const?: string
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: unknown
  readonly pattern?: string
  readonly description?: string
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
}

const INTRODUCTION = `# Configuration

<!-- Generated from the schema by scripts/generate-docs.mjs: do not edit. -->

\`--config PATH\`, repeatable, names a file, or a folder whose \`*.yaml\` and \`*.yml\` are read in name order. Without it:
\`SIDEGATE_CONFIG\`, else \`./sidegate.yaml\`, else \`/etc/sidegate\`. Of several files the lists \`security\`, \`groups\`,
\`channels\` and \`outgoing\` are joined and maps are merged key by key; a setting given twice is an error.

- Durations are \`500ms\`, \`30s\`, \`5m\`, \`1h\`; sizes are \`64KiB\`, \`10MiB\`.
- Names are 1 to 128 of \`A-Za-z0-9._-\`, starting with a letter or digit. \`none\` is no name.
- Any string value, or a part of it, may be \`\${env:NAME}\` or \`\${file:PATH}\` (one line break at the end is cut). \`$\${\` is a
  literal \`\${\`. A missing variable or file, and an empty one, is an error. Between \`{ }\` and \`[ ]\` put quotes around it.
- Relative paths count from the folder of the file they stand in.
- \`sidegate check\` tells all problems, each with file, line and column. \`sidegate schema\` prints the JSON Schema for editors.
`

/** The reference of all settings, as Markdown. */
export function renderConfigurationReference(): string {
  const root = buildJsonSchema() as JsonSchema
  const parts = [INTRODUCTION]
  for (const [name, section] of Object.entries(root.properties ?? {})) {
    parts.push(`## \`${name}\`\n`)
    const about = [section.description, section.items?.description]
    parts.push(`${about.filter((each) => each !== undefined).join(': ')}.\n`)
    const variants = section.items?.oneOf
    if (variants === undefined) parts.push(renderSettings(findMap(section.items ?? section)))
    else for (const variant of variants) parts.push(renderVariant(variant))
  }
  return `${parts.join('\n').trimEnd()}\n`
}

function renderVariant(variant: JsonSchema): string {
  const type = variant.properties?.['type']?.const ?? ''
  return `### \`type: ${type}\`\n\n${variant.description ?? ''}.\n\n${renderSettings(variant)}`
}

/** The map of settings that a section is, or may be. */
function findMap(schema: JsonSchema): JsonSchema {
  return schema.anyOf?.find((each) => each.properties !== undefined) ?? schema
}

function renderSettings(map: JsonSchema): string {
  const rows = listRows(map, '')
  return ['| setting | value | default | |', '| --- | --- | --- | --- |', ...rows, ''].join('\n')
}

function listRows(map: JsonSchema, prefix: string): string[] {
  return Object.entries(map.properties ?? {}).flatMap(([key, schema]) => {
    // The type of a definition is the heading.
    if (key === 'type' && prefix === '') return []
    const name = `${prefix}${key}`
    const isRequired = map.required?.includes(key) === true
    const row = [
      `\`${name}\``,
      describeValue(schema),
      isRequired ? 'required' : describeDefault(schema.default),
      describeMeaning(schema),
    ]
    return [`| ${row.map(escapeCell).join(' | ')} |`, ...listInner(schema, name)]
  })
}

/** Rows of a map, and of the maps that a list holds. */
function listInner(schema: JsonSchema, name: string): string[] {
  const own = findMap(schema)
  if (own.properties !== undefined) return listRows(own, `${name}.`)
  const item = schema.items === undefined ? undefined : findMap(schema.items)
  return item?.properties === undefined ? [] : listRows(item, `${name}[].`)
}

function describeMeaning(schema: JsonSchema): string {
  const [example] = schema.examples ?? []
  const shown = example === undefined ? '' : ` Example: \`${printValue(example)}\`.`
  return schema.description === undefined ? shown.trim() : `${schema.description}.${shown}`
}

function describeDefault(value: unknown): string {
  if (value === undefined) return ''
  const isEmptyMap = typeof value === 'object' && !Array.isArray(value)
  return isEmptyMap ? '' : `\`${printValue(value)}\``
}

function printValue(value: unknown): string {
  if (typeof value === 'string')
    return value === '' || /\s/.test(value) ? JSON.stringify(value) : value
  return JSON.stringify(value).replaceAll(',', ', ').replaceAll('":', '": ')
}

function describeValue(schema: JsonSchema): string {
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return [...new Set(choices.flatMap(describeChoice))].join(' or ')
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${String(word)}\``).join(', ')
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.type === 'array') return describeList(describeValue(schema.items ?? {}))
  if (schema.type === 'object') return 'map'
  if (schema.type === 'boolean') return '`true` or `false`'
  if (schema.type === 'integer') return describeRange(schema)
  return schema.type === 'string' ? describeString(schema.pattern) : 'text'
}

function describeList(item: string): string {
  return item.includes(' or ') ? `list of (${item})` : `list of ${item}`
}

/** What only allows a reference says nothing to a reader. */
function describeChoice(schema: JsonSchema): string[] {
  const isReference = schema.type === 'string' && schema.pattern?.startsWith('\\$\\{') === true
  return isReference ? [] : [describeValue(schema)]
}

function describeRange({ minimum, maximum }: JsonSchema): string {
  return `${minimum ?? ''} to ${maximum ?? ''}`
}

function describeString(pattern: string | undefined): string {
  if (pattern?.includes('(ms|s|m|h)') === true) return 'duration'
  if (pattern?.includes('(B|KiB|MiB|GiB)') === true) return 'size'
  if (pattern?.includes('{0,127}') === true) return 'name'
  return pattern?.includes('T(?:') === true ? 'instant' : 'text'
}

/** A pipe would end the cell. */
function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
