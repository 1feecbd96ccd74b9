/** What becomes of an enmasse file, before it is written: sections of Sidegate with their places. */
import type { SourcePlace } from '../source-node.ts'

/** A value of the configuration that is written. */
export type Written =
  string | number | boolean | readonly Written[] | { readonly [key: string]: Written }

/** An entry of a list of the configuration. */
export interface Draft {
  readonly place: SourcePlace
  /** Said above it in the file. */
  readonly comment?: string
  readonly entry: { readonly [key: string]: Written }
}

/** A definition of Zato and what it is here. */
export interface ImportedDefinition {
  /** As the enmasse file calls it. */
  readonly original: string
  /** As Sidegate calls it. */
  readonly name: string
  readonly place: SourcePlace
  /** Its type here; `undefined` for one that has no counterpart. */
  readonly type: 'basic_auth' | 'api_key' | 'bearer_token' | 'ntlm' | undefined
  /** Whether callers may show it. */
  readonly canCall: boolean
  /** Header of an API key. */
  readonly header: string | undefined
  readonly draft: Draft | undefined
}

/** What a converter gives for one definition. */
export interface Converted {
  readonly type: ImportedDefinition['type']
  readonly canCall: boolean
  readonly header?: string
  readonly settings: Readonly<Record<string, Written>>
}

/** A group of Zato and what it is here. */
export interface ImportedGroup {
  readonly name: string
  /** Members that can call, by the names they have here. */
  readonly members: readonly string[]
  /** Headers of the keys of its members. */
  readonly headers: ReadonlySet<string>
  /** Whether it had members that have no counterpart. */
  readonly hasLost: boolean
  readonly draft: Draft | undefined
}

/** Literal text for the configuration: what looks like a reference in a foreign file is none. */
export function literal(text: string): string {
  // A function: in a replacement text `$$` would be a single `$`.
  return text.replaceAll('${', () => '$${')
}
