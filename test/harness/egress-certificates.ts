/**
 * Certificates for tests of the egress side, made by openssl when a test runs: an authority, and
 * leaves that are right, expired or for another name.
 */
import type { Test } from 'tap'
import { createPemFolder, openssl } from '../tls/verifiers.ts'

/** A certificate and its key, both PEM. */
export interface Pem {
  readonly cert: string
  readonly key: string
}

/** What can be wrong with a leaf. */
export interface LeafOptions {
  /** As openssl says it: `DNS:localhost,IP:127.0.0.1`. */
  readonly names?: string
  /** -1 has expired. */
  readonly days?: number
}

const LOOPBACK = 'DNS:localhost,IP:127.0.0.1'
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** An authority of the test's own. */
export class TestAuthority implements Pem {
  readonly cert: string
  readonly key: string
  readonly #t: Test

  constructor(t: Test, commonName = 'Test authority') {
    const write = createPemFolder(t)
    const keyPath = write('ca.key', '')
    const certPath = write('ca.crt', '')
    openssl([
      ...['req', '-x509', ...KEY, '-keyout', keyPath, '-out', certPath, '-days', '2'],
      ...['-subj', `/CN=${commonName}`],
      ...['-addext', 'basicConstraints=critical,CA:TRUE'],
      ...['-addext', 'keyUsage=critical,keyCertSign'],
    ])
    this.#t = t
    this.cert = openssl(['x509', '-in', certPath])
    this.key = openssl(['pkey', '-in', keyPath])
  }

  /** A leaf for `localhost` and 127.0.0.1 unless told otherwise. */
  issue({ names = LOOPBACK, days = 1 }: LeafOptions = {}): Pem {
    const write = createPemFolder(this.#t)
    const keyPath = write('leaf.key', '')
    const requestPath = write('leaf.csr', '')
    const certPath = write('leaf.crt', '')
    const extensions = `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`
    openssl(['req', ...KEY, '-keyout', keyPath, '-out', requestPath, '-subj', '/CN=leaf'])
    openssl([
      ...['x509', '-req', '-in', requestPath, '-out', certPath, '-days', String(days)],
      ...['-CA', write('ca.crt', this.cert), '-CAkey', write('ca.key', this.key)],
      ...['-CAcreateserial', '-extfile', write('extensions', extensions)],
    ])
    return { cert: openssl(['x509', '-in', certPath]), key: openssl(['pkey', '-in', keyPath]) }
  }
}
