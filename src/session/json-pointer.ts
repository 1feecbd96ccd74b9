/** JSON Pointers (RFC 6901): one place in a document. */

/** What stands there; `undefined` where nothing does, or the pointer is none. */
export function findPointed(document: unknown, pointer: string): unknown {
  if (pointer === '') return document
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) return undefined
  let found = document
  for (const token of pointer.slice(1).split('/')) {
    found = findMember(found, token.replaceAll('~1', '/').replaceAll('~0', '~'))
    if (found === undefined) return undefined
  }
  return found
}

/** Own members only: `/constructor/name` stands in every object. */
function findMember(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value) && !/^(?:0|[1-9]\d{0,9})$/.test(name)) return undefined
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}
