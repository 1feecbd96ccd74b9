/**
 * Who may ask for what tells or changes something (`/status`, `/reload`): programs on this machine.
 * A browser on this machine is a stranger's arm: pages can send requests to loopback, and by
 * rebinding a name of theirs to 127.0.0.1 they could even read the answers.
 */
import { BlockList, isIP } from 'node:net'
import type { Code } from '../errors.ts'
import type { Exchange } from '../http/exchange.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Why a caller is refused; `detail` names the cure and nothing of what is behind it. */
export interface CallerRefusal {
  readonly code: Code
  readonly detail: string
}

/**
 * `undefined` where the caller may go on. `ownNames`: what this machine is called besides
 * `localhost` and its addresses, in lower case without final dot.
 */
export function findCallerRefusal(
  exchange: Exchange,
  ownNames: ReadonlySet<string>,
): CallerRefusal | undefined {
  if (!isLocalPeer(exchange.peer.address)) {
    return { code: 'forbidden', detail: 'Ask from this machine: over loopback or a unix socket' }
  }
  if (hasBrowserHeader(exchange)) {
    return { code: 'browser_refused', detail: 'Send neither Origin nor Sec-Fetch-Site' }
  }
  if (!isOwnHost(exchange.host, ownNames)) {
    return {
      code: 'browser_refused',
      detail: 'Send a Host that is an address, localhost or the name of this machine',
    }
  }
  return undefined
}

/** Whether the other end is on this machine; IPv4 in IPv6 too, as dual-stack sockets show it. */
export function isLocalPeer(address: string): boolean {
  if (address === 'unix') return true
  const family = isIP(address)
  return family !== 0 && loopback.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** Any `Origin`, `null` and empty too; any `Sec-Fetch-Site` but `none` (typed by the user). */
function hasBrowserHeader({ names, headers }: Exchange): boolean {
  for (let i = 0; i < names.length; i++) {
    if (names[i] === 'origin') return true
    if (names[i] === 'sec-fetch-site' && headers[2 * i + 1] !== 'none') return true
  }
  return false
}

/** A rebound name is what the page was loaded from; an address cannot be rebound. */
function isOwnHost(host: string, ownNames: ReadonlySet<string>): boolean {
  const name = /^(\[[^\]]*\]|[^:]*)(?::[0-9]{0,5})?$/.exec(host)?.[1]?.toLowerCase()
  if (name === undefined || name === '') return false
  if (name.startsWith('[')) return isIP(name.slice(1, -1)) === 6
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  return isIP(bare) === 4 || bare === 'localhost' || ownNames.has(bare)
}
