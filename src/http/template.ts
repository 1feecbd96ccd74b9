/** Templates of headers and bodies: `{name}`, and `{{` and `}}` for braces. */

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string }
  /** A brace that stands alone. */
  | { readonly kind: 'fault' }

const TOKEN = /\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]/g

/** Splits a template into its parts; text beside text is one part. */
export function parseTemplate(template: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = []
  let text = ''
  let from = 0
  for (const match of template.matchAll(TOKEN)) {
    const [token, name] = match
    text += template.slice(from, match.index)
    from = match.index + token.length
    if (token === '{{' || token === '}}') {
      text += token.charAt(0)
      continue
    }
    if (text !== '') parts.push({ kind: 'text', text })
    text = ''
    parts.push(name === undefined ? { kind: 'fault' } : { kind: 'name', name })
  }
  text += template.slice(from)
  if (text !== '') parts.push({ kind: 'text', text })
  return parts
}
