/**
 * A secret that prints as `[redacted]` wherever it could be printed by accident: templates, JSON,
 * `console.log`, error messages. Only `reveal()` gives the value, so that every use can be found.
 */
import { inspect } from 'node:util'

const REDACTED = '[redacted]'

export class Secret {
  readonly #value: string
  /** Where it came from, for `/status`: `env:NAME`, `file:PATH` or `literal`. */
  readonly source: string

  constructor(value: string, source = 'literal') {
    this.#value = value
    this.source = source
  }

  /** The value itself. Every caller must hand it to cryptography or to the wire, nowhere else. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
