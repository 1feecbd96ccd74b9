/**
 * What can be wrong with the templates of hmac and session (the grammar: `http/template.ts`).
 */
import { parseTemplate } from '../http/template.ts'
import { suggest } from './nearest.ts'

/** The names that a template uses. */
export function readTemplateNames(template: string): readonly string[] {
  return parseTemplate(template).flatMap((part) => (part.kind === 'name' ? [part.name] : []))
}

/** What is wrong with a template, without its text; `undefined` if nothing is. */
export function findTemplateFault(template: string, known: readonly string[]): string | undefined {
  for (const part of parseTemplate(template)) {
    if (part.kind === 'fault') {
      return 'a single brace in a template, wanted {name}, or {{ and }} for braces'
    }
    if (part.kind === 'name' && !known.includes(part.name)) {
      const hint = suggest(part.name, known)
      // Without a known name near it may be a part of a secret that has braces.
      return hint === ''
        ? `an unknown {name} in a template, wanted one of ${known.join(', ')}`
        : `unknown name {${part.name}} in a template${hint}`
    }
  }
  return undefined
}
