/** How long a server is left alone after logins that failed. Instants are monotonic. */
import type { LoginFailure } from './session-client.ts'

const FIRST_BACK_OFF_MS = 1000
const MAX_BACK_OFF_MS = 30_000
/** How long what will not be better soon is remembered, so that a wrong password is seldom shown. */
const REFUSAL_MS = 10_000
const MAX_RETRY_AFTER_MS = 60_000

export class Hold {
  /** Of the last login, in our words; `undefined` when it succeeded. */
  lastError: string | undefined
  #failures = 0
  #untilMs = -Infinity

  isHeld(now: number): boolean {
    return now < this.#untilMs
  }

  /** For `Retry-After`: at least 1. */
  retryAfterS(now: number): number {
    return Math.max(Math.ceil((this.#untilMs - now) / 1000), 1)
  }

  succeeded(): void {
    this.#failures = 0
    this.#untilMs = -Infinity
    this.lastError = undefined
  }

  failed({ detail, isLasting, retryAfterMs = 0 }: LoginFailure, now: number): void {
    const backOffMs = Math.min(FIRST_BACK_OFF_MS * 2 ** this.#failures, MAX_BACK_OFF_MS)
    const ownMs = isLasting === true ? Math.max(backOffMs, REFUSAL_MS) : backOffMs
    this.#untilMs = now + Math.max(ownMs, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS))
    this.#failures += 1
    this.lastError = detail
  }
}
