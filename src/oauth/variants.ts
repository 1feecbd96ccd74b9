/**
 * The variants of one definition, found by their key. That of its own scopes is always there; of the
 * others so many are kept, those used last. Variants without token are kept apart, so that asking
 * for scopes that are refused pushes no token out.
 */
import { LRUCache } from 'lru-cache'
import type { TokenDefinition } from './token-definition.ts'
import { scopeKey } from './token-key.ts'
import { Variant } from './variant.ts'

/** That of the definition's own scopes included. */
const MAX_VARIANTS = 64

export class Variants {
  /** Of the definition's own scopes, which no other can push out. */
  readonly own: Variant
  /** With a fetch that is queued or under way: never forgotten, or there would be two. */
  readonly flying = new Map<string, Variant>()
  readonly #live = new LRUCache<string, Variant>({ max: MAX_VARIANTS - 1 })
  readonly #resting = new LRUCache<string, Variant>({ max: MAX_VARIANTS })

  constructor({ scopes }: TokenDefinition) {
    this.own = new Variant(scopeKey(scopes), scopes)
  }

  /** That of a set of scopes; a new one is kept only once something has come of it. */
  of(scopes: readonly string[]): Variant {
    const key = scopeKey(scopes)
    return this.find(key) ?? new Variant(key, [...new Set(scopes)])
  }

  find(key: string): Variant | undefined {
    if (key === this.own.key) return this.own
    return this.#live.get(key) ?? this.flying.get(key) ?? this.#resting.get(key)
  }

  /** Puts a variant that has landed where it belongs now. */
  shelve(variant: Variant): void {
    const { key } = variant
    this.flying.delete(key)
    if (variant === this.own) return
    this.#live.delete(key)
    this.#resting.delete(key)
    if (variant.token === undefined) this.#resting.set(key, variant)
    else this.#live.set(key, variant)
  }

  /** Forgets every token; who waits is still told. */
  clear(): void {
    this.own.token = undefined
    this.#live.clear()
    this.#resting.clear()
  }

  *[Symbol.iterator](): Generator<Variant> {
    yield this.own
    yield* [...this.#live.values()]
    yield* [...this.#resting.values()]
  }
}
