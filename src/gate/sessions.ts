/**
 * The WebSockets under way: those that a new configuration no longer allows are closed, and all of
 * them when the process ends.
 */
import type { Config } from '../config/model.ts'
import type { WebSocketSession } from '../inbound/handler.ts'

export class Sessions {
  readonly #open = new Map<WebSocketSession, string>()

  /** Keeps a session until it is closed; `fingerprint` is of the definition it was let in by. */
  add(session: WebSocketSession, fingerprint: string): void {
    this.#open.set(session, fingerprint)
    session.pair.onClosed = () => {
      this.#open.delete(session)
    }
  }

  /** Closes those whose channel went, or whose definition was removed, switched off or changed. */
  closeStale(config: Config): void {
    const channels = new Set(
      config.channels.flatMap((channel) => (channel.isActive ? [channel.name] : [])),
    )
    for (const [session, fingerprint] of this.#open) {
      if (!channels.has(session.channel) || !isCurrent(config, session, fingerprint)) {
        session.pair.close(1008)
      }
    }
  }

  closeAll(): void {
    for (const session of this.#open.keys()) session.pair.close(1001)
  }
}

function isCurrent(config: Config, session: WebSocketSession, fingerprint: string): boolean {
  if (session.definition === undefined) return true
  const definition = config.definitions.get(session.definition)
  return definition?.isActive === true && definition.fingerprint === fingerprint
}
