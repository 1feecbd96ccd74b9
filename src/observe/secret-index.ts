/**
 * Finds known secrets in text, many at once, in one pass. Each secret is filed under four of its
 * characters (a gram); a bitmap turns away almost every place of a text before anything is looked
 * up. ASCII case is ignored, so that `%2f` and `%2F`, or a host in lower case, are one.
 */

/** Shorter values cannot be found without blotting out half of every line. */
export const minSecretLength = 4

const gramLength = 4
const mark = '[redacted]'

interface Entry {
  /** The secret with ASCII letters in lower case. */
  readonly text: string
  /** Where in it the gram begins. */
  readonly offset: number
}

/** What is known to be secret, in every spelling given to it; grows only until it is used. */
export class SecretIndex {
  readonly #entries = new Map<number, Entry[]>()
  readonly #bits: Uint32Array
  readonly #shift: number

  /** `expected` is about how many values will be added; more only costs speed. */
  constructor(expected: number) {
    // 32 bits a value keep the share of false alarms at a few per cent.
    const log2 = Math.min(24, Math.max(12, Math.ceil(Math.log2(expected + 1)) + 5))
    this.#bits = new Uint32Array(2 ** (log2 - 5))
    this.#shift = 32 - log2
  }

  /** Adds one spelling of a secret; those shorter than `minSecretLength` are left out. */
  add(value: string): void {
    if (value.length < minSecretLength) return
    const text = foldText(value)
    const entry = { text, offset: this.#chooseOffset(text) }
    const gram = gramAt(text, entry.offset)
    const others = this.#entries.get(gram)
    if (others === undefined) this.#entries.set(gram, [entry])
    else others.push(entry)
    const slot = Math.imul(gram, 0x9e3779b1) >>> this.#shift
    this.#bits[slot >>> 5] = (this.#bits[slot >>> 5] ?? 0) | (1 << (slot & 31))
  }

  /**
   * Secrets often share how they begin (`sk_live_…`). Filed under that, all of them would be
   * compared wherever a text says it, and a client can make a text say it a thousand times.
   */
  #chooseOffset(text: string): number {
    const last = text.length - gramLength
    let best = 0
    let fewest = Infinity
    for (let step = 0; step <= 4; step++) {
      const offset = Math.floor((last * step) / 4)
      const count = this.#entries.get(gramAt(text, offset))?.length ?? 0
      if (count < fewest) {
        best = offset
        fewest = count
      }
      if (count === 0) break
    }
    return best
  }

  /** Adds the start and end of every secret in the text to `spans`, which is made where it is needed. */
  find(text: string, spans: number[] | undefined): number[] | undefined {
    const { length } = text
    if (length < minSecretLength || this.#entries.size === 0) return spans
    const bits = this.#bits
    const shift = this.#shift
    let gram = 0
    for (let i = 0; i < length; i++) {
      gram = pushChar(gram, text.charCodeAt(i))
      const slot = Math.imul(gram, 0x9e3779b1) >>> shift
      if (((bits[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0 && i >= gramLength - 1) {
        spans = this.#match(text, i - gramLength + 1, gram, spans)
      }
    }
    return spans
  }

  /** Adds the start and end of every secret that has this gram at this place. */
  #match(
    text: string,
    at: number,
    gram: number,
    spans: number[] | undefined,
  ): number[] | undefined {
    for (const entry of this.#entries.get(gram) ?? []) {
      const start = at - entry.offset
      if (start < 0 || start + entry.text.length > text.length) continue
      if (!isAt(text, start, entry.text)) continue
      if (spans === undefined) spans = []
      spans.push(start, start + entry.text.length)
    }
    return spans
  }
}

/** The last four characters in 32 bits; 0x20 makes letters lower case, what else it meets is compared later. */
function pushChar(gram: number, char: number): number {
  return (gram << 8) | ((char & 0xff) | 0x20)
}

function gramAt(text: string, offset: number): number {
  let gram = 0
  for (let i = offset; i < offset + gramLength; i++) gram = pushChar(gram, text.charCodeAt(i))
  return gram
}

function foldChar(char: number): number {
  return char >= 0x41 && char <= 0x5a ? char + 0x20 : char
}

/** Only ASCII is folded: `toLowerCase` would change the length of some texts. */
function foldText(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

function isAt(text: string, start: number, secret: string): boolean {
  for (let i = 0; i < secret.length; i++) {
    if (foldChar(text.charCodeAt(start + i)) !== secret.charCodeAt(i)) return false
  }
  return true
}

/** The text without these spans. They may overlap or touch: what they cover together is cut out as one. */
export function cutOut(text: string, flat: readonly number[]): string {
  const spans: [number, number][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) spans.push([flat[i] ?? 0, flat[i + 1] ?? 0])
  spans.sort((a, b) => a[0] - b[0])
  let result = ''
  let done = 0
  for (const [start, end] of spans) {
    if (start > done || (start === 0 && done === 0)) result += text.slice(done, start) + mark
    done = Math.max(done, end)
  }
  return result + text.slice(done)
}
