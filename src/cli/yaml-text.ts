/**
 * Words on their way into YAML that commands write by hand (with comments, which no serialiser
 * keeps): quoted wherever YAML could take them for something else.
 */

const PLAIN = /^[A-Za-z][A-Za-z0-9._-]*$/
/** Addresses and URLs: a colon that no space follows makes no map, and no number either. */
const ADDRESS = /^[A-Za-z0-9][A-Za-z0-9._/-]*(:[A-Za-z0-9._/-]+)+$/
const RESERVED = new Set(['true', 'false', 'null', 'yes', 'no', 'on', 'off', 'y', 'n', 'none'])

/** A string as a YAML scalar, quoted where it must be. JSON strings are YAML. */
export function renderScalar(text: string): string {
  const isPlain = PLAIN.test(text) || ADDRESS.test(text)
  return isPlain && !RESERVED.has(text.toLowerCase()) ? text : JSON.stringify(text)
}

/** The environment variable for a secret of a definition: `crm-2`, `PASSWORD` → `CRM_2_PASSWORD`. */
export function renderVariable(name: string, suffix: string): string {
  const words = `${name}_${suffix}`.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  return /^[0-9]/.test(words) ? `_${words}` : words
}
