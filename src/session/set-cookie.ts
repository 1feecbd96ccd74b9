/** `Set-Cookie` as user agents read it (RFC 6265 5.2), for one server and without a jar. */

export interface ReceivedCookie {
  readonly name: string
  readonly value: string
  /** It takes the cookie away: without value, or its end has come. */
  readonly isDeleted: boolean
}

/**
 * One cookie; `undefined` where it is none: no `=`, no name, or a control character in it. `nowMs`
 * is that of the server, where it says what time it is.
 */
export function parseSetCookie(header: string, nowMs: number): ReceivedCookie | undefined {
  if (hasControl(header)) return undefined
  const [pair = '', ...attributes] = header.split(';')
  const equals = pair.indexOf('=')
  if (equals === -1) return undefined
  const name = trimBlanks(pair.slice(0, equals))
  if (name === '') return undefined
  const value = trimBlanks(pair.slice(equals + 1))
  return { name, value, isDeleted: value === '' || isOver(attributes, nowMs) }
}

/** The name alone, also of what is no cookie by the rules: somebody may take it for one. */
export function nameOfSetCookie(header: string): string {
  const [pair = ''] = header.split(';', 1)
  return trimBlanks(pair.split('=', 1)[0] ?? '')
}

/** Without blanks and tabs around it. */
export function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}

/** `Max-Age` counts for more than `Expires`, and the last one of each; nonsense is passed over. */
function isOver(attributes: readonly string[], nowMs: number): boolean {
  let hasAged: boolean | undefined
  let hasExpired = false
  for (const attribute of attributes) {
    const equals = attribute.indexOf('=')
    if (equals === -1) continue
    const name = trimBlanks(attribute.slice(0, equals)).toLowerCase()
    const value = trimBlanks(attribute.slice(equals + 1))
    if (name === 'max-age' && /^-?\d+$/.test(value)) hasAged = Number(value) <= 0
    const instant = name === 'expires' ? Date.parse(value) : Number.NaN
    if (!Number.isNaN(instant)) hasExpired = instant <= nowMs
  }
  return hasAged ?? hasExpired
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if ((unit < 0x20 && unit !== 9) || unit === 0x7f) return true
  }
  return false
}
