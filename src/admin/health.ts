/**
 * Whether the process wants requests, for `/readyz`: starting (no generation yet), ready, draining.
 */

export type HealthState = 'starting' | 'ready' | 'draining'

export class Health {
  #state: HealthState = 'starting'

  get state(): HealthState {
    return this.#state
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  /** A generation is loaded and the listeners are open; too late once draining has begun. */
  becomeReady(): void {
    if (this.#state === 'starting') this.#state = 'ready'
  }

  /** The end has begun; there is no way back. */
  drain(): void {
    this.#state = 'draining'
  }
}
