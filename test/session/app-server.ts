/** An app on loopback with a login; it answers as a test tells it and remembers what it was asked. */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: string
}

/** `count` is 1 for the first request. */
type Answer = (response: ServerResponse, request: SeenRequest, count: number) => void

export class AppServer {
  readonly requests: SeenRequest[] = []
  /** Set it for another answer; at first each login gives another cookie `SID`. */
  answer: Answer = (response, { url }) => {
    if (url.startsWith('/login')) {
      this.logins += 1
      response.setHeader('Set-Cookie', `SID=session-number-${this.logins}; Path=/; HttpOnly`)
    }
    response.end('{}')
  }
  logins = 0
  port = 0
  /** Answers that are held back until `release`. */
  isHolding = false
  readonly #held: (() => void)[] = []

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Requests for a path, as `METHOD cookie`. */
  seen(path: string): readonly string[] {
    return this.requests
      .filter(({ url }) => url.startsWith(path))
      .map(({ method, headers }) => `${method} ${headers.cookie ?? '-'}`)
  }

  release(): void {
    this.isHolding = false
    for (const answer of this.#held.splice(0)) answer()
  }

  static async start(t: Test): Promise<AppServer> {
    const self = new AppServer()
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { method = '', url = '', headers, rawHeaders } = request
        const body = Buffer.concat(chunks).toString()
        const seen = { method, url, headers, rawHeaders, body }
        const count = self.requests.push(seen)
        const answer = () => {
          self.answer(response, seen, count)
        }
        if (self.isHolding) self.#held.push(answer)
        else answer()
      })
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    self.port = (server.address() as AddressInfo).port
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return self
  }
}

/** A server that writes whatever it is given, byte for byte, and closes if it should. */
export async function startRaw(t: Test, parts: Iterable<string>, everyMs = 0): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      const rest = parts[Symbol.iterator]()
      const write = () => {
        if (socket.destroyed) return
        const next: IteratorResult<string, unknown> = rest.next()
        if (next.done === true) return
        socket.write(next.value, () => setTimeout(write, everyMs))
      }
      write()
    })
    t.teardown(() => socket.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
