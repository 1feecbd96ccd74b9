/**
 * Checks a password against an account: plain entries at once, hashed ones through the cache of
 * successes, or off the event loop behind the fair queue, where equal checks in flight are one. Lives as
 * long as the process: what belongs to a changed definition is never found again, because the generation
 * of the definition is part of every key.
 *
 * What a refusal costs depends on the account alone: every entry is tried, whatever matched, and an
 * unknown username is given a decoy, another account that is checked in earnest and never accepted.
 */
import { timingSafeEqual } from 'node:crypto'
import { SuccessCache } from './cache.ts'
import type { CacheSettings } from './cache.ts'
import { isLive } from './entries.ts'
import type { PasswordEntry } from './entries.ts'
import { verifyPassword } from './hash.ts'
import { KeyedHash } from './keyed-hash.ts'
import { clientOf, FairQueue } from './queue.ts'
import type { QueueSettings } from './queue.ts'

/** The settings `password_checks`. */
export type CheckerSettings = QueueSettings & CacheSettings

/** Whose password is checked. */
export interface Account {
  readonly definition: {
    readonly name: string
    readonly passwords: readonly PasswordEntry[]
  }
  /** Number of the configuration in which the definition last changed. */
  readonly generation: number
  /** Of `digestPlainPasswords`, by place in `passwords`. */
  readonly plainDigests: readonly (Buffer | undefined)[]
}

/** What came of a check; `expired` is the right password outside of its life, before or after. */
export type PasswordOutcome =
  | { readonly kind: 'match' | 'expired'; readonly entry: PasswordEntry }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'overloaded'; readonly retryAfterS: number }

/**
 * Label of `sidegate_password_checks_total`, for hashed passwords only. Without a new computation: `hit`
 * (remembered), `coalesced` (joined an equal one in flight), `overloaded` (no room in the queue).
 * Computed: `match`, `expired`, `wrong` (decoys too), `failed` (it broke, answered like `overloaded`).
 */
export type PasswordCheckResult =
  'hit' | 'coalesced' | 'overloaded' | 'match' | 'expired' | 'wrong' | 'failed'

/** What a checker is made of. */
export interface CheckerOptions {
  readonly settings: CheckerSettings
  /** At least 32 random bytes of this process; the same as the index has. */
  readonly secret: Buffer
  /** Wall clock, for the lives of entries. */
  readonly nowMs: () => number
  /** Monotonic clock, for the cache. */
  readonly monotonicMs: () => number
  /** Counts; called synchronously. */
  readonly onResult?: (result: PasswordCheckResult) => void
  /** A computation broke: no thread, no memory. */
  readonly onFailure?: (error: unknown) => void
  /** For tests that count computations. */
  readonly verify?: typeof verifyPassword
}

/** One computation that is queued or running. */
type Flight = Promise<PasswordEntry | 'none' | { readonly retryAfterS: number }>

interface Attempt {
  readonly account: Account
  readonly password: Buffer
  /** Username that is unknown where the account is a decoy. */
  readonly decoyFor: string | undefined
  /** Only what may succeed may end early, or use the cache. */
  readonly maySucceed: boolean
}

const WRONG = { kind: 'wrong' } as const
const NO_DIGESTS: readonly undefined[] = []
const FAILURE_RETRY_AFTER_S = 1

/** Gives what `Account.plainDigests` wants: keyed digests of the passwords that are not hashed. */
export function digestPlainPasswords(
  entries: readonly PasswordEntry[],
  keyedHash: KeyedHash,
): readonly (Buffer | undefined)[] {
  if (entries.every((entry) => entry.password === undefined)) return NO_DIGESTS
  return entries.map((entry) =>
    entry.password === undefined
      ? undefined
      : keyedHash.digest('password', entry.password.reveal()),
  )
}

export class PasswordChecker {
  readonly #options: CheckerOptions
  readonly #keyedHash: KeyedHash
  readonly #verify: typeof verifyPassword
  readonly #queue: FairQueue
  readonly #cache: SuccessCache
  readonly #flights = new Map<string, Flight>()

  constructor(options: CheckerOptions) {
    this.#options = options
    this.#keyedHash = new KeyedHash(options.secret)
    this.#verify = options.verify ?? verifyPassword
    this.#queue = new FairQueue(options.settings, options.monotonicMs)
    this.#cache = new SuccessCache(options.settings, options.monotonicMs)
  }

  /** Changes the bounds; what waits, runs or is remembered stays. */
  configure(settings: CheckerSettings): void {
    this.#queue.configure(settings)
    this.#cache.configure(settings)
  }

