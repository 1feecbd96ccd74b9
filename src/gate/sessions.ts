/**
 * The WebSockets and tunnels under way: those that a new configuration no longer allows are closed,
 * and all of them when the process ends.
 */
import type { Config } from '../config/model.ts'
import { expandClients } from '../egress/clients.ts'
import type { EgressSession } from '../egress/services.ts'
import type { WebSocketSession } from '../inbound/handler.ts'

/** RFC 6455 7.4.1; tunnels are cut without a word. */
type CloseCode = 1001 | 1008

interface Session {
  readonly close: (code: CloseCode) => void
  readonly isAllowed: (config: Config) => boolean
}

export class Sessions {
  readonly #open = new Set<Session>()

  /** Keeps a WebSocket of an inbound channel until it is closed, at once if `config` forbids it. */
  addInbound({ pair, channel, definition, fingerprint }: WebSocketSession, config: Config): void {
    const session: Session = {
      close: (code) => {
        pair.close(code)
      },
      isAllowed: (next) =>
        next.channels.some(({ name, isActive }) => name === channel && isActive) &&
        isUnchanged(next, definition, fingerprint),
    }
    pair.onClosed = () => {
      this.#open.delete(session)
    }
    this.#add(session, config)
  }

  /** Keeps a WebSocket or tunnel of egress likewise. */
  addEgress(egress: EgressSession, config: Config): void {
    const { close, whenClosed, outgoing, definition, fingerprint } = egress
    const { client, clientFingerprint } = egress
    const session: Session = {
      close,
      isAllowed: (next) =>
        isOutgoingAllowed(next, outgoing) &&
        isUnchanged(next, definition, fingerprint) &&
        isClientAllowed(next, outgoing, client) &&
        isUnchanged(next, client, clientFingerprint),
    }
    whenClosed(() => {
      this.#open.delete(session)
    })
    this.#add(session, config)
  }

  #add(session: Session, config: Config): void {
    this.#open.add(session)
    if (!session.isAllowed(config)) session.close(1008)
  }

  /** Closes those whose channel or connection went, or whose definition went, was switched off or changed. */
  closeStale(config: Config): void {
    for (const session of this.#open) {
      if (!session.isAllowed(config)) session.close(1008)
    }
  }

  closeAll(): void {
    for (const session of this.#open) session.close(1001)
  }
}

/** A host that no connection names is allowed for as long as such hosts are. */
function isOutgoingAllowed(config: Config, outgoing: string | undefined): boolean {
  if (outgoing === undefined)
    return config.egress !== undefined && config.egress.unmatched !== 'deny'
  return config.outgoing.some(({ name, isActive }) => name === outgoing && isActive)
}

/** Whether it is among those who may use egress, and this connection. */
function isClientAllowed(
  config: Config,
  outgoing: string | undefined,
  client: string | undefined,
): boolean {
  const common = config.egress?.clients
  if (common === undefined || common === 'none') return true
  if (client === undefined || !expandClients(common, config).has(client)) return false
  const own = config.outgoing.find(({ name }) => name === outgoing)?.clients
  return own === undefined || expandClients(own, config).has(client)
}

function isUnchanged(
  config: Config,
  name: string | undefined,
  fingerprint: string | undefined,
): boolean {
  if (name === undefined) return true
  const definition = config.definitions.get(name)
  return definition?.isActive === true && definition.fingerprint === fingerprint
}
