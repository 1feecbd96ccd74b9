/**
 * Which addresses may be dialled, by what right a host is called. Link-local and metadata addresses
 * and our own listeners never; loopback only where a connection names the host exactly; under
 * `unmatched: public` public addresses only. A wildcard may reach private addresses but not loopback:
 * whoever owns the zone behind `*.` decides what its names resolve to.
 */
import { isIP } from 'node:net'
import { isLoopbackHost } from '../config/network.ts'
import { classifyAddress, embeddedAddresses, findAddress } from './addresses.ts'
import type { AddressClass } from './addresses.ts'
import type { Destination, DestinationKind } from './destination.ts'
import type { OwnAddresses } from './own-addresses.ts'

/** A listener of ours, of any side, as it was bound. */
export interface OwnListener {
  /** An address; the wildcards `0.0.0.0` and `::` and names count as every address of this machine. */
  readonly host: string
  readonly port: number
}

/** What the policy knows besides the kinds. */
export interface DestinationPolicyOptions {
  readonly own: OwnAddresses
  /** Asked at every check: listeners with port 0 learn theirs late. */
  readonly listeners: () => readonly OwnListener[]
  /** Canonical addresses that connections name: an unmatched name must not lead to them. */
  readonly namedAddresses: ReadonlySet<string>
}

/** Judges destinations. What it answers is the reason why not, in words; `undefined` means yes. */
export interface DestinationPolicy {
  /**
   * What can be judged without resolving: literal addresses wholly, names by what they are. Always
   * asked before dialling or asking a parent proxy; `net.connect` never resolves a literal.
   */
  findHostRefusal(destination: Destination): string | undefined
  /** Judges one address that the host of a destination resolved to. */
  findAddressRefusal(destination: Destination, address: string): string | undefined
}

type Reach = Readonly<Record<DestinationKind, boolean>>

const everyone: Reach = {
  named: true,
  wildcard: true,
  unmatched_allow: true,
  unmatched_public: true,
}
const nobody: Reach = {
  named: false,
  wildcard: false,
  unmatched_allow: false,
  unmatched_public: false,
}
const namedOnly: Reach = { ...nobody, named: true }
const notPublic: Reach = { ...everyone, unmatched_public: false }

const reachOf: Readonly<Record<AddressClass, Reach>> = {
  metadata: nobody,
  link_local: nobody,
  // 0.0.0.0 is this machine on Linux.
  unspecified: nobody,
  multicast: nobody,
  loopback: namedOnly,
  reserved: namedOnly,
  private: notPublic,
  public: everyone,
}

/** Names of metadata services: a parent proxy would resolve them for us, on its own machine. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata.google.internal',
  'metadata.goog',
  'instance-data.ec2.internal',
])

/** Builds the policy of one generation. */
export function createDestinationPolicy(options: DestinationPolicyOptions): DestinationPolicy {
  const { own, listeners, namedAddresses } = options

  function isOwnListener(address: string, port: number): boolean {
    return listeners().some(
      (listener) => listener.port === port && isListenedOn(listener.host, address, own),
    )
  }

  function findAddressRefusal({ kind, port }: Destination, text: string): string | undefined {
    const address = findAddress(text)
    const found = classifyAddress(text)
    if (address === undefined || found === undefined) return 'it does not resolve to an address'
    if (!reachOf[found][kind]) return reasonOf(found, kind)
    const all = [address, ...embeddedAddresses(address)]
    if (all.some((each) => isOwnListener(each, port))) return OWN_LISTENER
    const isUnmatched = kind === 'unmatched_allow' || kind === 'unmatched_public'
    if (isUnmatched && all.some((each) => namedAddresses.has(each))) {
      return 'it leads to an address that an outgoing connection names'
    }
    return undefined
  }

  return {
    findAddressRefusal,
    findHostRefusal(destination) {
      const { kind, host, port } = destination
      if (isIP(host) !== 0) return findAddressRefusal(destination, host)
      if (METADATA_NAMES.has(host)) return reasonOf('metadata', kind)
      const isLoopback = isLoopbackHost(host)
      if (isLoopback && !reachOf.loopback[kind]) return reasonOf('loopback', kind)
      // Only names of ours reach our listeners; others are judged when they have been resolved.
      if (!own.isOwnHost(host)) return undefined
      const isOurs = listeners().some(
        (listener) => listener.port === port && (!isLoopback || isReachedByLoopback(listener.host)),
      )
      return isOurs ? OWN_LISTENER : undefined
    },
  }
}

const OWN_LISTENER = 'it is a listener of this Sidegate'

const words: Readonly<Record<AddressClass, string>> = {
  metadata: 'a metadata address',
  link_local: 'a link-local address',
  unspecified: 'an unspecified address',
  multicast: 'a multicast address',
  loopback: 'a loopback address',
  reserved: 'a reserved address',
  private: 'a private address',
  public: 'a public address',
}

function reasonOf(found: AddressClass, kind: DestinationKind): string {
  const what = `it is ${words[found]}`
  if (!reachOf[found].named) return `${what}, which is never called`
  if (kind === 'unmatched_public' && reachOf[found].unmatched_allow) {
    return `${what} and egress.unmatched is public: name the host in an outgoing connection`
  }
  return `${what}, which only an outgoing connection with exactly this host may call`
}

function isListenedOn(listener: string, address: string, own: OwnAddresses): boolean {
  const bound = findAddress(listener)
  if (listener === 'localhost') return address === '127.0.0.1' || address === '::1'
  if (bound === undefined || bound === '0.0.0.0' || bound === '::') return own.isOwnAddress(address)
  return bound === address
}

function isReachedByLoopback(listener: string): boolean {
  const bound = findAddress(listener)
  return bound === undefined || bound === '0.0.0.0' || bound === '::' || isLoopbackHost(bound)
}
