/** A token server on loopback that answers as a test tells it and remembers what it was asked. */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** `count` is 1 for the first request. */
type Answer = (response: ServerResponse, count: number, request: SeenRequest) => void

export class TokenServer {
  readonly requests: SeenRequest[] = []
  /** Set it for another answer; at first `token-1` for an hour, then `token-2` … */
  answer: Answer = (response, count) => {
    sendJson(response, { access_token: `token-${count}`, token_type: 'Bearer', expires_in: 3600 })
  }
  /** Answers that are held back until `release`, newest last. */
  readonly #held: (() => void)[] = []
  port = 0
  isHolding = false
  /** Answers that have ended, or whose connection has. */
  closedCount = 0

  get url(): string {
    return `http://127.0.0.1:${this.port}/token`
  }

  get heldCount(): number {
    return this.#held.length
  }

  /** Lets go what is held back, and holds back no more. */
  release(): void {
    this.isHolding = false
    for (const answer of this.#held.splice(0)) answer()
  }

  static async start(t: Test): Promise<TokenServer> {
    const self = new TokenServer()
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      response.on('close', () => {
        self.closedCount += 1
      })
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const seen = {
          method: request.method ?? '',
          url: request.url ?? '',
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        }
        const count = self.requests.push(seen)
        const answer = () => {
          self.answer(response, count, seen)
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

export function sendJson(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
  response.end(JSON.stringify(value))
}
