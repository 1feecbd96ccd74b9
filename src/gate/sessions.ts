/**
 * The WebSockets and tunnels under way: those that a new configuration no longer allows are closed,
 * and all of them when the process ends.
 */
import type { Config } from '../config/model.ts'
import type { EgressSession } from '../egress/services.ts'
import type { WebSocketSession } from '../inbound/handler.ts'
import { Allowance } from './allowance.ts'

/** RFC 6455 7.4.1; tunnels are cut without a word. */
type CloseCode = 1001 | 1008

interface Session {
  readonly close: (code: CloseCode) => void
  readonly isAllowed: (next: Allowance) => boolean
}

export class Sessions {
  readonly #open = new Set<Session>()
  #latest: Allowance | undefined

  /** Keeps a WebSocket of an inbound channel until it is closed, at once if `config` forbids it. */
  addInbound({ pair, channel, definition, fingerprint }: WebSocketSession, config: Config): void {
    const session: Session = {
      close: (code) => {
        pair.close(code)
      },
      isAllowed: (next) => next.hasChannel(channel) && next.isUnchanged(definition, fingerprint),
    }
    pair.onClosed = () => {
      this.#open.delete(session)
    }
    this.#add(session, config)
  }

  /** Keeps a WebSocket or tunnel of egress likewise. */
  addEgress(egress: EgressSession, config: Config): void {
    const { close, whenClosed, ...grounds } = egress
    const session: Session = { close, isAllowed: (next) => next.hasEgress(grounds) }
    whenClosed(() => {
      this.#open.delete(session)
    })
    this.#add(session, config)
  }

  #add(session: Session, config: Config): void {
    this.#open.add(session)
    if (!session.isAllowed(this.#allowanceOf(config))) session.close(1008)
  }

  /**
   * Closes those whose channel or connection went, whose definition went, was switched off or changed,
   * or whose client did, or lost its right.
   */
  closeStale(config: Config): void {
    const allowance = this.#allowanceOf(config)
    for (const session of this.#open) {
      if (!session.isAllowed(allowance)) session.close(1008)
    }
  }

  closeAll(): void {
    for (const session of this.#open) session.close(1001)
  }

  #allowanceOf(config: Config): Allowance {
    if (this.#latest?.isOf(config) !== true) this.#latest = new Allowance(config)
    return this.#latest
  }
}
