/**
 * The grammar of templates in hmac and session: `{name}`, and `{{` and `}}` for braces.
 */
import { suggest } from './nearest.ts'

const TOKEN = /\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]/g

/** The names that a template uses. */
export function readTemplateNames(template: string): readonly string[] {
  const names: string[] = []
  for (const [, name] of template.matchAll(TOKEN)) if (name !== undefined) names.push(name)
  return names
}

/** What is wrong with a template, without its text; `undefined` if nothing is. */
export function findTemplateFault(template: string, known: readonly string[]): string | undefined {
  for (const [token, name] of template.matchAll(TOKEN)) {
    if (token === '{' || token === '}') {
      return 'a single brace in a template, wanted {name}, or {{ and }} for braces'
    }
    if (name !== undefined && !known.includes(name)) {
      const hint = suggest(name, known)
      // Without a known name near it may be a part of a secret that has braces.
      return hint === ''
        ? `an unknown {name} in a template, wanted one of ${known.join(', ')}`
        : `unknown name {${name}} in a template${hint}`
    }
  }
  return undefined
}
