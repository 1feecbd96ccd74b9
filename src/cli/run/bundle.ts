/**
 * The authorities that an application behind the gate must trust: those of its machine, those that
 * the configuration names for destinations, and the one that issues our leaves.
 */
import type { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { loadRoots, parseCertificates, renderBundle } from '../../tls/roots.ts'
import { CommandError } from '../command.ts'
import { printError } from '../terminal.ts'
import type { Outline } from './outline.ts'

/** A bundle, and what it was made of. */
export interface Bundle {
  readonly pem: string
  readonly certificates: readonly X509Certificate[]
}

/**
 * Makes the bundle; what else cannot be read is a warning on stderr, but without our own authority
 * nothing would work: throws `CommandError`.
 */
export function createBundle({ egress, outgoing }: Outline, command: string): Bundle {
  const own = egress?.caCert
  const named = outgoing.flatMap(({ ca }) => (ca === undefined ? [] : [ca]))
  if (own !== undefined) {
    const pem = 'pem' in own ? own.pem : readFileSync(own.path, 'latin1')
    if (parseCertificates(pem).length === 0) {
      throw new CommandError('the certificate of egress.ca holds no PEM certificate')
    }
    named.push({ pem })
  }
  const { certificates, faults } = loadRoots(process.env, named)
  for (const fault of faults) printError(`sidegate ${command}: warning: ${fault}`)
  return { pem: renderBundle(certificates), certificates }
}
