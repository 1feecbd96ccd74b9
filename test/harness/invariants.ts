/**
 * What holds under attack, checked after every hostile case: who reached the upstream and under
 * which name, that no secret got out, and that the program lives.
 */
import type { Test } from 'tap'
import type { RecordingUpstream, UpstreamRequest } from './recording-upstream.ts'
import type { SidegateProcess } from './sidegate-process.ts'

/** A moment to compare with. */
export interface Mark {
  readonly requests: number
  readonly bytes: number
  readonly output: number
  readonly connections: readonly number[]
}

/** What a case allows to have happened since its mark. */
export interface Allowance {
  /**
   * The identity of each client request that was let in; `null` for one on an open channel. Empty
   * means that nothing was let in, so that not one byte may have reached the upstream.
   */
  readonly letIn: readonly (string | null)[]
  /** Requests that may have reached the upstream but must never be whole there. */
  readonly incomplete?: boolean
}

/** Header names are one name to many servers: CGI and WSGI see `_`, some see `.` as `-`. */
export function foldName(name: string): string {
  return name.toLowerCase().replace(/[_.]/g, '-')
}

/** All values that a server might take for the caller's identity, in any spelling. */
export function identitiesIn(request: UpstreamRequest): string[] {
  const pairs = [...request.headers, ...request.message.trailers]
  return pairs.filter(([name]) => foldName(name) === 'x-authenticated-user').map(([, v]) => v)
}

/** Every form in which a secret might show up. */
function spellingsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const base64 = [0, 1, 2].map((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    // The characters at both ends depend on the neighbours of the secret.
    return shifted.slice(shift === 0 ? 0 : 4, -4)
  })
  const hex = bytes.toString('hex')
  const texts = [secret, bytes.toString('latin1'), encodeURIComponent(secret), ...base64]
  return [...new Set([...texts, hex, hex.toUpperCase(), JSON.stringify(secret).slice(1, -1)])]
}

/** Watches one gate and its upstream for the statements of what holds under attack. */
export class Invariants {
  readonly #sidegate: SidegateProcess
  readonly #upstream: RecordingUpstream
  readonly #spellings: readonly string[]

  constructor(sidegate: SidegateProcess, upstream: RecordingUpstream, secrets: readonly string[]) {
    this.#sidegate = sidegate
    this.#upstream = upstream
    this.#spellings = secrets.flatMap(spellingsOf)
  }

  mark(): Mark {
    return {
      requests: this.#upstream.requests.length,
      bytes: this.#upstream.bytesReceived,
      output: this.#sidegate.output.length,
      connections: this.#upstream.connections.map(({ chunks }) => chunks.length),
    }
  }

  /** Asserts all statements for what happened since the mark; silent where all is well. */
  check(t: Test, since: Mark, allowance: Allowance): void {
    const problems = [
      ...this.#checkAdmission(since, allowance),
      ...this.#checkIdentities(since, allowance),
      ...this.#checkSecrets('upstream bytes', this.#bytesSince(since)),
      ...this.#checkSecrets('the log', this.#sidegate.output.slice(since.output)),
      ...this.#upstream.smuggled.map((bytes) => `smuggled bytes upstream: ${bytes}`),
      ...this.#upstream.scriptErrors.map(
        (error) => `the test's own script failed: ${String(error)}`,
      ),
      ...(this.#sidegate.isAlive
        ? []
        : [`the process is dead: ${this.#sidegate.output.slice(-2000)}`]),
    ]
    t.strictSame(problems, [], 'what holds under attack held')
  }

  /** What only shows over a whole file: metrics, status, and the log to its end. */
  async checkAtEnd(t: Test): Promise<void> {
    const metrics = await this.#sidegate.admin('/metrics')
    const status = await this.#sidegate.admin('/status')
    const livez = await this.#sidegate.admin('/livez')
    t.equal(livez.status, 200, 'the process is alive')
    t.equal(metrics.status, 200, 'metrics are served')
    t.equal(status.status, 200, 'the status is served')
    t.equal(await this.#sidegate.stop(), 0, 'it ends cleanly when asked')
    const problems = [
      ...this.#checkSecrets('metrics', metrics.text),
      ...this.#checkSecrets('status', status.text),
      ...this.#checkSecrets('the whole log', this.#sidegate.output),
    ]
    t.strictSame(problems, [], 'no secret was told')
    t.strictSame(this.#sidegate.severeLines, [], 'no attack made the program report an error')
  }

  #bytesSince(since: Mark): string {
    return this.#upstream.connections
      .map(({ chunks }, id) => Buffer.concat(chunks.slice(since.connections[id] ?? 0)))
      .map((bytes) => bytes.toString('latin1'))
      .join('\n')
  }

  #checkAdmission(since: Mark, { letIn }: Allowance): string[] {
    const bytes = this.#upstream.bytesReceived - since.bytes
    if (letIn.length === 0 && bytes > 0) {
      const seen = JSON.stringify(this.#bytesSince(since).slice(0, 2000))
      return [`${bytes} bytes of refused requests reached the upstream: ${seen}`]
    }
    const count = this.#upstream.requests.length - since.requests
    return count > letIn.length ? [`${count} requests upstream, ${letIn.length} let in`] : []
  }

  #checkIdentities(since: Mark, { letIn, incomplete }: Allowance): string[] {
    const expected = [...letIn]
    return this.#upstream.requests.slice(since.requests).flatMap((request) => {
      const seen = identitiesIn(request)
      const identity = seen.length === 0 ? null : seen.join(' AND ')
      const at = expected.indexOf(identity)
      if (at < 0) return [`${request.method} ${request.target} came as ${String(identity)}`]
      expected.splice(at, 1)
      return incomplete === true && request.isComplete
        ? [`${request.method} ${request.target} was whole upstream`]
        : []
    })
  }

  #checkSecrets(where: string, text: string): string[] {
    return this.#spellings
      .filter((spelling) => text.includes(spelling))
      .map((spelling) => `a secret (${spelling.slice(0, 4)}…) in ${where}`)
  }
}
