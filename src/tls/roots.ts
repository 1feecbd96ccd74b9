/**
 * The authorities that this machine trusts, and bundles of them: most CA variables replace the store
 * of a runtime instead of adding to it, so that a bundle must hold everything.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Where systems keep their store: Debian, Fedora, SUSE, RHEL, Alpine and macOS. */
const STORES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** The variables by which runtimes are told of a bundle; what one names is trusted already. */
export const BUNDLE_VARIABLES = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'GIT_SSL_CAINFO',
  'AWS_CA_BUNDLE',
  'DENO_CERT',
  'CARGO_HTTP_CAINFO',
] as const

/** Certificates: a file of them, or their text. */
export type PemSource = { readonly path: string } | { readonly pem: string }

/** Certificates, each once. */
export interface Roots {
  readonly certificates: readonly X509Certificate[]
  /** What should have been read and could not, half a sentence each. */
  readonly faults: readonly string[]
}

/** Every root of the system, of Node and of the bundle variables in `env`, then `sources`. */
export function loadRoots(
  env: Readonly<Record<string, string | undefined>>,
  sources: readonly PemSource[],
): Roots {
  const faults: string[] = []
  const found = new Map<string, X509Certificate>()
  const add = (pem: string): number => {
    const certificates = parseCertificates(pem)
    for (const certificate of certificates) found.set(certificate.fingerprint256, certificate)
    return certificates.length
  }
  const addFile = (path: string, what: string): void => {
    const pem = readOrNothing(path)
    if (pem === undefined) faults.push(`${what} "${path}" cannot be read`)
    else if (add(pem) === 0) faults.push(`${what} "${path}" holds no certificate`)
  }
  add(rootCertificates.join('\n'))
  const store = STORES.map(readOrNothing).find((pem) => pem !== undefined)
  if (store !== undefined) add(store)
  for (const name of BUNDLE_VARIABLES) {
    const path = env[name] ?? ''
    if (path !== '') addFile(path, `the file of ${name}`)
  }
  for (const source of sources) {
    if ('pem' in source) add(source.pem)
    else addFile(source.path, 'the file')
  }
  return { certificates: [...found.values()], faults }
}

/** PEM of many certificates, and nothing besides: some readers choke on comments. */
export function renderBundle(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join('')
}

/** The certificates in a text; those that cannot be read are left out. */
export function parseCertificates(pem: string): readonly X509Certificate[] {
  return (pem.match(CERTIFICATE) ?? []).flatMap((block) => {
    try {
      return [new X509Certificate(block)]
    } catch {
      return []
    }
  })
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
