/**
 * What an IP address is: public, private, or one that is never to be called. An IPv6 address that
 * carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) is judged as
 * both, and the stricter judgement counts. A network's own NAT64 prefix cannot be known here.
 */
import { BlockList, isIP, isIPv6 } from 'node:net'
import { findHost } from './authority.ts'

/** From the strictest to the most harmless. */
const classes = [
  'metadata',
  'link_local',
  'unspecified',
  'multicast',
  'loopback',
  'reserved',
  'private',
  'public',
] as const

/** What an address is. Broadcast counts as multicast. */
export type AddressClass = (typeof classes)[number]

/**
 * Instance metadata and what else hands out credentials to whoever asks. Besides those that the
 * design names: the IPv6 ones of Google, Scaleway and EKS Pod Identity.
 */
const METADATA = [
  ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32', '169.254.169.254/32'],
  ...['169.254.170.2/32', '169.254.170.23/32', 'fd00:ec2::254/128', 'fd00:ec2::23/128'],
  ...['fd20:ce::254/128', 'fd00:42::42/128'],
]

/** IANA's special-purpose registries; the first class that has an address is its class. */
const networks: readonly (readonly [AddressClass, readonly string[]])[] = [
  ['metadata', METADATA],
  ['link_local', ['169.254.0.0/16', 'fe80::/10']],
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['multicast', ['224.0.0.0/4', '255.255.255.255/32', 'ff00::/8']],
  ['loopback', ['127.0.0.0/8', '::1/128']],
  [
    'private',
    [
      ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'],
      ...['fc00::/7', 'fec0::/10', '64:ff9b:1::/48'],
    ],
  ],
  // Whether those that embed an address are harmless, the embedded one says.
  ['public', ['64:ff9b::/96', '2002::/16']],
  [
    'reserved',
    [
      ...['192.0.0.0/24', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '198.18.0.0/15'],
      ...['192.88.99.0/24', '240.0.0.0/4', '2001::/23', '2001:db8::/32', '3fff::/20'],
      // Outside of 2000::/3 nothing is global unicast.
      ...['::/3', '4000::/2', '8000::/1'],
    ],
  ],
]

// One list a family: a list of both takes IPv4 addresses for mapped ones, which `::/3` contains.
const lists = networks.map(([name, members]) => ({
  name,
  ipv4: listOf(members.filter((member) => !member.includes(':'))),
  ipv6: listOf(members.filter((member) => member.includes(':'))),
}))

/** What an address is, a zone aside; `undefined` where the text is no address. */
export function classifyAddress(address: string): AddressClass | undefined {
  const host = findAddress(address)
  if (host === undefined) return undefined
  const found = [host, ...embeddedAddresses(host)].map(classifyOne)
  return classes.find((each) => found.includes(each))
}

/** The canonical spelling of an address, without its zone; `undefined` where it is none. */
export function findAddress(address: string): string | undefined {
  const zone = address.indexOf('%')
  const bare = zone === -1 ? address : address.slice(0, zone)
  return isIP(bare) === 0 ? undefined : findHost(bare)?.host
}

/** The IPv4 addresses that a canonical IPv6 address carries, all that it could be meant to carry. */
export function embeddedAddresses(address: string): readonly string[] {
  if (!isIPv6(address) || address === '::' || address === '::1') return []
  const words = readWords(address)
  const word = (at: number): number => words[at] ?? 0
  const pair = (at: number): string => ipv4(word(at), word(at + 1))
  const isZero = (from: number, to: number): boolean =>
    words.slice(from, to).every((each) => each === 0)
  const found: string[] = []
  if (isZero(0, 6)) found.push(pair(6))
  if (isZero(0, 4) && word(4) === 0xffff && word(5) === 0) found.push(pair(6))
  if (word(0) === 0x2002) found.push(pair(1))
  if (word(0) === 0x2001 && word(1) === 0) {
    found.push(pair(2), ipv4(word(6) ^ 0xffff, word(7) ^ 0xffff))
  }
  if ((word(4) & 0xfdff) === 0 && word(5) === 0x5efe) found.push(pair(6))
  if (word(0) === 0x64 && word(1) === 0xff9b) {
    if (isZero(2, 6)) found.push(pair(6))
    if (word(2) === 1) found.push(...localNat64(words))
  }
  return found
}

/** 64:ff9b:1::/48: how long the prefix within it is, the network knows (RFC 8215, RFC 6052 2.2). */
function localNat64(words: readonly number[]): readonly string[] {
  const bytes = words.flatMap((word) => [word >>> 8, word & 0xff])
  const places = [
    [6, 7, 9, 10],
    [7, 9, 10, 11],
    [9, 10, 11, 12],
    [12, 13, 14, 15],
  ]
  const found = places.map((place) => place.map((at) => bytes[at]).join('.'))
  // A place that is not the one holds zeros first; 0.0.0.0/8 itself no translator lets through.
  return found.filter((address) => !address.startsWith('0.'))
}

function classifyOne(address: string): AddressClass {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  return lists.find((list) => list[family].check(address, family))?.name ?? 'public'
}

/** The eight words of a canonical address, which has no dots. */
function readWords(address: string): readonly number[] {
  const [head = '', tail] = address.split('::')
  const front = wordsOf(head)
  if (tail === undefined) return front
  const back = wordsOf(tail)
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back]
}

function wordsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((word) => parseInt(word, 16))
}

function ipv4(high: number, low: number): string {
  return `${high >>> 8}.${high & 0xff}.${low >>> 8}.${low & 0xff}`
}

function listOf(members: readonly string[]): BlockList {
  const list = new BlockList()
  for (const member of members) {
    const [address = '', bits] = member.split('/')
    list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  return list
}
