/**
 * Certificates and keys: each is the path of a PEM file, or PEM text that came through a reference.
 * Read and checked here, so that a wrong one is an error at load and not at the first handshake.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Secret } from '../secret.ts'
import type { ResolveContext } from './context.ts'
import type { ClientTls } from './model.ts'
import type { Path } from './tree.ts'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** What `tls` of a client says. */
interface ParsedClientTls {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly server_name?: string | undefined
}

/** A certificate chain and its key, as PEM. */
export interface CertificatePair {
  readonly cert: string
  readonly key: Secret
}

/** The TLS settings of a client; `undefined` where there are none. */
export function resolveClientTls(
  context: ResolveContext,
  path: Path,
  parsed: ParsedClientTls | undefined,
): ClientTls | undefined {
  if (parsed === undefined) return undefined
  const { ca, cert, key, server_name: serverName } = parsed
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key']
    context.report([...path, given], `found ${given} alone, wanted ${missing} beside it`)
    return undefined
  }
  const pair =
    cert === undefined || key === undefined ? undefined : resolvePair(context, path, { cert, key })
  return {
    ca: ca === undefined ? undefined : resolveCertificates(context, [...path, 'ca'], ca)?.pem,
    cert: pair?.cert,
    key: pair?.key,
    serverName: serverName?.toLowerCase().replace(/\.$/, ''),
  }
}

/** A certificate and the key that belongs to it; `isAuthority` for one that signs others. */
export function resolvePair(
  context: ResolveContext,
  path: Path,
  parsed: { readonly cert: string; readonly key: string },
  isAuthority = false,
): CertificatePair | undefined {
  const certificates = resolveCertificates(context, [...path, 'cert'], parsed.cert)
  const privateKey = resolvePrivateKey(context, [...path, 'key'], parsed.key)
  const leaf = certificates?.certificates[0]
  if (certificates === undefined || leaf === undefined || privateKey === undefined) return undefined
  if (!leaf.checkPrivateKey(privateKey.key)) {
    context.report(
      [...path, 'key'],
      'this private key does not belong to the certificate beside it',
    )
    return undefined
  }
  if (isAuthority && !leaf.ca) {
    context.report(
      [...path, 'cert'],
      'this certificate may not sign others, wanted one of an authority (CA:TRUE)',
    )
    return undefined
  }
  return { cert: certificates.pem, key: privateKey.secret }
}

/** PEM certificates; `undefined` when something is wrong, which is reported. */
export function resolveCertificates(
  context: ResolveContext,
  path: Path,
  value: string,
): { pem: string; certificates: readonly X509Certificate[] } | undefined {
  const source = readPem(context, path, value)
  if (source === undefined) return undefined
  const blocks = source.pem.match(CERTIFICATE)
  if (blocks === null) {
    context.report(path, 'no PEM certificate in it, wanted -----BEGIN CERTIFICATE-----')
    return undefined
  }
  try {
    return { pem: source.pem, certificates: blocks.map((block) => new X509Certificate(block)) }
  } catch {
    context.report(path, 'a PEM certificate in it cannot be read, wanted X.509')
    return undefined
  }
}

/** A PEM private key; `undefined` when something is wrong, which is reported. */
export function resolvePrivateKey(
  context: ResolveContext,
  path: Path,
  value: string,
): { secret: Secret; key: KeyObject } | undefined {
  const source = readPem(context, path, value)
  if (source === undefined) return undefined
  const { pem } = source
  if (pem.includes('ENCRYPTED')) {
    context.report(path, 'an encrypted private key, wanted one without passphrase')
    return undefined
  }
  if (source.isOpen) context.warn(path, 'other users can read the file of this private key')
  try {
    return { secret: new Secret(pem, source.source), key: createPrivateKey(pem) }
  } catch {
    context.report(path, 'no PEM private key in it, wanted -----BEGIN PRIVATE KEY-----')
    return undefined
  }
}

function readPem(
  context: ResolveContext,
  path: Path,
  value: string,
): { pem: string; source: string; isOpen: boolean } | undefined {
  if (value.trimStart().startsWith('-----BEGIN ')) {
    return { pem: value, source: context.scalarAt(path)?.source ?? 'literal', isOpen: false }
  }
  if (/[\n\0]/.test(value)) {
    context.report(path, 'neither a path nor PEM text, wanted -----BEGIN … at its start')
    return undefined
  }
  const read = context.readFileAt(path, value)
  if (read === undefined) return undefined
  return { pem: read.text, source: `file:${value}`, isOpen: read.isOpen }
}
