/**
 * Which peers may say for whom they speak (`trusted_proxies`), and the address of the client behind
 * them. Whatever an address list holds was written by somebody: only its trusted end counts.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'
import type { Peer } from '../http/exchange.ts'
import { BoundedMemory } from '../http/headers.ts'

/** `inbound.trusted_proxies`. */
export interface TrustedProxiesConfig {
  /** `ADDRESS/BITS`, or an address alone. */
  readonly cidrs: readonly string[]
  /** Whether whoever connects through a unix socket is trusted. */
  readonly unix: boolean
}

/** The answers to who is trusted, of one generation. */
export interface TrustedProxies {
  isTrustedPeer(peer: Pick<Peer, 'address'>): boolean
  /**
   * The address of the client: of a trusted peer the rightmost address in its `X-Forwarded-For` that
   * is not trusted itself (the leftmost, if all are), else the peer's own; `unix` for unix sockets.
   */
  findClientAddress(
    names: readonly string[],
    headers: readonly string[],
    peer: Pick<Peer, 'address'>,
  ): string
}

const MAX_ADDRESSES = 4096
const MAX_HOPS = 64
const UNIX = 'unix'

/** Builds the list; throws if an entry is not an address or a network. */
export function createTrustedProxies(config: TrustedProxiesConfig): TrustedProxies {
  const list = new BlockList()
  for (const cidr of config.cidrs) addNetwork(list, cidr)
  const isEmpty = config.cidrs.length === 0
  // A check of the list costs microseconds; the peers of a sidecar are few.
  const answers = new BoundedMemory<boolean>(MAX_ADDRESSES)

  function isTrusted(address: string): boolean {
    if (address === UNIX) return config.unix
    if (isEmpty) return false
    const known = answers.get(address)
    if (known !== undefined) return known
    const family = isIP(address)
    const answer = family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6')
    // A slice of a header would keep the whole header alive.
    answers.set(Buffer.from(address, 'latin1').toString('latin1'), answer)
    return answer
  }

  return {
    isTrustedPeer: (peer) => isTrusted(plainAddress(peer.address)),
    findClientAddress(names, headers, peer) {
      const address = plainAddress(peer.address)
      if (!isTrusted(address)) return address
      let client = address
      let hops = 0
      for (let at = names.length - 1; at >= 0; at--) {
        if (names[at] !== 'x-forwarded-for') continue
        const value = headers[2 * at + 1] ?? ''
        for (let end = value.length; end >= 0; hops++) {
          const comma = end === 0 ? -1 : value.lastIndexOf(',', end - 1)
          const hop = addressOf(value.slice(comma + 1, end))
          if (hop === undefined || hops === MAX_HOPS) return client
          client = hop
          if (!isTrusted(hop)) return client
          end = comma
        }
      }
      return client
    },
  }
}

/**
 * An address as people write it: IPv4 where IPv6 only wraps it (`::ffff:10.0.0.1`), without a zone.
 */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address
  const zone = address.indexOf('%')
  const bare = zone === -1 ? address : address.slice(0, zone)
  if (bare.length > 7 && bare.slice(0, 7).toLowerCase() === '::ffff:' && isIPv4(bare.slice(7))) {
    return bare.slice(7)
  }
  return bare
}

/** One member of `X-Forwarded-For`; `undefined` where it is no address. A port may follow. */
function addressOf(item: string): string | undefined {
  let text = item.trim()
  // Longest: an IPv6 address with IPv4 ending, brackets and port.
  if (text.length > 53) return undefined
  if (text.startsWith('[')) text = text.slice(1, Math.max(text.indexOf(']'), 1))
  else if (text.includes('.')) text = withoutIpv4Port(text)
  return isIP(text) === 0 ? undefined : plainAddress(text)
}

function withoutIpv4Port(text: string): string {
  const colon = text.indexOf(':')
  return colon > 0 && colon === text.lastIndexOf(':') ? text.slice(0, colon) : text
}

function addNetwork(list: BlockList, cidr: string): void {
  const slash = cidr.indexOf('/')
  const address = slash === -1 ? cidr : cidr.slice(0, slash)
  const version = isIP(address)
  const maxBits = version === 4 ? 32 : 128
  const bits = slash === -1 ? String(maxBits) : cidr.slice(slash + 1)
  if (version === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > maxBits) {
    throw new Error(`cannot read network "${cidr}": wanted ADDRESS or ADDRESS/BITS`)
  }
  list.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6')
}
