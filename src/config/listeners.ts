/**
 * Addresses that are listened on: their form, their TLS, and that no two are one.
 */
import { resolve } from 'node:path'
import type { ResolveContext } from './context.ts'
import type { Listen, ListenerConfig, ListenerTls } from './model.ts'
import { MAX_SOCKET_PATH_BYTES, isLoopbackHost, parseListen } from './network.ts'
import { resolveCertificates, resolvePair } from './resolve-tls.ts'
import type { Path } from './tree.ts'

interface ParsedTls {
  readonly cert: string
  readonly key: string
  readonly client_ca?: string | undefined
}

type ParsedListener = string | { readonly address: string; readonly tls?: ParsedTls | undefined }

/** A listener and where it is said. */
export interface PlacedListen {
  readonly path: Path
  readonly listen: Listen
}

/** The listeners of a side; `common` is the TLS of those that have none of their own. */
export function resolveListeners(
  context: ResolveContext,
  path: Path,
  parsed: ParsedListener | readonly ParsedListener[],
  common?: { readonly path: Path; readonly tls: ParsedTls },
): { listeners: readonly ListenerConfig[]; places: readonly PlacedListen[] } {
  const isList = Array.isArray(parsed)
  const all = (isList ? parsed : [parsed]) as readonly ParsedListener[]
  const shared = common === undefined ? undefined : resolveTls(context, common.path, common.tls)
  const resolved = all.map((each, index) => {
    const at = isList ? [...path, index] : path
    const addressPath = typeof each === 'string' ? at : [...at, 'address']
    const address = resolveListen(
      context,
      addressPath,
      typeof each === 'string' ? each : each.address,
    )
    const own = typeof each === 'string' ? undefined : each.tls
    const tls =
      own === undefined
        ? address.kind === 'tcp'
          ? shared
          : undefined
        : resolveTls(context, [...at, 'tls'], own)
    return { listener: { address, tls }, place: { path: addressPath, listen: address } }
  })
  return {
    listeners: resolved.map(({ listener }) => listener),
    places: resolved.map(({ place }) => place),
  }
}

/** One address, with the path of a unix socket made absolute. */
export function resolveListen(context: ResolveContext, path: Path, text: string): Listen {
  const listen = parseListen(text)
  if (listen.kind === 'tcp') return listen
  return { kind: 'unix', path: resolveSocketPath(context, path, listen.path) }
}

/** The absolute path of a unix socket; one that the kernel would not take is reported. */
export function resolveSocketPath(context: ResolveContext, path: Path, text: string): string {
  const absolutePath = resolve(context.placeOf(path).file.directory, text)
  if (Buffer.byteLength(absolutePath) > MAX_SOCKET_PATH_BYTES) {
    context.report(
      path,
      `the path of a socket has at most ${MAX_SOCKET_PATH_BYTES} bytes, wanted a shorter one`,
    )
  }
  return absolutePath
}

function resolveTls(
  context: ResolveContext,
  path: Path,
  parsed: ParsedTls,
): ListenerTls | undefined {
  const pair = resolvePair(context, path, parsed)
  const clientCa =
    parsed.client_ca === undefined
      ? undefined
      : resolveCertificates(context, [...path, 'client_ca'], parsed.client_ca)?.pem
  return pair === undefined ? undefined : { ...pair, clientCa }
}

/** Whether only this machine can connect. */
export function isLocalListen(listen: Listen): boolean {
  return listen.kind === 'unix' || isLoopbackHost(listen.host)
}

/** Reports listeners that could not be bound beside each other. */
export function checkListeners(context: ResolveContext, places: readonly PlacedListen[]): void {
  for (const [index, { path, listen }] of places.entries()) {
    const earlier = places.slice(0, index).find((other) => isSameListen(other.listen, listen))
    if (earlier === undefined) continue
    const place = context.has(earlier.path)
      ? context.describePlace(earlier.path)
      : 'the default of admin'
    context.report(path, `the address is taken by another listener (${place})`)
  }
}

const ANY = new Set(['0.0.0.0', '::'])

function isSameListen(a: Listen, b: Listen): boolean {
  if (a.kind === 'unix' || b.kind === 'unix') {
    return a.kind === 'unix' && b.kind === 'unix' && a.path === b.path
  }
  // Port 0 is a new one each time.
  if (a.port !== b.port || a.port === 0) return false
  return plainHost(a.host) === plainHost(b.host) || ANY.has(a.host) || ANY.has(b.host)
}

function plainHost(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host
}
