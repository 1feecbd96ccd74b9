/** Tokens over real sockets, with clocks that stand still until a test moves them. */
import type { Test } from 'tap'
import type { BearerTokenDefinition } from '../../src/config/model.ts'
import { Upstream } from '../../src/http/upstream.ts'
import type { TokenResult } from '../../src/oauth/fetch-token.ts'
import { Tokens } from '../../src/oauth/tokens.ts'
import { createLog, type ProcessLog } from '../../src/observe/log.ts'
import { createRedactor } from '../../src/observe/redact.ts'
import { MemoryDestination } from '../harness/memory-destination.ts'
import { sampleDefinition } from './sample-definition.ts'
import { TokenServer } from './token-server.ts'

export function createUpstream(port: number): Upstream {
  return new Upstream({
    address: { kind: 'tcp', host: '127.0.0.1', port },
    tls: undefined,
    connectTimeoutMs: 5000,
    keepAliveMs: 4000,
    maxHeaderBytes: 64 * 1024,
    onSocketOpened: () => undefined,
    onSocketClosed: () => undefined,
  })
}

export class Scene {
  readonly server: TokenServer
  readonly definition: BearerTokenDefinition
  readonly tokens: Tokens<BearerTokenDefinition>
  readonly #destination = new MemoryDestination()
  readonly #log: ProcessLog
  readonly results: string[] = []
  readonly expiries: number[] = []
  readonly values: string[] = []
  monotonicMs = 0
  wallMs = Date.UTC(2026, 0, 1)

  constructor(server: TokenServer, changes: Partial<BearerTokenDefinition>) {
    this.server = server
    this.definition = sampleDefinition({ authServerUrl: server.url, ...changes })
    this.#log = createLog({
      level: 'trace',
      format: 'json',
      stream: this.#destination,
      redactor: createRedactor(),
      nowMs: () => this.wallMs,
    })
    this.tokens = new Tokens({
      monotonicMs: () => this.monotonicMs,
      nowMs: () => this.wallMs,
      log: this.#log,
      onResult: (definition: string, result: TokenResult) => {
        this.results.push(`${definition} ${result}`)
      },
      onExpiry: (_definition, expiresAtMs) => this.expiries.push(expiresAtMs),
      onToken: (value) => this.values.push(value),
      upstreamOf: ({ authServerUrl }) => createUpstream(Number(new URL(authServerUrl).port)),
    })
    this.tokens.configure([this.definition])
  }

  static async create(t: Test, changes: Partial<BearerTokenDefinition> = {}): Promise<Scene> {
    const scene = new Scene(await TokenServer.start(t), changes)
    t.teardown(() => {
      scene.tokens.close()
    })
    return scene
  }

  /** What a call gets: the header, or the code of the error with its Retry-After. */
  async call(scopes?: readonly string[]): Promise<string> {
    try {
      return (await this.tokens.get(this.definition, scopes)).authorization
    } catch (error) {
      const { code, retryAfterS } = error as { code: string; retryAfterS?: number }
      return retryAfterS === undefined ? code : `${code} ${retryAfterS}`
    }
  }

  get fetches(): number {
    return this.server.requests.length
  }

  get logText(): string {
    this.#log.flushSync()
    return this.#destination.text
  }

  /** Lines of the log at `level`. */
  lines(level: string): Record<string, unknown>[] {
    this.#log.flushSync()
    return this.#destination.records.filter((record) => record['level'] === level)
  }

  /** Their events. */
  events(level: string): unknown[] {
    return this.lines(level).map((record) => record['event'])
  }
}
