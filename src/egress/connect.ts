/**
 * CONNECT: a tunnel that passes, or one that ends here, whose requests then come back to the handler
 * one by one. Nothing is promised with a 200 before the far end of a passing tunnel has been reached.
 */
import type { Socket } from 'node:net'
import { SidegateError, type Code } from '../errors.ts'
import { describeFault } from '../http/describe-fault.ts'
import type { ClientTunnel, Exchange } from '../http/exchange.ts'
import { JoinedSockets } from '../http/joined-sockets.ts'
import { CONTROL_HEADER } from './control-header.ts'
import { checkDestination } from './destination-lookup.ts'
import type { Destination } from './destination.ts'
import type { EgressGeneration, OutgoingRoute } from './generation.ts'
import type { Route } from './route.ts'
import type { EgressServices, EgressSession, TunnelContext } from './services.ts'
import { isServerNameOf, type Tunnel } from './target.ts'
import { sniff } from './tunnel.ts'
import type { VisitRecord } from './visit-record.ts'

/** How long a client may take to say what it speaks, and to finish its handshake. */
const FIRST_BYTE_MS = 10_000

/** The request, as far as a CONNECT goes. */
export interface ConnectVisit {
  readonly services: EgressServices
  readonly exchange: Exchange
  readonly generation: EgressGeneration
  readonly record: VisitRecord
  readonly isGone: boolean
  mayUse(route: Route<OutgoingRoute>): boolean
  refuseClient(route: Route<OutgoingRoute>): void
  refuse(code: Code, more?: { readonly detail?: string | undefined }): void
  fail(error: unknown): void
  answered(status: number): void
  session(
    session: Pick<EgressSession, 'close' | 'whenClosed'>,
    routes: readonly Route<OutgoingRoute>[],
  ): void
}

interface ConnectTarget {
  readonly host: string
  readonly port: number
  readonly isOwn: boolean
}

/** Takes a CONNECT from here to its end. */
export function connect(visit: ConnectVisit, target: ConnectTarget): void {
  visit.record.mode = 'tunnel'
  if (visit.exchange.names.includes(CONTROL_HEADER)) logIgnoredScopes(visit, target)
  if (target.isOwn) {
    endHere(visit, target, false)
    return
  }
  const choice = visit.generation.routes.findTunnel(target.host, target.port)
  if (choice.kind === 'refused') {
    visit.refuse(choice.code, { detail: choice.detail })
  } else if (choice.kind === 'ends_here') {
    endHere(visit, target, choice.intercepts)
  } else if (choice.kind === 'unmatched') {
    if (!isAllowed(visit, choice.destination)) return
    if (choice.endsHere) endHere(visit, target, false)
    else pass(visit, target, choice)
  } else {
    // Whoever is in the tunnel reaches all of them.
    const closed = choice.routes.find((route) => !visit.mayUse(route))
    if (closed !== undefined) {
      visit.refuseClient(closed)
      return
    }
    visit.record.route = choice.routes[0]
    if (isAllowed(visit, choice.destination)) pass(visit, target, choice)
  }
}

function isAllowed(visit: ConnectVisit, destination: Destination): boolean {
  visit.record.destination = destination
  try {
    checkDestination(visit.generation.policy, destination)
    return true
  } catch (error) {
    visit.fail(error)
    return false
  }
}

interface Passage {
  readonly destination: Destination
  /** All that it reaches; none where no connection names the host. */
  readonly routes?: readonly Route<OutgoingRoute>[]
}

