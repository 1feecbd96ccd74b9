/**
 * What certificates are signed with: the certificate and the key of an authority, ours or one that
 * the operator brought.
 */
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { X509Certificate } from '@peculiar/x509'

/** The hash that belongs to the size of a key (RFC 5480 4, NIST SP 800-57). */
const CURVES: Readonly<Record<string, readonly [curve: string, hash: string]>> = {
  prime256v1: ['P-256', 'SHA-256'],
  secp384r1: ['P-384', 'SHA-384'],
  secp521r1: ['P-521', 'SHA-512'],
}

const MIN_RSA_BITS = 2048

/** Backdating: clocks of clients may be slow. */
export const BACKDATED_MS = 3_600_000

/** A key as the package takes it, with the algorithm to sign with. */
export interface SigningKey {
  readonly key: webcrypto.CryptoKey
  readonly algorithm: { readonly name: string; readonly hash: string }
}

/** What is wrong with a kind of key, or `undefined`: clients take ECDSA and RSA everywhere. */
export function findKeyFault(key: KeyObject): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const wanted = 'wanted ECDSA (P-256, P-384, P-521) or RSA'
  if (type === 'ec') {
    const curve = details?.namedCurve ?? 'unknown'
    return Object.hasOwn(CURVES, curve) ? undefined : `a key on the curve ${curve}, ${wanted}`
  }
  if (type !== 'rsa') return `a key of type ${type ?? 'unknown'}, ${wanted}`
  const bits = details?.modulusLength ?? 0
  return bits < MIN_RSA_BITS ? `an RSA key of ${bits} bits, wanted at least 2048` : undefined
}

/** Reads a PEM key for signing. Throws on a kind that `findKeyFault` names. */
export async function importSigningKey(keyPem: string): Promise<SigningKey> {
  const key = createPrivateKey(keyPem)
  const fault = findKeyFault(key)
  if (fault !== undefined) throw new TypeError(`the authority has ${fault}`)
  const [namedCurve, hash] = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? ['', 'SHA-256']
  const algorithm =
    namedCurve === '' ? { name: 'RSASSA-PKCS1-v1_5', hash } : { name: 'ECDSA', hash }
  const imported = await webcrypto.subtle.importKey(
    'pkcs8',
    key.export({ type: 'pkcs8', format: 'der' }),
    { ...algorithm, namedCurve },
    false,
    ['sign'],
  )
  return { key: imported, algorithm }
}

/** A random serial number of 128 bits in hex: positive, and of the same length always. */
export function createSerialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** The subject key identifier of a certificate, in hex; `undefined` where it has none. */
export function findKeyIdentifier(
  certificate: X509Certificate,
  Extension: new (raw: ArrayBuffer) => { readonly keyId: string },
): string | undefined {
  const raw = certificate.getExtension('2.5.29.14')?.rawData
  return raw === undefined ? undefined : new Extension(raw).keyId
}
