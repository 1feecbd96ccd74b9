/**
 * Whether a certificate and a key can be the authority for `https: intercept`: everything that would
 * otherwise show as a refused handshake in somebody's application.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { NAME_CONSTRAINTS, isPermitted } from './name-constraints.ts'
import { findKeyFault } from './signer.ts'
import { loadX509 } from './x509.ts'

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const ANY_USAGE = '2.5.29.37.0'

/**
 * What is wrong with an authority that is to issue for `hosts` (`*.x` and addresses too); nothing
 * wrong gives an empty list. No message holds anything of the key.
 */
export function checkAuthority(
  certPem: string,
  keyPem: string,
  hosts: readonly string[],
  nowMs: number,
): string[] {
  const certificate = readCertificate(certPem)
  const key = readKey(keyPem)
  if (certificate === undefined) return ['the certificate of the authority cannot be read']
  if (key === undefined) return ['the private key of the authority cannot be read']
  const keyFault = findKeyFault(key)
  return [
    ...(certificate.checkPrivateKey(key) ? [] : ['the key does not belong to the certificate']),
    ...(keyFault === undefined ? [] : [`the authority has ${keyFault}`]),
    ...checkLife(certificate, nowMs),
    ...checkUsage(certificate),
    ...checkConstraints(certificate, hosts),
  ]
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

function checkLife({ validFrom, validTo }: X509Certificate, nowMs: number): string[] {
  if (Date.parse(validTo) <= nowMs) return [`the authority ended on ${renderDay(validTo)}`]
  if (Date.parse(validFrom) > nowMs) {
    return [`the authority is not valid before ${renderDay(validFrom)}`]
  }
  return []
}

function renderDay(date: string): string {
  return new Date(date).toISOString().slice(0, 10)
}

function checkUsage(certificate: X509Certificate): string[] {
  // False for a key usage without keyCertSign too.
  if (!certificate.ca) return ['the certificate may not sign others, wanted CA:TRUE, keyCertSign']
  // Typed as always there; it is `undefined` without the extension.
  const usages = certificate.keyUsage as readonly string[] | undefined
  if (usages === undefined || usages.some((id) => id === SERVER_AUTH || id === ANY_USAGE)) return []
  return ['the extended key usage of the authority shuts out servers, wanted serverAuth, or none']
}

/** Node's own class does not tell them. */
function checkConstraints(certificate: X509Certificate, hosts: readonly string[]): string[] {
  const { x509, decodeConstraints } = loadX509()
  try {
    const extension = new x509.X509Certificate(certificate.raw).getExtension(NAME_CONSTRAINTS)
    if (extension === null) return []
    const constraints = decodeConstraints(extension.value)
    return hosts.filter((host) => !isPermitted(constraints, host)).map(describeOutside)
  } catch {
    return ['the name constraints of the authority cannot be read']
  }
}

function describeOutside(host: string): string {
  return `the authority may not issue for "${host}" (name constraints); "sidegate ca init" makes one that may`
}
