/**
 * The scopes of one call: the grammar of `X-Sidegate-Scopes`, which is that of RFC 6749 3.3.
 */

const SCOPES = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

/**
 * The scopes of an `X-Sidegate-Scopes` header, each once, in their order; blanks around the value do
 * not count (RFC 9110 5.5). Empty: the definition's own. `undefined`: malformed.
 */
export function parseScopes(value: string): readonly string[] | undefined {
  const text = value.replace(/^[ \t]+|[ \t]+$/g, '')
  if (text === '') return []
  return SCOPES.test(text) ? [...new Set(text.split(' '))] : undefined
}
