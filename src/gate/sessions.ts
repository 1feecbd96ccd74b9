/**
 * The WebSockets under way: those that a new configuration no longer allows are closed, and all of
 * them when the process ends.
 */
import type { Config } from '../config/model.ts'
import type { WebSocketSession } from '../inbound/handler.ts'

export class Sessions {
  readonly #open = new Set<WebSocketSession>()

  /** Keeps a session until it is closed, which is at once if `config` does not allow it. */
  add(session: WebSocketSession, config: Config): void {
    this.#open.add(session)
    session.pair.onClosed = () => {
      this.#open.delete(session)
    }
    if (!isAllowed(session, activeChannels(config), config)) session.pair.close(1008)
  }

  /** Closes those whose channel went, or whose definition was removed, switched off or changed. */
  closeStale(config: Config): void {
    if (this.#open.size === 0) return
    const channels = activeChannels(config)
    for (const session of this.#open) {
      if (!isAllowed(session, channels, config)) session.pair.close(1008)
    }
  }

  closeAll(): void {
    for (const session of this.#open) session.pair.close(1001)
  }
}

function activeChannels(config: Config): ReadonlySet<string> {
  return new Set(config.channels.flatMap((channel) => (channel.isActive ? [channel.name] : [])))
}

function isAllowed(
  session: WebSocketSession,
  channels: ReadonlySet<string>,
  config: Config,
): boolean {
  if (!channels.has(session.channel)) return false
  if (session.definition === undefined) return true
  const definition = config.definitions.get(session.definition)
  return definition?.isActive === true && definition.fingerprint === session.fingerprint
}
