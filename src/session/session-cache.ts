/**
 * The sessions of all `session` definitions: opened when first needed, renewed at half of their life,
 * one login at a time, logged out when they go. Lives as long as the process; generations come and
 * go, sessions of unchanged definitions stay.
 */
import { isSame, type Applied, type Session } from './session.ts'
import { SessionSource, type SessionSourceOptions, type SourceOwner } from './session-source.ts'
import type { SessionDefinition } from './settings.ts'

/** What sessions are made of. */
export type SessionCacheOptions<D extends SessionDefinition> = SessionSourceOptions<D>

/** A session, or a definition whose last login failed; times are RFC 3339. */
export interface SessionStatus {
  readonly definition: string
  /** `null`, like the times: there is no session, and `last_error` says why. */
  readonly age_s: number | null
  readonly fresh_until: string | null
  readonly expires_at: string | null
  readonly last_error: string | null
}

/** So long logging out may hold up the end of the process. */
const CLOSE_MS = 3000

export class SessionCache<D extends SessionDefinition> implements SourceOwner<SessionSource<D>> {
  readonly #options: SessionCacheOptions<D>
  #sources = new Map<string, SessionSource<D>>()
  /** Those of earlier generations too, as long as one of their sessions is not logged out. */
  readonly #retired = new Set<SessionSource<D>>()
  readonly #byDefinition = new WeakMap<D, SessionSource<D>>()
  #isClosed = false

  constructor(options: SessionCacheOptions<D>) {
    this.#options = options
  }

  /**
   * A new generation: give those definitions that its outgoing connections use. Such as changed, are
   * gone or were switched off lose their sessions, the others keep them.
   */
  configure(definitions: Iterable<D>): void {
    const next = new Map<string, SessionSource<D>>()
    for (const definition of definitions) {
      if (!definition.isActive) continue
      const key = `${definition.name} ${definition.fingerprint}`
      const source = this.#sources.get(key) ?? this.#createSource(definition)
      source.definition = definition
      next.set(key, source)
      this.#byDefinition.set(definition, source)
    }
    for (const source of this.#retired) if (source.isIdle) this.#retired.delete(source)
    for (const [key, source] of this.#sources) if (!next.has(key)) this.#retire(source)
    this.#sources = next
  }

  /**
   * The session for a call; at once where there is one. Throws, or rejects with, a `SidegateError`:
   * `login_failed` (with `retryAfterS`), `overloaded` where too many wait, `draining` after `close`.
   */
  get(definition: D): Session | Promise<Session> {
    return (this.#byDefinition.get(definition) ?? this.#adopt(definition)).get()
  }

  /**
   * The API answered that this session is gone (see `readAnswer`). Gives another one to replay the
   * call with, once, or `undefined` where the caller gets the answer: the login is at most 5 s old, an
   * answer led to a login in the last 5 s, none succeeds, or it is the same again. Never rejects.
   */
  async expired(session: Session): Promise<Session | undefined> {
    return await session.origin.expired(session)
  }

  /** For `/status`: every session, and every definition whose last login failed. */
  *list(): Generator<SessionStatus> {
    for (const source of [...this.#sources.values()]) {
      const status = this.#statusOf(source)
      if (status !== undefined) yield status
    }
  }

  /**
   * Tells `draining` to those who wait and logs out every session, within `timeoutMs`. Call it when
   * the last request has ended. Never rejects.
   */
  async close(timeoutMs = CLOSE_MS): Promise<void> {
    this.#isClosed = true
    const sources = [...this.#sources.values(), ...this.#retired]
    const timer = setTimeout(() => {
      for (const source of sources) source.abort()
    }, timeoutMs)
    await Promise.all(sources.map((source) => source.close()))
    clearTimeout(timer)
  }

  /** Whether a definition of this generation has the same session. */
  isCarried(applied: Applied): boolean {
    for (const { current } of this.#sources.values()) {
      if (current !== undefined && isSame(current, applied)) return true
    }
    return false
  }

  /** Keeps an eye on a source of an earlier generation. */
  revived(source: SessionSource<D>): void {
    this.#retired.add(source)
  }

  #createSource(definition: D): SessionSource<D> {
    return new SessionSource(definition, this.#options, this)
  }

  #retire(source: SessionSource<D>): void {
    source.retire()
    this.#retired.add(source)
  }

  /**
   * A definition that no configured generation has: one of an earlier one, to which a request under
   * way still belongs.
   */
  #adopt(definition: D): SessionSource<D> {
    const source = this.#createSource(definition)
    this.#retire(source)
    if (this.#isClosed) void source.close()
    this.#byDefinition.set(definition, source)
    return source
  }

  #statusOf({ definition, current, lastError }: SessionSource<D>): SessionStatus | undefined {
    const now = this.#options.monotonicMs()
    const live = current !== undefined && now < current.expiresAtMs ? current : undefined
    if (live === undefined && lastError === undefined) return undefined
    const instant = (atMs: number): string =>
      new Date(this.#options.nowMs() + atMs - now).toISOString()
    return {
      definition: definition.name,
      age_s: live === undefined ? null : Math.floor((now - live.login.receivedAtMs) / 1000),
      fresh_until: live === undefined ? null : instant(live.freshUntilMs),
      expires_at: live === undefined ? null : instant(live.expiresAtMs),
      last_error: lastError ?? null,
    }
  }
}
