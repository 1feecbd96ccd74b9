/**
 * One token and its life, counted on the monotonic clock from the moment in which it was asked for:
 * how long the answer was on its way cannot lengthen it.
 */

/** No token is kept longer, whatever its server says. */
const MAX_LIFE_MS = 24 * 3_600_000
/** None is sent at the very end of its life: it could end on the way. */
const MAX_MARGIN_MS = 10_000

/** Where a token comes from, and another may come from. */
export interface TokenOrigin {
  rejected(token: Token): Promise<Token | undefined>
}

/** What a token is made of; instants are monotonic. */
export interface TokenOptions {
  readonly accessToken: string
  readonly askedAtMs: number
  readonly receivedAtMs: number
  /** 0: for those who waited for it only. */
  readonly lifeMs: number
  readonly origin: TokenOrigin
  /** Of the set of scopes, within the origin. */
  readonly key: string
}

export class Token {
  /** Private, so that nothing that prints objects prints it. */
  readonly #authorization: string
  readonly origin: TokenOrigin
  readonly key: string
  readonly receivedAtMs: number
  /** Half of its life: from then on it is used only where a fresh one does not come in time. */
  readonly freshUntilMs: number
  /** From then on it is not sent any more. */
  readonly usableUntilMs: number
  readonly expiresAtMs: number

  constructor(options: TokenOptions) {
    const { accessToken, askedAtMs, receivedAtMs, lifeMs, origin, key } = options
    const boundedMs = Math.min(lifeMs, MAX_LIFE_MS)
    this.#authorization = `Bearer ${accessToken}`
    this.origin = origin
    this.key = key
    this.receivedAtMs = receivedAtMs
    this.freshUntilMs = askedAtMs + boundedMs / 2
    this.expiresAtMs = askedAtMs + boundedMs
    this.usableUntilMs = this.expiresAtMs - Math.min(MAX_MARGIN_MS, boundedMs / 10)
  }

  /** The value of the `Authorization` header: `Bearer …`. */
  get authorization(): string {
    return this.#authorization
  }

  /** Whether both are the same text. */
  equals(other: Token): boolean {
    return this.#authorization === other.#authorization
  }
}
