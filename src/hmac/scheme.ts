/** A scheme that signs requests, made ready from its definition: for those who sign and those who check. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { SignatureForm, type FormValues } from './form.ts'
import { computeSignature, type SignedRequest } from './signature.ts'
import type { HmacKey, HmacSettings } from './settings.ts'
import { formatTimestamp, parseTimestamp } from './timestamp.ts'

/** Bytes of the nonces that we make. */
const NONCE_BYTES = 16

interface ReadyKey extends HmacKey {
  readonly bytes: Buffer
}

export class HmacScheme {
  readonly settings: HmacSettings
  readonly form: SignatureForm
  /** Whether the body is signed, and so has to be there first. */
  readonly needsBody: boolean
  readonly #keys: readonly ReadyKey[]
  readonly #isTimed: boolean

  constructor(settings: HmacSettings) {
    this.settings = settings
    this.form = new SignatureForm(settings)
    const kinds = new Set(settings.stringToSign.map(({ kind }) => kind))
    this.needsBody = kinds.has('body') || kinds.has('body_sha256')
    this.#isTimed = kinds.has('timestamp')
    this.#keys = settings.keys.map((key) => ({
      ...key,
      bytes: Buffer.from(key.key.reveal(), settings.keyEncoding),
    }))
  }

  /**
   * Signs a request with a key of `keys`; gives the headers to add, a flat list. `nowMs` is the wall
   * clock; `nonce` is given where a published example has to be met.
   */
  sign(
    request: SignedRequest,
    key: HmacKey,
    nowMs: number,
    nonce = randomBytes(NONCE_BYTES).toString('hex'),
  ): string[] {
    const { settings } = this
    const ready = this.#keys.find(({ label }) => label === key.label)
    if (ready === undefined) throw new Error('sign a request: no such key')
    const marks = { timestamp: formatTimestamp(nowMs, settings.timestampFormat), nonce }
    const signature = computeSignature(settings, ready.bytes, request, marks)
    return this.form.write({
      ...marks,
      signature: signature.toString(settings.encoding),
      keyId: settings.keyId ?? '',
    })
  }

  /**
   * Until when (wall clock, ms) a signature with these marks is accepted, `Infinity` where the scheme
   * has no timestamp; `undefined` where it is not any more, not yet, or says no instant.
   */
  findEnd({ timestamp }: FormValues, nowMs: number): number | undefined {
    const { toleranceMs, timestampFormat } = this.settings
    if (!this.#isTimed || toleranceMs === undefined) return Infinity
    const atMs = parseTimestamp(timestamp, timestampFormat)
    if (atMs === undefined || Math.abs(nowMs - atMs) > toleranceMs) return undefined
    return atMs + toleranceMs
  }

  /** The key that made the signature; `undefined` where none did. Every key is tried, always. */
  findKey(values: FormValues, request: SignedRequest): HmacKey | undefined {
    const shown = Buffer.from(values.signature, this.settings.encoding)
    let found: HmacKey | undefined
    for (const key of this.#keys) {
      const computed = computeSignature(this.settings, key.bytes, request, values)
      if (shown.length === computed.length && timingSafeEqual(shown, computed)) found ??= key
    }
    return found
  }
}
