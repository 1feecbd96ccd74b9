/**
 * Remembers passwords that were verified, under keyed digests only, so that a caller pays for a slow
 * hash once in a while and not for each request. Bounded in number and in age.
 */
import { LRUCache } from 'lru-cache'

/** How much is remembered and how long; 0 of either remembers nothing. */
export interface CacheSettings {
  readonly cache: number
  readonly cacheTtlMs: number
}

export class SuccessCache {
  #settings: CacheSettings
  readonly #monotonicMs: () => number
  /** Digest → monotonic instant from which it counts no more. */
  #expiries: LRUCache<string, number> | undefined

  constructor(settings: CacheSettings, monotonicMs: () => number) {
    this.#settings = settings
    this.#monotonicMs = monotonicMs
    this.#expiries = createExpiries(settings)
  }

  /** Changes the bounds and keeps what fits, none longer than it would now be kept. */
  configure(settings: CacheSettings): void {
    const old = this.#expiries
    this.#settings = settings
    this.#expiries = createExpiries(settings)
    const latest = this.#monotonicMs() + settings.cacheTtlMs
    // rforEach goes from the oldest on, so that the order of use stays.
    old?.rforEach((expiry, digest) => this.#expiries?.set(digest, Math.min(expiry, latest)))
  }

  /** Whether the password behind this digest was verified lately. */
  has(digest: string): boolean {
    const expiry = this.#expiries?.get(digest)
    if (expiry === undefined) return false
    if (this.#monotonicMs() < expiry) return true
    this.#expiries?.delete(digest)
    return false
  }

  /** Remembers a password that was verified just now. */
  add(digest: string): void {
    this.#expiries?.set(digest, this.#monotonicMs() + this.#settings.cacheTtlMs)
  }
}

function createExpiries(settings: CacheSettings): LRUCache<string, number> | undefined {
  if (settings.cache < 1 || settings.cacheTtlMs <= 0) return undefined
  return new LRUCache({ max: settings.cache })
}
