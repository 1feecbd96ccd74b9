/**
 * What the token source reads of a `bearer_token` definition. The configuration's own type is equal
 * in shape; it stands to the left of this folder and is not imported.
 */
import type { Secret } from '../secret.ts'

export interface TokenDefinition {
  readonly name: string
  readonly isActive: boolean
  /** Changes when anything of the definition changes, its secrets included. */
  readonly fingerprint: string
  readonly username: string
  readonly password: Secret | undefined
  /** `http:` or `https:`, with path and query, without userinfo and fragment. */
  readonly authServerUrl: string
  /** In the order in which they go on the wire. */
  readonly scopes: readonly string[]
  readonly clientIdField: string
  readonly clientSecretField: string
  readonly grantType: string
  readonly extraFields: readonly (readonly [name: string, value: string])[]
  readonly dataFormat: 'form' | 'json'
  readonly clientAuth: 'post' | 'basic' | 'private_key_jwt'
  /** PEM; of `private_key_jwt` only. */
  readonly privateKey: Secret | undefined
  readonly privateKeyId: string | undefined
  readonly algorithm: string
  /** How long a call waits for a fresh token while the old one is valid. */
  readonly refreshWaitMs: number
  readonly prefetch: boolean
  /** Bounds what a call may ask for; `undefined`: anything. */
  readonly allowedScopes: readonly string[] | undefined
  /** Of one token request, from the signature to the last byte. */
  readonly timeoutMs: number
  /** Life of tokens without `expires_in`. */
  readonly defaultTtlMs: number
}
