/**
 * Which names an authority may issue certificates for (RFC 5280 4.2.1.10): made from the configured
 * hosts, and asked whether a host is among them. What is not named is shut out in every kind of name.
 */
import { BlockList, isIP } from 'node:net'
import type { Constraints, Subtree } from './x509.ts'

/** The object identifier of the extension. */
export const NAME_CONSTRAINTS = '2.5.29.30'

/** Permits hosts and `*.x`, and nothing else. */
export function createConstraints(hosts: readonly string[]): Constraints {
  const names = new Set<string>()
  const addresses = new Set<string>()
  for (const host of hosts) {
    const family = isIP(host)
    if (family === 0) names.add(host.replace(/^\*\./, ''))
    else addresses.add(`${host}/${family === 4 ? 32 : 128}`)
  }
  const permittedSubtrees = [
    ...[...names].map((dNSName) => ({ base: { dNSName } })),
    ...[...addresses].map((iPAddress) => ({ base: { iPAddress } })),
  ]
  // A kind of name without any permitted one would be free altogether.
  const excludedSubtrees = [
    ...(names.size === 0 ? [{ base: { dNSName: '' } }] : []),
    ...(addresses.size === 0
      ? [{ base: { iPAddress: '0.0.0.0/0' } }, { base: { iPAddress: '::/0' } }]
      : []),
  ]
  return {
    ...(permittedSubtrees.length > 0 && { permittedSubtrees }),
    ...(excludedSubtrees.length > 0 && { excludedSubtrees }),
  }
}

/** Whether a host, or every host of `*.x`, may be issued for. Throws on what it cannot read. */
export function isPermitted(
  { permittedSubtrees, excludedSubtrees }: Constraints,
  host: string,
): boolean {
  const isAddress = isIP(host) !== 0
  const ofKind = (subtrees: Iterable<Subtree> | undefined): readonly Subtree[] =>
    [...(subtrees ?? [])].filter(
      ({ base }) => (isAddress ? base.iPAddress : base.dNSName) !== undefined,
    )
  const isWithin = (subtree: Subtree): boolean => contains(subtree, host)
  if (ofKind(excludedSubtrees).some(isWithin)) return false
  const permitted = ofKind(permittedSubtrees)
  return permitted.length === 0 || permitted.some(isWithin)
}

function contains({ base }: Subtree, host: string): boolean {
  if (base.iPAddress !== undefined) return containsAddress(base.iPAddress, host)
  const domain = (base.dNSName ?? '').toLowerCase()
  // Any label will do for the one that `*` stands for.
  const name = host.replace(/^\*/, 'x')
  if (domain === '' || name === domain) return true
  return name.endsWith(domain.startsWith('.') ? domain : `.${domain}`)
}

function containsAddress(network: string, address: string): boolean {
  const [start = '', bits = ''] = network.split('/')
  const family = isIP(start) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(start) !== isIP(address)) return false
  if (!/^\d{1,3}$/.test(bits)) throw new RangeError('a mask that is no prefix')
  const list = new BlockList()
  list.addSubnet(start, Number(bits), family)
  return list.check(address, family)
}
