/** How a step of a story says that the call is refused. */
import type { Code } from '../../errors.ts'

/** Ends the story at once. */
export class Refusal extends Error {
  /** `undefined`: the connection is closed without an answer. */
  readonly code: Code | undefined

  constructor(code: Code | undefined, reason: string) {
    super(reason)
    this.code = code
  }
}
