/** Large bodies that are never in memory whole, and their hashes. */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'

const MIB = 1024 * 1024
const block = randomBytes(MIB)

/** So many MiB, no two of them alike, so that a swapped or repeated piece changes the hash. */
export function createBody(mebibytes: number): Readable {
  function* blocks() {
    for (let index = 0; index < mebibytes; index += 1) {
      const piece = Buffer.from(block)
      piece.writeUInt32BE(index)
      yield piece
    }
  }
  return Readable.from(blocks(), { objectMode: false, highWaterMark: MIB })
}

/** SHA-256 in hex of a stream. */
export async function hash(stream: Readable): Promise<string> {
  const digest = createHash('sha256')
  for await (const chunk of stream) digest.update(chunk as Buffer)
  return digest.digest('hex')
}

/** SHA-256 in hex of a file. */
export function hashFile(path: string): Promise<string> {
  return hash(createReadStream(path, { highWaterMark: MIB }))
}

/** One request to a loopback port; resolves with the head of the answer. */
export function ask(
  port: number,
  path: string,
  options: {
    readonly method?: string
    readonly headers?: Record<string, string | number>
    readonly body?: Readable
  } = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const outgoing = request(
      { host: '127.0.0.1', port, path, method, headers, agent: false },
      resolve,
    )
    outgoing.on('error', reject)
    if (body === undefined) outgoing.end()
    else body.on('error', reject).pipe(outgoing)
  })
}
