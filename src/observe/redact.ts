/**
 * Keeps secrets out of every line: known values in the spellings they are likely to appear in, and
 * the userinfo of URLs. What a value is called is the business of `fields.ts`.
 */
import { setImmediate } from 'node:timers/promises'
import { cutOut, SecretIndex } from './secret-index.ts'

/** How many secrets are indexed before the event loop has its turn. */
const sliceSize = 100
/** Shorter lines of a secret of several lines are not secret by themselves (`{`, `-----`). */
const minLineLength = 16
/** Transient secrets that are remembered at least. */
const MAX_TRANSIENT = 256

export interface Redactor {
  /**
   * Replaces the known secrets; in force when the promise resolves, until then the former ones
   * are. Give those of the running and of the next generation, and Basic credentials also as
   * `user:password`. Values of less than 4 characters cannot be found and are left out.
   */
  setSecrets(values: Iterable<string>): Promise<void>
  /** Knows one more secret from now on; of these only the latest few hundred are remembered. */
  addSecret(value: string): void
  /** The text without known secrets and without the userinfo of URLs. */
  redact(text: string): string
}

/** Creates a redactor that knows no secret yet. */
export function createRedactor(): Redactor {
  let index = new SecretIndex(0)
  let latest = 0
  const transient = new TransientSecrets()

  async function setSecrets(values: Iterable<string>): Promise<void> {
    const turn = ++latest
    const secrets = [...new Set(values)]
    const next = new SecretIndex(secrets.length * 4)
    for (let i = 0; i < secrets.length; i++) {
      if (i % sliceSize === sliceSize - 1) await setImmediate()
      for (const spelling of new Set(spellings(secrets[i] ?? ''))) next.add(spelling)
    }
    if (turn === latest) index = next
  }

  return {
    setSecrets,
    addSecret(value) {
      transient.add(value)
    },
    redact(text) {
      // Found in the text as it is: one secret may be a part of another, and must not hide it.
      const spans = transient.find(text, index.find(text, undefined))
      return stripUserinfo(spans === undefined ? text : cutOut(text, spans))
    },
  }
}

/** Secrets that come and go while the process runs, tokens for one: two indexes take turns. */
class TransientSecrets {
  #young = new SecretIndex(MAX_TRANSIENT * 4)
  #old = new SecretIndex(0)
  #count = 0

  add(value: string): void {
    if (this.#count >= MAX_TRANSIENT) {
      this.#old = this.#young
      this.#young = new SecretIndex(MAX_TRANSIENT * 4)
      this.#count = 0
    }
    this.#count += 1
    for (const spelling of new Set(spellings(value))) this.#young.add(spelling)
  }

  find(text: string, spans: number[] | undefined): number[] | undefined {
    return this.#old.find(text, this.#young.find(text, spans))
  }
}

/** The ways in which a secret may come to stand in a text. */
function* spellings(secret: string): Generator<string> {
  yield secret
  const quoted = JSON.stringify(secret).slice(1, -1)
  if (quoted !== secret) yield quoted
  const bytes = Buffer.from(secret)
  const encoded = percentEncode(bytes)
  if (encoded !== secret) {
    yield encoded
    yield encoded.replaceAll('%20', '+')
  }
  if (bytes.length !== secret.length) {
    // As header values stand in our strings: one character a byte.
    yield bytes.toString('latin1')
    yield Buffer.from(secret, 'latin1').toString('base64').replaceAll('=', '')
  }
  yield bytes.toString('base64').replaceAll('=', '')
  yield bytes.toString('base64url')
  if (secret.includes('\n')) yield* longLines(secret)
}

const percentEncoded = Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte)
  return /[A-Za-z0-9._~-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`
})

/** Like `encodeURIComponent`, which throws on half a surrogate pair. */
function percentEncode(bytes: Buffer): string {
  let text = ''
  for (const byte of bytes) text += percentEncoded[byte] ?? ''
  return text
}

function* longLines(secret: string): Generator<string> {
  for (const line of secret.split(/\r?\n/)) {
    if (line.length >= minLineLength && !line.startsWith('-----')) yield line
  }
}

/** Removes `user:password@` from every `scheme://user:password@host` in a text. */
export function stripUserinfo(text: string): string {
  let from = text.indexOf('://')
  if (from === -1) return text
  let result = ''
  let done = 0
  while (from !== -1) {
    const start = from + 3
    const { at, next } = findUserinfo(text, start)
    if (at !== -1) {
      result += `${text.slice(done, start)}[redacted]`
      done = at
    }
    from = text.indexOf('://', next)
  }
  return result + text.slice(done)
}

/**
 * Where the `@` is that ends a userinfo, or -1, and where to look on: never at what was looked at
 * already, or a long text would cost its square. The `@` is the last one of the authority; but a
 * password may hold a raw `/`, `?` or `#`, which no parser takes for part of it and messages repeat.
 */
function findUserinfo(text: string, start: number): { at: number; next: number } {
  let at = -1
  let isAuthority = true
  let i = start
  for (; i < text.length; i++) {
    const char = text.charCodeAt(i)
    if (isEndOfUrl(char)) break
    if (isAuthority && (char === 0x2f || char === 0x3f || char === 0x23)) {
      if (at !== -1 || isHostAndPort(text.slice(start, i))) return { at, next: Math.max(at, start) }
      isAuthority = false
    }
    if (char === 0x40) at = i
  }
  return { at, next: at === -1 ? i : at }
}

function isEndOfUrl(char: number): boolean {
  return char <= 0x20 || char === 0x22 || char === 0x3c || char === 0x3e || char === 0x60
}

/** Whether a text is a host with or without port, so that no password has begun in it. */
function isHostAndPort(text: string): boolean {
  return /^(?:\[[0-9a-fA-F:.%]*\]|[^:]*)(?::[0-9]*)?$/.test(text)
}
