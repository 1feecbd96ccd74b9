/**
 * Who we are: what this machine and this port are called, and its addresses. By it a request to
 * ourselves is told from one to somebody else, and our own listeners are kept from being dialled.
 */
import { hostname, networkInterfaces } from 'node:os'
import { isLoopbackHost } from '../config/network.ts'
import { findHost } from './authority.ts'

/** What we are called. Hosts are canonical, as `findAuthority` gives them. */
export interface OwnAddresses {
  /** Whether a host means this machine: loopback, its addresses, its host name, `egress.names`. */
  isOwnHost(host: string): boolean
  /** Whether `egress.names` has a host. */
  isGivenName(host: string): boolean
  /** Whether an address is one of this machine's, loopback included. */
  isOwnAddress(address: string): boolean
}

/** Where the answers come from; those of the operating system unless given. */
export interface OwnAddressesOptions {
  /** `egress.names`. */
  readonly names: readonly string[]
  readonly hostName?: string
  readonly listAddresses?: () => readonly string[]
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/** Addresses come and go (containers, VPNs); asking costs tens of microseconds. */
const ADDRESSES_TTL_MS = 5000

/** Builds the answers of one generation. */
export function createOwnAddresses(options: OwnAddressesOptions): OwnAddresses {
  const { listAddresses = listInterfaces, now = () => performance.now() } = options
  const given = new Set(options.names.flatMap((name) => findHost(name)?.host ?? []))
  const hostName = findHost(options.hostName ?? hostname())?.host
  let addresses: ReadonlySet<string> = new Set()
  let readAt = -Infinity

  function isOwnAddress(address: string): boolean {
    if (isLoopbackHost(address)) return true
    if (now() - readAt >= ADDRESSES_TTL_MS) {
      addresses = new Set(
        listAddresses().flatMap((each) => findHost(withoutZone(each))?.host ?? []),
      )
      readAt = now()
    }
    return addresses.has(address)
  }

  return {
    isOwnHost: (host) => given.has(host) || host === hostName || isOwnAddress(host),
    isGivenName: (host) => given.has(host),
    isOwnAddress,
  }
}

function listInterfaces(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).map(({ address }) => address),
  )
}

function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone === -1 ? address : address.slice(0, zone)
}
