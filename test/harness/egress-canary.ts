/**
 * The oracle on secrets: in every spelling they are nowhere but in the slot of the server that they
 * belong to. Whatever can be read of a run is watched; each look covers what came since the last.
 */
import type { Test } from 'tap'
import type { RawClient } from './raw-client.ts'
import type { RecordingUpstream } from './recording-upstream.ts'
import type { SidegateProcess } from './sidegate-process.ts'

/** Gives what has come since it was last asked. */
type Take = () => string

interface Place {
  readonly name: string
  readonly take: Take
  /** What may stand here, exactly: it is cut out before the look. */
  readonly slots: Set<string>
}

/** Raw, URL-encoded, base64 at every offset, hex, as JSON, and as Latin-1 shows UTF-8. */
function spellingsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const base64 = [0, 1, 2].map((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    // The characters at both ends depend on the neighbours of the secret.
    return shifted.slice(shift === 0 ? 0 : 4, -4)
  })
  const base64url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))
  const hex = bytes.toString('hex')
  const texts = [secret, bytes.toString('latin1'), Buffer.from(secret, 'latin1').toString('utf8')]
  const encoded = encodeURIComponent(secret)
  const percent = [encoded, encoded.replaceAll('%20', '+'), encoded.toLowerCase()]
  const json = JSON.stringify(secret).slice(1, -1)
  const all = [...texts, ...percent, ...base64, ...base64url, hex, hex.toUpperCase(), json]
  return [...new Set(all)]
}

/** Watches places for secrets. */
export class Canary {
  readonly #places: Place[] = []
  readonly #secrets = new Map<string, readonly string[]>()

  /** From now on this must be nowhere but in slots. */
  guard(secret: string): void {
    this.#secrets.set(secret, spellingsOf(secret))
  }

  /** Watches a place; `slots` are exact texts that may stand in it. */
  watch(name: string, take: Take, slots: readonly string[] = []): void {
    this.#places.push({ name, take, slots: new Set(slots) })
  }

  /** Lets one more text stand in a place. */
  allow(name: string, slot: string): void {
    const place = this.#places.find((each) => each.name === name)
    if (place === undefined) throw new Error(`nothing is watched as "${name}"`)
    place.slots.add(slot)
  }

  watchUpstream(name: string, upstream: RecordingUpstream, slots: readonly string[] = []): void {
    const taken = new Map<number, number>()
    const take = () => {
      let text = ''
      for (const { id, chunks } of upstream.connections) {
        const bytes = Buffer.concat(chunks.slice(taken.get(id) ?? 0))
        taken.set(id, chunks.length)
        if (bytes.length > 0) text += `${bytes.toString('latin1')}\n`
      }
      return text
    }
    this.watch(name, take, slots)
  }

  watchOutput(sidegate: SidegateProcess): void {
    let at = 0
    this.watch('the log', () => {
      const text = sidegate.output.slice(at)
      at = sidegate.output.length
      return text
    })
  }

  /** Asserts for all places, for `/metrics` and `/status`, and for what clients were answered. */
  async check(t: Test, sidegate: SidegateProcess, ...clients: RawClient[]): Promise<void> {
    const problems = this.#places.flatMap((place) => this.#findIn(place.name, this.#read(place)))
    for (const path of ['/metrics', '/status']) {
      const { status, text } = await sidegate.admin(path)
      if (status !== 200) problems.push(`${path} is answered with ${status}`)
      problems.push(...this.#findIn(path, text))
    }
    for (const client of clients) problems.push(...this.#findIn('an answer', textOf(client)))
    t.strictSame(problems, [], 'no secret is anywhere but in its own slot')
  }

  #read({ take, slots }: Place): string {
    let text = take()
    if (text === '') return text
    for (const slot of slots) text = text.replaceAll(slot, '')
    return text
  }

  #findIn(where: string, text: string): string[] {
    if (text === '') return []
    return [...this.#secrets].flatMap(([secret, spellings]) => {
      const found = spellings.find((spelling) => text.includes(spelling))
      if (found === undefined) return []
      const at = text.indexOf(found)
      const around = text.slice(Math.max(0, at - 60), at + found.length + 20)
      return [`${secret.slice(0, 8)}… in ${where}: ${JSON.stringify(around)}`]
    })
  }
}

function textOf(client: RawClient): string {
  const answers = client.answers.map((answer) => {
    const { startLine, headers, trailers } = answer.message
    const pairs = [...headers, ...trailers, ...answer.interim.flatMap((each) => each.headers)]
    return [startLine, ...pairs.map((pair) => pair.join(': ')), answer.body].join('\n')
  })
  return [...answers, client.rest.toString('latin1')].join('\n')
}
