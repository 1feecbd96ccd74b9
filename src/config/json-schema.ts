/**
 * The JSON Schema of a zod schema, for editors: draft-07, which Helm and language servers agree on,
 * with references (`${env:…}`) allowed wherever a string has a pattern or is one of a few words.
 */
import { z } from 'zod'

const REFERENCE = '\\$\\{(?:env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)\\}'

type Json = Record<string, unknown>

/** Renders `schema` as draft-07. */
export function renderForEditors(schema: z.ZodType, title: string): Json {
  const rendered = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-07',
    unrepresentable: 'any',
    override: ({ jsonSchema, path }) => {
      // `type` of a definition decides which settings it has: editors need to see it.
      if (path.at(-1) !== 'type') allowReferences(jsonSchema)
    },
  })
  return { title, ...rendered }
}

function allowReferences(json: Json): void {
  delete json['secret']
  if (json['type'] !== 'string') return
  if (typeof json['pattern'] === 'string') {
    json['pattern'] = `(?:${json['pattern']})|${REFERENCE}`
  } else if (Array.isArray(json['enum']) || typeof json['const'] === 'string') {
    const words = (json['enum'] ?? [json['const']]) as unknown[]
    delete json['enum']
    delete json['const']
    delete json['type']
    json['anyOf'] = [
      { type: 'string', enum: words },
      { type: 'string', pattern: REFERENCE },
    ]
  }
}
