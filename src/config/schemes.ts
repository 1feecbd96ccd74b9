/** The resolved settings of the type custom (`hmac/settings.ts` and `session/settings.ts` have theirs). */
import type { Secret } from '../secret.ts'

export interface CustomSettings {
  /** Absolute path of the module. */
  readonly module: string
  /** SHA-256 of the module, in hex: with other content the definition is another one. */
  readonly moduleDigest: string
  readonly options: Readonly<Record<string, unknown>>
  readonly secrets: readonly (readonly [string, Secret])[]
  readonly timeoutMs: number
  readonly memoryBytes: number
  readonly body: boolean
  readonly bodyLimitBytes: number
  /** Header names that the module may set. */
  readonly headers: readonly string[]
}
