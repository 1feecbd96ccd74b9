/** What commands show of a request without its secrets. */
import type { Config, Definition } from '../../config/model.ts'
import { foldName } from '../../http/headers.ts'

/** The target with every value of its query masked: keys are sent there, too. */
export function maskQuery(target: string): string {
  const question = target.indexOf('?')
  if (question === -1) return target
  const query = target.slice(question + 1).replace(/=[^&#]*/g, '=[masked]')
  return `${target.slice(0, question)}?${query}`
}

/** `Name: value` of a flat list, `secretHeaders` (folded names) masked. */
export function renderHeaders(
  headers: readonly string[],
  secretHeaders: ReadonlySet<string>,
): readonly string[] {
  const lines: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = secretHeaders.has(foldName(name)) ? '[masked]' : (headers[at + 1] ?? '')
    lines.push(`${name}: ${value}`)
  }
  return lines
}

/** Headers in which somebody's credential may stand, ours or the service's own; folded names. */
export function listSecretHeaders(config: Config): ReadonlySet<string> {
  const names = new Set(['authorization', 'proxy-authorization', 'cookie', 'x-api-key'])
  for (const definition of config.definitions.values()) {
    if (definition.type === 'api_key') names.add(foldName(definition.header))
    for (const name of listSetHeaders(definition)) names.add(foldName(name))
  }
  return names
}

/** What signatures, sessions and what modules make stand in. */
function listSetHeaders(definition: Definition): readonly string[] {
  switch (definition.type) {
    case 'hmac':
      return definition.settings.headers.map(([name]) => name)
    case 'session':
      return definition.settings.apply.headers.map(([name]) => name)
    case 'custom':
      return definition.settings.headers
    default:
      return []
  }
}
