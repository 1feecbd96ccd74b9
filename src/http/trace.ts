/** The trace that a request belongs to. */

/** The trace id of a valid `traceparent` (W3C Trace Context, level 1 and later versions). */
export function findTraceId(
  names: readonly string[],
  headers: readonly string[],
): string | undefined {
  const at = names.indexOf('traceparent')
  if (at === -1 || names.includes('traceparent', at + 1)) return undefined
  const value = headers[2 * at + 1] ?? ''
  const isVersion0 = value.startsWith('00-')
  if (isVersion0 ? value.length !== 55 : value.length > 55 && value[55] !== '-') return undefined
  if (value[2] !== '-' || value[35] !== '-' || value[52] !== '-') return undefined
  if (!isHex(value, 0, 2) || value.startsWith('ff') || !isHex(value, 53, 55)) return undefined
  if (!isHexAndNotZero(value, 3, 35) || !isHexAndNotZero(value, 36, 52)) return undefined
  return value.slice(3, 35)
}

/** Lower case only, as the grammar has it. */
function isHex(value: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const code = value.charCodeAt(at)
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false
  }
  return true
}

function isHexAndNotZero(value: string, from: number, to: number): boolean {
  if (!isHex(value, from, to)) return false
  for (let at = from; at < to; at++) if (value.charCodeAt(at) !== 0x30) return true
  return false
}