  /**
   * Checks the password of an account. The answer is immediate unless a slow hash must be computed.
   * `isActive: false` says that the caller will refuse in any case: then nothing shortens the check.
   */
  check(
    account: Account,
    password: Buffer,
    clientAddress: string,
    isActive: boolean,
  ): PasswordOutcome | Promise<PasswordOutcome> {
    return this.#check(
      { account, password, decoyFor: undefined, maySucceed: isActive },
      clientAddress,
    )
  }

  /** Spends on an unknown username what the check of `decoy` costs; never gives `match` or `expired`. */
  checkDecoy(
    decoy: Account,
    username: string,
    password: Buffer,
    clientAddress: string,
  ): PasswordOutcome | Promise<PasswordOutcome> {
    const attempt = { account: decoy, password, decoyFor: username, maySucceed: false }
    const outcome = this.#check(attempt, clientAddress)
    return outcome instanceof Promise ? outcome.then(hideMatch) : hideMatch(outcome)
  }

  #check(attempt: Attempt, clientAddress: string): PasswordOutcome | Promise<PasswordOutcome> {
    const { account, maySucceed } = attempt
    const nowMs = this.#options.nowMs()
    const plain = this.#matchPlain(attempt, nowMs)
    if (maySucceed && plain !== undefined && isLive(plain, nowMs)) {
      return { kind: 'match', entry: plain }
    }
    if (account.definition.passwords.every(isPlain)) return toOutcome(plain, nowMs)
    const remembered = this.#findRemembered(attempt, nowMs)
    if (remembered !== undefined && maySucceed) {
      this.#options.onResult?.('hit')
      return { kind: 'match', entry: remembered }
    }
    return this.#finish(this.#join(attempt, clientAddress), plain)
  }

  /** Compares with every plain entry; of those that match a live one is preferred. */
  #matchPlain({ account, password }: Attempt, nowMs: number): PasswordEntry | undefined {
    if (account.plainDigests.length === 0) return undefined
    const presented = this.#keyedHash.digest('password', password)
    let found: PasswordEntry | undefined
    for (const [place, wanted] of account.plainDigests.entries()) {
      const isEqual = wanted !== undefined && timingSafeEqual(presented, wanted)
      if (isEqual) found = preferLive(found, account.definition.passwords[place], nowMs)
    }
    return found
  }

  #findRemembered(attempt: Attempt, nowMs: number): PasswordEntry | undefined {
    for (const entry of attempt.account.definition.passwords) {
      // Asked of the life each time: nothing is remembered past `not_after`.
      if (entry.hash === undefined || !isLive(entry, nowMs)) continue
      if (this.#cache.has(this.#cacheKey(attempt, entry))) return entry
    }
    return undefined
  }

  #cacheKey({ account, password }: Attempt, entry: PasswordEntry): string {
    const { definition, generation } = account
    return this.#keyedHash.digestText(
      'cache',
      definition.name,
      String(generation),
      entry.label,
      password,
    )
  }

  #join(attempt: Attempt, clientAddress: string): Flight {
    const { account, password, decoyFor, maySucceed } = attempt
    const key = this.#keyedHash.digestText(
      'flight',
      account.definition.name,
      String(account.generation),
      decoyFor === undefined ? String(maySucceed) : `decoy ${decoyFor}`,
      password,
    )
    const joined = this.#flights.get(key)
    if (joined !== undefined) {
      this.#options.onResult?.('coalesced')
      return joined
    }
    const flight = this.#launch(attempt, clientAddress).finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  #launch(attempt: Attempt, clientAddress: string): Flight {
    return new Promise((resolve) => {
      this.#queue.submit(clientOf(clientAddress), {
        run: async () => {
          try {
            resolve((await this.#compute(attempt)) ?? 'none')
          } catch (error) {
            this.#options.onResult?.('failed')
            this.#options.onFailure?.(error)
            resolve({ retryAfterS: FAILURE_RETRY_AFTER_S })
          }
        },
        refuse: (retryAfterS) => {
          this.#options.onResult?.('overloaded')
          resolve({ retryAfterS })
        },
      })
    })
  }

  /** Tries the hashed entries, live ones first; only a success that counts ends it early. */
  async #compute(attempt: Attempt): Promise<PasswordEntry | undefined> {
    const { account, password, maySucceed } = attempt
    const startedMs = this.#options.nowMs()
    const hashed = account.definition.passwords.filter((entry) => entry.hash !== undefined)
    hashed.sort((a, b) => Number(isLive(b, startedMs)) - Number(isLive(a, startedMs)))
    let found: PasswordEntry | undefined
    for (const entry of hashed) {
      if (entry.hash === undefined || !(await this.#verify(entry.hash, password))) continue
      found = preferLive(found, entry, this.#options.nowMs())
      if (maySucceed && isLive(entry, this.#options.nowMs())) {
        this.#cache.add(this.#cacheKey(attempt, entry))
        break
      }
    }
    const nowMs = this.#options.nowMs()
    this.#options.onResult?.(
      attempt.decoyFor === undefined ? toOutcome(found, nowMs).kind : 'wrong',
    )
    return found
  }

  async #finish(flight: Flight, plain: PasswordEntry | undefined): Promise<PasswordOutcome> {
    const landed = await flight
    const nowMs = this.#options.nowMs()
    if (landed === 'none') return toOutcome(plain, nowMs)
    if ('retryAfterS' in landed) return { kind: 'overloaded', retryAfterS: landed.retryAfterS }
    return toOutcome(preferLive(landed, plain, nowMs), nowMs)
  }
}

function isPlain(entry: PasswordEntry): boolean {
  return entry.hash === undefined
}

function preferLive(
  first: PasswordEntry | undefined,
  second: PasswordEntry | undefined,
  nowMs: number,
): PasswordEntry | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return isLive(first, nowMs) ? first : second
}

function toOutcome(
  found: PasswordEntry | undefined,
  nowMs: number,
): Exclude<PasswordOutcome, { kind: 'overloaded' }> {
  if (found === undefined) return WRONG
  return { kind: isLive(found, nowMs) ? 'match' : 'expired', entry: found }
}

function hideMatch(outcome: PasswordOutcome): PasswordOutcome {
  return outcome.kind === 'overloaded' ? outcome : WRONG
}
