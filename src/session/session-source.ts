/**
 * The session of one definition in one generation: when there is a login, who waits for it, when the
 * server is left alone, and when a session is logged out.
 */
import { SidegateError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { applyValues, cookieNamesOf, renewValues } from './apply.ts'
import { Flight } from './flight.ts'
import { Hold } from './hold.ts'
import { Leaving } from './leaving.ts'
import { SessionClient } from './session-client.ts'
import type { LoggedIn, LoginFailure, LoginResult, SessionEnvironment } from './session-client.ts'
import { isSame, Session } from './session.ts'
import type { Applied, Login, SessionOrigin } from './session.ts'
import type { SessionDefinition, SessionSettings } from './settings.ts'

export interface SessionSourceOptions<D extends SessionDefinition> extends SessionEnvironment<D> {
  /** Every instant of a session's life is on this clock. */
  readonly monotonicMs: () => number
  readonly log: Log
  /** Counts a login that has ended. */
  readonly onResult: (definition: string, result: LoginResult) => void
  /** Something that logs must not show, before anybody gets it. */
  readonly onSecret?: (value: string) => void
  /** How long requests may still carry a session that was replaced; 30 s unless given. */
  readonly graceMs?: number
}

/** Calls of one definition that wait. */
const MAX_WAITING = 10_000
/** An answer that means that a younger session is gone is no matter of the session. */
const EXPIRY_MS = 5000
const GRACE_MS = 30_000
/** What is taken may be a number or `true`, and these stand in every log. */
const MIN_SECRET_LENGTH = 8

/** What a source has to know of the others. */
export interface SourceOwner<S> {
  /** Whether a session of the present generation is the same; such a one is not logged out. */
  isCarried(applied: Applied): boolean
  /** A source of an earlier generation logs in once more. */
  revived(source: S): void
}

export class SessionSource<D extends SessionDefinition> implements SessionOrigin {
  /** Of the latest generation, in which nothing of it has changed. */
  definition: D
  readonly cookieNames: ReadonlySet<string>
  readonly #options: SessionSourceOptions<D>
  readonly #owner: SourceOwner<SessionSource<D>>
  readonly #client: SessionClient<D>
  readonly #leaving: Leaving
  #login: Login | undefined
  #flight: Flight<Session> | undefined
  /** The login that is under way, to its very end. */
  #flying: Promise<void> | undefined
  readonly #hold = new Hold()
  /** When an answer that meant that the session was gone last led to a login. */
  #expiryLoginAtMs = -Infinity
  #isRetired = false
  #isClosed = false

  constructor(
    definition: D,
    options: SessionSourceOptions<D>,
    owner: SourceOwner<SessionSource<D>>,
  ) {
    this.definition = definition
    this.cookieNames = cookieNamesOf(definition.settings)
    this.#options = options
    this.#owner = owner
    this.#client = new SessionClient(options)
    this.#leaving = new Leaving(
      (login, isGone) => this.#logOutLogin(login, isGone),
      options.graceMs ?? GRACE_MS,
    )
  }

  get settings(): SessionSettings {
    return this.definition.settings
  }

  /** For `/status`. */
  get lastError(): string | undefined {
    return this.#hold.lastError
  }

  /** The session as it is, also one that is not used any more. */
  get current(): Session | undefined {
    return this.#login?.latest
  }

  /** Nothing is left to be logged out. */
  get isIdle(): boolean {
    const { size } = this.#leaving
    return this.#login === undefined && this.#flight === undefined && size === 0
  }

  /** The session for one call; see `SessionCache.get`. */
  get(): Session | Promise<Session> {
    const now = this.#options.monotonicMs()
    const session = this.#login?.latest
    if (session !== undefined && now < session.freshUntilMs) return session
    return this.#obtain(now)
  }

  /** What to replay with; see `SessionCache.expired`. */
  async expired(session: Session): Promise<Session | undefined> {
    const now = this.#options.monotonicMs()
    if (this.#isRetired || this.#isClosed) return undefined
    const current = this.current
    if (current !== undefined && !isSame(current, session)) return this.#usableAt(now)
    const { receivedAtMs } = (current ?? session).login
    if (now - receivedAtMs <= EXPIRY_MS) return undefined
    const flight = this.#flight ?? this.#launchAfterExpiry(now)
    if (flight === undefined) return undefined
    if (this.#login !== undefined) this.#leaving.add(this.#login, true)
    this.#login = undefined
    try {
      const fresh = await this.#join(flight)
      return isSame(fresh, session) ? undefined : fresh
    } catch {
      return undefined
    }
  }

  /** The API has set cookies of this session: requests carry them from now on. */
  renewed(session: Session, setCookies: readonly string[]): void {
    const { login } = session
    const { settings } = this
    const { values } = login.latest
    const next = renewValues(settings, values, setCookies, this.#options.nowMs())
    if (next === undefined) return
    const changed = [...next].filter(([name, value]) => values.get(name) !== value)
    for (const value of new Set(changed.map((pair) => pair[1]))) this.#hide(value)
    login.latest = new Session(login, next, applyValues(settings, next))
  }

  /** The definition has changed or gone: its session is for those who came before. */
  retire(): void {
    this.#isRetired = true
    if (this.#login !== undefined) this.#leaving.add(this.#login, false)
  }

  /** Who waits is told so; resolves when every session is logged out, or could not be. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#flight?.fail(new SidegateError('draining'))
    if (this.#login !== undefined) this.#leaving.add(this.#login, false)
    await Promise.all([this.#flying, this.#leaving.flush()])
    // That of a login that was under way.
    await this.#leaving.flush()
  }

  /** Gives up what `close` waits for. */
  abort(): void {
    this.#client.abort()
  }

  /** There is no fresh session: another one is sought, and the old one used while it is good. */
  #obtain(now: number): Session | Promise<Session> {
    const isHeld = this.#isClosed || this.#hold.isHeld(now)
    const flight = this.#flight ?? (isHeld ? undefined : this.#launch())
    const old = this.#isClosed ? undefined : this.#usableAt(now)
    if (old !== undefined) return old
    if (flight === undefined || this.#isClosed) throw this.#heldError(now)
    return this.#join(flight)
  }

  #usableAt(now: number): Session | undefined {
    const session = this.#login?.latest
    return session !== undefined && now < session.usableUntilMs ? session : undefined
  }

  #join(flight: Flight<Session>): Promise<Session> {
    if (flight.waiting >= MAX_WAITING) {
      const detail = 'too many calls wait for the session of one definition'
      throw new SidegateError('overloaded', { detail, retryAfterS: 1 })
    }
    flight.waiting += 1
    return flight.landed
  }

  #launchAfterExpiry(now: number): Flight<Session> | undefined {
    const isTooSoon = now - this.#expiryLoginAtMs < EXPIRY_MS
    if (isTooSoon || this.#hold.isHeld(now)) return undefined
    this.#expiryLoginAtMs = now
    return this.#launch()
  }

  #launch(): Flight<Session> {
    const flight = new Flight<Session>()
    this.#flight = flight
    if (this.#isRetired) this.#owner.revived(this)
    this.#flying = this.#fly(flight)
    return flight
  }

  async #fly(flight: Flight<Session>): Promise<void> {
    const askedAtMs = this.#options.monotonicMs()
    const outcome = await this.#client.login(this.definition)
    this.#flight = undefined
    if (!this.#isRetired) {
      const result = outcome.kind === 'session' ? 'success' : outcome.result
      this.#options.onResult(this.definition.name, result)
    }
    if (outcome.kind === 'session') {
      flight.land(this.#keep(outcome, askedAtMs))
    } else {
      flight.fail(this.#holdBack(outcome))
      if (outcome.opened !== undefined) await this.#logOut(outcome.opened, false)
    }
  }

  #keep({ values, applied }: LoggedIn, askedAtMs: number): Session {
    const { definition } = this
    const { monotonicMs, log } = this.#options
    for (const [name, value] of values) {
      if (name !== 'username' && name !== 'password') this.#hide(value)
    }
    const receivedAtMs = monotonicMs()
    const login = Session.begin({ origin: this, askedAtMs, receivedAtMs }, values, applied)
    const former = this.#login
    this.#login = login
    this.#hold.succeeded()
    log.debug('session_opened', { definition: definition.name })
    if (former !== undefined) this.#leaving.add(former, false)
    if (this.#isRetired || this.#isClosed) this.#leaving.add(login, false)
    return login.latest
  }

  #hide(value: string): void {
    if (value.length >= MIN_SECRET_LENGTH) this.#options.onSecret?.(value)
  }

  #holdBack(failure: LoginFailure): SidegateError {
    const now = this.#options.monotonicMs()
    const { result, detail } = failure
    this.#hold.failed(failure, now)
    const { name } = this.definition
    const retryAfterS = this.#hold.retryAfterS(now)
    this.#options.log.warn('session_login_failed', {
      definition: name,
      result,
      detail,
      retry_after_s: retryAfterS,
    })
    return new SidegateError('login_failed', {
      detail: `${detail} (definition "${name}")`,
      retryAfterS,
    })
  }

  #heldError(now: number): SidegateError {
    if (this.#isClosed) return new SidegateError('draining')
    const retryAfterS = this.#hold.retryAfterS(now)
    return new SidegateError('login_failed', {
      detail: `${this.#hold.lastError ?? ''}; "${this.definition.name}" asks again in ${retryAfterS} s`,
      retryAfterS,
    })
  }

  async #logOutLogin(login: Login, isGone: boolean): Promise<void> {
    if (this.#login === login) this.#login = undefined
    await this.#logOut(login.latest, isGone)
  }

  /** Some servers give one user the same session again: what another login carries stays. */
  async #logOut(applied: Applied, isGone: boolean): Promise<void> {
    const { current } = this
    if (current !== undefined && isSame(current, applied)) return
    if (!this.#isClosed && this.#owner.isCarried(applied)) return
    const isDone = await this.#client.logout(this.definition, applied)
    if (isDone === undefined) return
    const { log } = this.#options
    const fields = { definition: this.definition.name }
    if (isDone) log.debug('session_closed', fields)
    else if (!isGone) log.warn('session_logout_failed', fields)
  }
}
