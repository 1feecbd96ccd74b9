/**
 * What tells tokens apart. Every field is written with its length, so that no two different requests
 * have one key: a separator could stand in a value.
 */
import type { TokenDefinition } from './token-definition.ts'

/** The fields as one text; equal only for equal fields. */
export function encodeFields(fields: readonly string[]): string {
  let text = `${fields.length};`
  for (const field of fields) text += `${field.length}:${field}`
  return text
}

/** Everything of a definition that a token depends on; its secrets through the fingerprint. */
export function definitionKey(definition: TokenDefinition): string {
  return encodeFields([
    definition.name,
    definition.fingerprint,
    definition.authServerUrl,
    definition.username,
    definition.clientAuth,
    definition.grantType,
    definition.dataFormat,
    definition.clientIdField,
    definition.clientSecretField,
    encodeFields(definition.scopes),
    encodeFields(definition.extraFields.flat()),
  ])
}

/** A set of scopes: their order and repeats do not matter. */
export function scopeKey(scopes: readonly string[]): string {
  return encodeFields([...new Set(scopes)].sort())
}
