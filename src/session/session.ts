/**
 * One session as requests carry it. Its life is counted on the monotonic clock from the moment in
 * which the login began. It never changes: where the API renews a cookie, another takes its place.
 */
import type { Pairs, SessionSettings } from './settings.ts'
import type { Values } from './template.ts'

/** None is used at the very end of its life: it could end on the way. */
const MAX_MARGIN_MS = 10_000

/** What each request gets. */
export interface Applied {
  readonly headers: Pairs
  readonly cookies: Pairs
}

/** Where a session comes from, and another may come from. */
export interface SessionOrigin {
  readonly settings: SessionSettings
  /** In lower case: those it sends and those it was made of. */
  readonly cookieNames: ReadonlySet<string>
  expired(session: Session): Promise<Session | undefined>
  renewed(session: Session, setCookies: readonly string[]): void
}

/** One login, and what has become of it. */
export interface Login {
  readonly origin: SessionOrigin
  /** Monotonic, like all instants. */
  readonly askedAtMs: number
  readonly receivedAtMs: number
  /** With the cookies that the API gave last. */
  latest: Session
}

export class Session {
  /** Private, so that nothing that prints objects prints them. */
  readonly #applied: Applied
  readonly #values: Values
  readonly #login: Login

  constructor(login: Login, values: Values, applied: Applied) {
    this.#login = login
    this.#values = values
    this.#applied = applied
  }

  /** A login with its first session. */
  static begin(login: Omit<Login, 'latest'>, values: Values, applied: Applied): Login {
    const begun = { ...login } as Login
    begun.latest = new Session(begun, values, applied)
    return begun
  }

  get headers(): Pairs {
    return this.#applied.headers
  }

  get cookies(): Pairs {
    return this.#applied.cookies
  }

  get values(): Values {
    return this.#values
  }

  get login(): Login {
    return this.#login
  }

  get origin(): SessionOrigin {
    return this.#login.origin
  }

  /** Names of its cookies, in lower case: what the app sends or gets by them is not the app's. */
  get cookieNames(): ReadonlySet<string> {
    return this.#login.origin.cookieNames
  }

  /** Half of its life: from then on another is sought while this one is used. */
  get freshUntilMs(): number {
    return this.#login.askedAtMs + this.#login.origin.settings.ttlMs / 2
  }

  /** From then on it is not used any more. */
  get usableUntilMs(): number {
    const { ttlMs } = this.#login.origin.settings
    return this.expiresAtMs - Math.min(MAX_MARGIN_MS, ttlMs / 10)
  }

  get expiresAtMs(): number {
    return this.#login.askedAtMs + this.#login.origin.settings.ttlMs
  }
}

/** Whether requests carry the very same with both. */
export function isSame(one: Applied, other: Applied): boolean {
  return one === other || textOf(one) === textOf(other)
}

function textOf({ headers, cookies }: Applied): string {
  return JSON.stringify([headers, cookies])
}
