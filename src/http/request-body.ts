/**
 * The request body as undici wants it: a stream that owns nothing, so that destroying it leaves the
 * client's connection alone.
 */
import { Readable } from 'node:stream'

export class RequestBodyStream extends Readable {
  readonly #wantMore: () => void

  constructor(wantMore: () => void) {
    super({ highWaterMark: 64 * 1024 })
    this.#wantMore = wantMore
    // undici destroys it with the error of the connection, which has been told already.
    this.on('error', ignore)
  }

  override _read(): void {
    this.#wantMore()
  }
}

function ignore(): void {
  // See above.
}
