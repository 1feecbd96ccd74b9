/**
 * A request body that has to be there before anything is decided: read whole, within a limit of its
 * own, within what all copies of bodies may take together, and within the time that bodies have.
 */
import type { BodySink, Exchange, RequestBody } from './exchange.ts'
import { KeptBody, type BodyBudget } from './kept-body.ts'
import { RelayDeadlines } from './relay-deadlines.ts'
import type { Watchdog, Watched } from './watchdog.ts'

/** What is needed of an exchange to read its body. */
export type BodySource = Pick<
  Exchange,
  'body' | 'sendContinue' | 'onGone' | 'bytesIn' | 'bytesTaken' | 'isBodyComplete'
>

export interface WholeBodyOptions {
  readonly limitBytes: number
  readonly budget: BodyBudget
  readonly watchdog: Watchdog
  readonly bodyIdleMs: number
}

/** A body that was read, or why not; `gone`: the client has left. */
export type WholeBody = HeldBody | BodyRefusal

export interface BodyRefusal {
  readonly kind: 'refused'
  readonly why: 'body_too_large' | 'overloaded' | 'bad_request' | 'request_timeout' | 'gone'
}

/** The bytes of a body, charged until they are released. */
export class HeldBody implements RequestBody {
  readonly kind = 'whole'
  readonly bytes: Buffer
  readonly #release: () => void

  constructor(bytes: Buffer, release: () => void) {
    this.bytes = bytes
    this.#release = release
  }

  get length(): number {
    return this.bytes.length
  }

  readTo(sink: BodySink): void {
    if (this.bytes.length > 0) sink.write(this.bytes)
    sink.end()
  }

  resume(): void {
    // All of it has been written.
  }

  /** Gives the memory back; once or more often. */
  release(): void {
    this.#release()
  }
}

/** Of a request without one. */
export const NO_BODY = new HeldBody(Buffer.alloc(0), ignore)

/** Reads the body of an exchange; at once where there is none, or where it says to be too large. */
export function readWholeBody(
  source: BodySource,
  options: WholeBodyOptions,
): WholeBody | Promise<WholeBody> {
  const { body } = source
  if (body === undefined || body.length === 0) return NO_BODY
  // Before a client that waits for a 100 sends it.
  if (body.length !== undefined && body.length > options.limitBytes) return refuse('body_too_large')
  return new Promise((resolve) => {
    new Reading(source, body, options, resolve).start()
  })
}

class Reading implements BodySink, Watched {
  readonly #source: BodySource
  readonly #body: RequestBody
  readonly #options: WholeBodyOptions
  readonly #resolve: (body: WholeBody) => void
  readonly #deadlines: RelayDeadlines
  readonly #kept: KeptBody
  #length = 0
  #isOver = false

  constructor(
    source: BodySource,
    body: RequestBody,
    options: WholeBodyOptions,
    resolve: (body: WholeBody) => void,
  ) {
    this.#source = source
    this.#body = body
    this.#options = options
    this.#resolve = resolve
    const { bodyIdleMs } = options
    this.#deadlines = new RelayDeadlines(source, { bodyIdleMs, firstByteMs: bodyIdleMs })
    this.#kept = new KeptBody(options.budget, options.limitBytes)
  }

  start(): void {
    const source = this.#source
    const tell = source.onGone
    source.onGone = () => {
      this.#refuse('gone')
      tell?.()
    }
    this.#deadlines.startUpload(performance.now())
    this.#options.watchdog.watch(this)
    source.sendContinue()
    this.#body.readTo(this)
  }

  write(chunk: Buffer): boolean {
    if (this.#isOver) return true
    this.#length += chunk.length
    this.#kept.add(chunk)
    if (this.#length > this.#options.limitBytes) this.#refuse('body_too_large')
    else if (!this.#kept.isWhole) this.#refuse('overloaded')
    return true
  }

  end(): void {
    if (this.#isOver) return
    this.#over()
    const kept = this.#kept
    this.#resolve(
      new HeldBody(kept.bytes ?? NO_BODY.bytes, () => {
        kept.release()
      }),
    )
  }

  fail(): void {
    this.#refuse('bad_request')
  }

  tick(now: number): void {
    if (this.#deadlines.findLateBeforeAnswer(now, false) !== undefined) {
      this.#refuse('request_timeout')
    }
  }

  #refuse(why: BodyRefusal['why']): void {
    if (this.#isOver) return
    this.#over()
    this.#kept.release()
    this.#resolve(refuse(why))
  }

  #over(): void {
    this.#isOver = true
    this.#options.watchdog.forget(this)
  }
}

function refuse(why: BodyRefusal['why']): BodyRefusal {
  return { kind: 'refused', why }
}

function ignore(): void {
  // Nothing was charged.
}
