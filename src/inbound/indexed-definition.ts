/** A definition as verifiers meet it. */
import type { Definition } from '../config/model.ts'

export interface IndexedDefinition<Kind extends Definition = Definition> {
  readonly definition: Kind
  /** Number of the configuration in which the definition last changed. */
  readonly generation: number
  /** All groups it is in, sorted; one array for all definitions with the same groups. */
  readonly groups: readonly string[]
}
