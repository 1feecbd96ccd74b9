/**
 * The call of `sidegate explain --egress`, as a client would send it: a request to us in NAME form,
 * an absolute URL to its proxy, or a CONNECT and, for https, what follows inside of it.
 */
import type { RequestHead } from '../../http/strict.ts'
import { UsageError } from '../command.ts'
import type { EgressWorld } from './egress-world.ts'
import { type ImaginedRequest, parseImaginedRequest } from './request.ts'

/** A call that nobody made. */
export interface ImaginedCall {
  /** What the client asks for; `undefined` where it was a CONNECT alone. */
  readonly request: RequestHead | undefined
  /** What it sends first, for https. */
  readonly connect: RequestHead | undefined
  /** Whether the client speaks TLS with us. */
  readonly isTls: boolean
}

/** What can be said of the arguments without a configuration; throws `UsageError`. */
export function checkCall(method: string, url: string, headerLines: readonly string[]): void {
  if (method !== 'CONNECT') {
    parseImaginedRequest(method, url, headerLines)
  } else if (!/^[^/?#@\s]+:\d+$/.test(url)) {
    throw new UsageError('URL: CONNECT wants HOST:PORT')
  }
}

/** Reads the arguments; throws `UsageError`. */
export function parseCall(
  method: string,
  url: string,
  headerLines: readonly string[],
  world: EgressWorld,
): ImaginedCall {
  if (method === 'CONNECT') {
    const { head } = parseImaginedRequest(method, `http://${url}`, headerLines)
    return { request: undefined, connect: { ...head, target: url }, isTls: false }
  }
  const own = new URL(world.ownUrl)
  const imagined = parseImaginedRequest(method, url, headerLines, own.host)
  const { head, isTls, authority } = imagined
  if (authority === undefined) {
    return { request: head, connect: undefined, isTls: own.protocol === 'https:' }
  }
  if (isForUs(authority, isTls, world)) return { request: head, connect: undefined, isTls }
  if (isTls) return openTunnel(imagined, authority)
  const target = `http://${authority}${head.target}`
  return { request: { ...head, target }, connect: undefined, isTls: false }
}

/** Whether a client without proxy settings would come to us with this URL. */
function isForUs(
  authority: string,
  isTls: boolean,
  { generation: { own }, ports }: EgressWorld,
): boolean {
  const [, name = '', port] = /^(.*?)(?::(\d*))?$/.exec(authority) ?? []
  const host = name.replace(/^\[|\]$|\.$/g, '').toLowerCase()
  if (own.isGivenName(host)) return true
  return own.isOwnHost(host) && ports.has(Number(port ?? (isTls ? 443 : 80)))
}

/** Clients show their proxy who they are with the CONNECT, and never inside. */
function openTunnel({ head }: ImaginedRequest, authority: string): ImaginedCall {
  const forProxy: string[] = []
  const inside: string[] = []
  for (let at = 0; at < head.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = head.rawHeaders.slice(at, at + 2)
    const list = name.toLowerCase().startsWith('proxy-') ? forProxy : inside
    list.push(name, value)
  }
  const target = /:\d+$/.test(authority) ? authority : `${authority}:443`
  return {
    request: { ...head, rawHeaders: inside },
    connect: { ...head, method: 'CONNECT', target, rawHeaders: ['Host', target, ...forProxy] },
    isTls: false,
  }
}
