/**
 * Creates the local authority for `https: intercept`: it may issue for the configured hosts and for
 * nothing else, so that a stolen key opens no other door.
 */
import { generateKeyPairSync } from 'node:crypto'
import { createConstraints, NAME_CONSTRAINTS } from './name-constraints.ts'
import { BACKDATED_MS, createSerialNumber, importSigningKey } from './signer.ts'
import { loadX509 } from './x509.ts'

const DAY_MS = 86_400_000

/** What an authority is made from. */
export interface AuthorityOptions {
  /** Host names, `*.x` and IP addresses, in lower case; at least one. */
  readonly hosts: readonly string[]
  readonly commonName?: string
  readonly validityDays: number
  readonly nowMs: number
}

/** A certificate and its key (PKCS #8), both PEM. */
export interface Authority {
  readonly certPem: string
  readonly keyPem: string
}

/** Creates a self-signed authority: ECDSA P-256, name-constrained (RFC 5280 4.2.1), backdated 1 h. */
export async function createAuthority(options: AuthorityOptions): Promise<Authority> {
  const { hosts, commonName = 'Sidegate local authority', validityDays, nowMs } = options
  if (hosts.length === 0) throw new RangeError('an authority needs at least one host')
  const { x509, encodeConstraints } = loadX509()
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const { key, algorithm } = await importSigningKey(keyPem)
  const subject = new x509.Name([{ O: ['Sidegate'] }, { CN: [commonName] }])
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: createSerialNumber(),
    subject,
    issuer: subject,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + validityDays * DAY_MS),
    publicKey: new x509.PublicKey(spki),
    signingKey: key,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(new x509.PublicKey(spki)),
      new x509.Extension(NAME_CONSTRAINTS, true, encodeConstraints(createConstraints(hosts))),
    ],
  })
  return { certPem: `${certificate.toString('pem')}\n`, keyPem }
}