/** Dials, and joins the two ends if it is TLS that follows. */
function pass(visit: ConnectVisit, target: ConnectTarget, passage: Passage): void {
  const { destination, routes = [] } = passage
  const { services, generation } = visit
  const { route } = visit.record
  const dial = route?.value.dial ?? generation.unmatchedDial
  const timeouts = route?.value.connection.timeouts ?? generation.unmatchedTimeouts
  const dialling = services.upstreams.dial(destination, dial, {
    signal: signalOfLeaving(visit.exchange),
    via: valuesOf(visit.exchange, 'via'),
  })
  dialling.then(
    (upstream) => {
      upstream.on('error', ignore)
      if (visit.isGone) {
        upstream.destroy()
        return
      }
      visit.answered(200)
      const tunnel = visit.exchange.acceptConnect()
      const leave = (): void => {
        tunnel.socket.destroy()
      }
      upstream.once('close', leave)
      void sniff(tunnel.socket, FIRST_BYTE_MS).then((spoken) => {
        if (spoken === 'tls') {
          const pair = new JoinedSockets(tunnel.socket, upstream, {
            watchdog: services.watchdog,
            idleMs: timeouts.tunnelIdleMs,
          })
          const session = {
            close: () => {
              pair.close()
            },
            whenClosed: (callback: () => void) => {
              pair.onClosed = callback
            },
          }
          visit.session(session, routes)
          return
        }
        upstream.off('close', leave)
        upstream.destroy()
        if (spoken === 'cleartext') serveCleartext(visit, target, tunnel)
        else tunnel.socket.destroy()
      })
    },
    (error: unknown) => {
      if (!visit.isGone) visit.fail(error)
    },
  )
}

/** Aborted when the client leaves: nothing is opened for nobody. */
function signalOfLeaving(exchange: Exchange): AbortSignal {
  const leaving = new AbortController()
  const { onGone } = exchange
  exchange.onGone = () => {
    onGone?.()
    leaving.abort()
  }
  return leaving.signal
}

function valuesOf({ names, headers }: Exchange, name: string): string[] {
  return names.flatMap((each, at) => (each === name ? [headers[2 * at + 1] ?? ''] : []))
}

/** TLS ends here where `intercepts`; cleartext HTTP in any case. */
function endHere(visit: ConnectVisit, target: ConnectTarget, intercepts: boolean): void {
  visit.record.isSilent = true
  visit.answered(200)
  const tunnel = visit.exchange.acceptConnect()
  const { socket } = tunnel
  socket.on('error', ignore)
  void sniff(socket, FIRST_BYTE_MS).then((spoken) => {
    if (spoken === 'cleartext') serveCleartext(visit, target, tunnel)
    else if (spoken === 'tls' && intercepts) void intercept(visit, target, tunnel)
    else {
      if (spoken === 'tls') logRefused(visit, target, 'TLS came where cleartext HTTP was expected')
      socket.destroy()
    }
  })
}

function serveCleartext(visit: ConnectVisit, target: ConnectTarget, tunnel: ClientTunnel): void {
  tunnel.serve(tunnel.socket, contextOf(visit, { ...target, isTls: false }, false))
}

async function intercept(
  visit: ConnectVisit,
  target: ConnectTarget,
  tunnel: ClientTunnel,
): Promise<void> {
  const { interceptor } = visit.generation
  const { socket } = tunnel
  try {
    if (interceptor === undefined) throw new SidegateError('https_mode_missing')
    const secured = await interceptor.secure(socket, target.host, FIRST_BYTE_MS)
    const inner: Tunnel = { ...target, isTls: true }
    // node:tls has it on servers' sockets, its types only on those of clients.
    const { servername } = secured as Socket & { readonly servername?: string | false }
    const isMisdirected = !isServerNameOf(inner, servername === false ? undefined : servername)
    tunnel.serve(secured, contextOf(visit, inner, isMisdirected))
  } catch (error) {
    // Usually a client that does not trust our authority.
    logRefused(visit, target, error instanceof Error ? describeFault(error) : String(error))
    socket.destroy()
  }
}

function contextOf(visit: ConnectVisit, tunnel: Tunnel, isMisdirected: boolean): TunnelContext {
  const { generation } = visit
  const { client } = visit.record
  const { host, port, isTls, isOwn } = tunnel
  const clientFingerprint = generation.definitions.get(client?.definition ?? '')?.fingerprint
  return { host, port, isTls, isOwn, client, clientFingerprint, isMisdirected }
}

/** Requests inside a tunnel that ends here have their own; in one that passes nothing is added. */
function logIgnoredScopes({ services, record }: ConnectVisit, target: ConnectTarget): void {
  services.log.warn('scopes_ignored', {
    request_id: record.requestId,
    target: `${target.host}:${target.port}`,
    detail:
      'X-Sidegate-Scopes on CONNECT has no effect: send it with the request that is to have a token',
  })
}

function logRefused(visit: ConnectVisit, { host, port }: ConnectTarget, detail: string): void {
  visit.services.log.warn('tunnel_failed', { target: `${host}:${port}`, detail })
}

function ignore(): void {
  // 'close' follows and does the work.
}
