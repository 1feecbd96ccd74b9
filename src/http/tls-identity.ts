/**
 * What settings of TLS become: reading them costs up to tens of milliseconds and megabytes where `ca` is
 * a whole bundle, so that equal ones are read once, however many hosts and connections they are for.
 */
import { hash } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { BoundedMemory } from './headers.ts'

/** PEM texts; what is `undefined` is Node's default. */
export interface TlsIdentity {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
}

/** Different settings in use at once; more are read again. */
const MAX_CONTEXTS = 64

const digests = new WeakMap<TlsIdentity, string>()
const contexts = new BoundedMemory<SecureContext>(MAX_CONTEXTS)

/** The same for equal settings, and short. */
export function digestTls(identity: TlsIdentity): string {
  let digest = digests.get(identity)
  if (digest === undefined) {
    const { ca, cert, key } = identity
    digest = hash('sha256', JSON.stringify([ca, cert, key]), 'base64url')
    digests.set(identity, digest)
  }
  return digest
}

/** The context that connections with these settings share; throws where a PEM text is none. */
export function contextOf(identity: TlsIdentity): SecureContext {
  const digest = digestTls(identity)
  let context = contexts.get(digest)
  if (context === undefined) {
    const { ca, cert, key } = identity
    context = createSecureContext({
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    })
    contexts.set(digest, context)
  }
  return context
}
