/**
 * Where a signature and its marks stand in the headers of a request: templates, written for those who
 * sign and read for those who check.
 */
import { parseTemplate, type TemplatePart } from '../http/template.ts'
import { findOne, signatureBytes, type SignatureMarks } from './signature.ts'
import type { HmacSettings } from './settings.ts'
import { timestampPatterns } from './timestamp.ts'

/** What the templates can name. */
export interface FormValues extends SignatureMarks {
  readonly signature: string
  readonly keyId: string
}

type Word = 'signature' | 'timestamp' | 'nonce' | 'key_id'

interface Field {
  /** As written in the configuration. */
  readonly written: string
  /** In lower case. */
  readonly name: string
  readonly parts: readonly TemplatePart[]
  readonly pattern: RegExp
  /** The words of the groups of the pattern. */
  readonly words: readonly Word[]
}

type FormSettings = Pick<
  HmacSettings,
  'headers' | 'keyHeader' | 'algorithm' | 'encoding' | 'timestampFormat'
>

/** Definitions of one form differ by their key ids alone. */
export class SignatureForm {
  readonly #fields: readonly Field[]
  /** Names of all headers of the form, in lower case. */
  readonly names: readonly string[]
  /** The header with the signature, in lower case. */
  readonly slot: string
  /** Whether the id of the key is among them. */
  readonly hasKeyId: boolean
  /** The same for definitions of the same form. */
  readonly key: string

  constructor(settings: FormSettings) {
    const patterns = patternsOf(settings)
    const fields = settings.headers.map(([name, template]) => fieldOf(name, template, patterns))
    if (settings.keyHeader !== undefined) {
      fields.push(fieldOf(settings.keyHeader, '{key_id}', patterns))
    }
    this.#fields = fields
    this.names = fields.map(({ name }) => name)
    this.slot = fields.find(({ words }) => words.includes('signature'))?.name ?? ''
    this.hasKeyId = fields.some(({ words }) => words.includes('key_id'))
    this.key = fields.map(({ name, pattern }) => `${name}:${pattern.source}`).join('\n')
  }

  /** The headers of a signature, a flat list. */
  write(values: FormValues): string[] {
    const texts: Readonly<Record<Word, string>> = {
      signature: values.signature,
      timestamp: values.timestamp,
      nonce: values.nonce,
      key_id: values.keyId,
    }
    const written: string[] = []
    for (const field of this.#fields) {
      let value = ''
      for (const part of field.parts) {
        if (part.kind === 'text') value += part.text
        else if (part.kind === 'name') value += texts[part.name as Word]
      }
      written.push(field.written, value)
    }
    return written
  }

  /** `undefined` where the headers are not of this form, or one stands there twice. */
  read(headers: readonly string[]): FormValues | undefined {
    const found: Record<Word, string> = { signature: '', timestamp: '', nonce: '', key_id: '' }
    for (const { name, pattern, words } of this.#fields) {
      const match = pattern.exec(findOne(headers, name) ?? '')
      if (match === null) return undefined
      for (const [index, word] of words.entries()) {
        const text = match[index + 1] ?? ''
        // Said twice, it must be said alike.
        if (found[word] !== '' && found[word] !== text) return undefined
        found[word] = text
      }
    }
    return {
      signature: found.signature,
      timestamp: found.timestamp,
      nonce: found.nonce,
      keyId: found.key_id,
    }
  }
}

function patternsOf({
  algorithm,
  encoding,
  timestampFormat,
}: FormSettings): Readonly<Record<Word, string>> {
  const bytes = signatureBytes[algorithm]
  const signature =
    encoding === 'hex'
      ? `[0-9A-Fa-f]{${2 * bytes}}`
      : // Padded, and in one spelling.
        `[A-Za-z0-9+/]{${Math.ceil((bytes * 4) / 3)}}={${(3 - (bytes % 3)) % 3}}`
  return {
    signature,
    timestamp: timestampPatterns[timestampFormat],
    nonce: '[A-Za-z0-9._~+/=:-]{1,128}',
    key_id: '[\\x20-\\x7e\\xa0-\\xff]{1,256}',
  }
}

function fieldOf(name: string, template: string, patterns: Readonly<Record<Word, string>>): Field {
  const words: Word[] = []
  const parts = parseTemplate(template)
  let source = ''
  for (const part of parts) {
    if (part.kind === 'text') {
      source += part.text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
    } else if (part.kind === 'name') {
      const word = part.name as Word
      words.push(word)
      // As little as will do: what follows a word is the template's.
      source += `(${patterns[word]}${word === 'nonce' || word === 'key_id' ? '?' : ''})`
    }
  }
  return {
    written: name,
    name: name.toLowerCase(),
    parts,
    pattern: new RegExp(`^${source}$`),
    words,
  }
}
