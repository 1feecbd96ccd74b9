/**
 * The `lookup` of sockets to destinations: resolves once, lets the policy judge every address and
 * gives the socket only those that passed. A name whose answer changes between a check and the
 * connection (DNS rebinding) has nothing to change: there is no second look-up.
 */
import { lookup as lookupDns } from 'node:dns'
import type { LookupAddress, LookupAllOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { SidegateError } from '../errors.ts'
import { classifyAddress } from './addresses.ts'
import type { DestinationPolicy } from './destination-policy.ts'
import type { Destination } from './destination.ts'

/** Resolves a name; `dns.lookup` unless a test brings its own. */
export type ResolveName = (
  host: string,
  options: LookupAllOptions,
  callback: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void

const resolveName: ResolveName = (host, options, callback) => {
  lookupDns(host, options, callback)
}

/**
 * Throws `destination_refused` where the host may not be called whatever it resolves to. To be called
 * before every dialling and before a parent proxy is asked.
 */
export function checkDestination(policy: DestinationPolicy, destination: Destination): void {
  const reason = policy.findHostRefusal(destination)
  if (reason !== undefined) refuse(destination, reason)
}

/** A `lookup` for `net.connect` and `tls.connect`, good for one destination and for nothing else. */
export function createLookup(
  policy: DestinationPolicy,
  destination: Destination,
  resolve: ResolveName = resolveName,
): LookupFunction {
  return (host, options, callback) => {
    const wanted = familyOf(options.family)
    const fail = (error: Error): void => {
      callback(error, [], 0)
    }
    if (host !== destination.host) {
      fail(new Error(`cannot resolve "${host}": wanted "${destination.host}"`))
      return
    }
    const { hints } = options
    const asked: LookupAllOptions = { all: true, family: wanted, order: 'verbatim' }
    resolve(host, hints === undefined ? asked : { ...asked, hints }, (error, found) => {
      if (error !== null) {
        fail(error)
        return
      }
      const addresses = found.filter(({ family }) => wanted === 0 || family === wanted)
      const allowed = addresses.filter(
        ({ address }) =>
          policy.findAddressRefusal(destination, address) === undefined &&
          isNearEnough(destination, address),
      )
      const [first] = allowed
      if (first === undefined) {
        fail(findFailure(policy, destination, addresses))
      } else if (options.all === true) {
        callback(null, allowed)
      } else {
        callback(null, first.address, first.family)
      }
    })
  }
}

function findFailure(
  policy: DestinationPolicy,
  destination: Destination,
  [first]: readonly LookupAddress[],
): Error {
  if (first === undefined) {
    return Object.assign(new Error(`"${destination.host}" has no address`), { code: 'ENOTFOUND' })
  }
  const reason = policy.findAddressRefusal(destination, first.address)
  if (reason !== undefined) return createRefusal(destination, reason)
  return new SidegateError('plaintext_refused', {
    detail: `"${destination.authority}" is in cleartext, and leads to no loopback address`,
  })
}

/** A hosts file can lead `localhost` anywhere. */
function isNearEnough({ staysLocal }: Destination, address: string): boolean {
  return !staysLocal || classifyAddress(address) === 'loopback'
}

function refuse(destination: Destination, reason: string): never {
  throw createRefusal(destination, reason)
}

/** Says what the address is, never which: the caller could otherwise read internal zones. */
function createRefusal({ authority }: Destination, reason: string): SidegateError {
  return new SidegateError('destination_refused', {
    detail: `"${authority}" is refused: ${reason}`,
  })
}

function familyOf(family: number | 'IPv4' | 'IPv6' | undefined): 0 | 4 | 6 {
  if (family === 4 || family === 'IPv4') return 4
  return family === 6 || family === 'IPv6' ? 6 : 0
}
