/** Sessions over real sockets, with clocks that stand still until a test moves them. */
import type { Test } from 'tap'
import { Upstream } from '../../src/http/upstream.ts'
import { createLog, type ProcessLog } from '../../src/observe/log.ts'
import { createRedactor } from '../../src/observe/redact.ts'
import { SessionCache } from '../../src/session/session-cache.ts'
import type { Session } from '../../src/session/session.ts'
import type { SessionDefinition, SessionSettings } from '../../src/session/settings.ts'
import { MemoryDestination } from '../harness/memory-destination.ts'
import { AppServer } from './app-server.ts'
import { sampleDefinition } from './sample-definition.ts'

export function createUpstream({ port }: URL): Upstream {
  return new Upstream({
    address: { kind: 'tcp', host: '127.0.0.1', port: Number(port) },
    tls: undefined,
    connectTimeoutMs: 5000,
    keepAliveMs: 4000,
    maxHeaderBytes: 64 * 1024,
    onSocketOpened: () => undefined,
    onSocketClosed: () => undefined,
  })
}

export class Scene {
  readonly server: AppServer
  readonly definition: SessionDefinition
  readonly sessions: SessionCache<SessionDefinition>
  readonly #destination = new MemoryDestination()
  readonly #log: ProcessLog
  readonly results: string[] = []
  readonly secrets: string[] = []
  monotonicMs = 0
  wallMs = Date.UTC(2026, 0, 1)

  constructor(server: AppServer, changes: Partial<SessionSettings>, graceMs: number) {
    this.server = server
    this.definition = sampleDefinition(server.url, changes)
    this.#log = createLog({
      level: 'trace',
      format: 'json',
      stream: this.#destination,
      redactor: createRedactor(),
      nowMs: () => this.wallMs,
    })
    this.sessions = new SessionCache({
      monotonicMs: () => this.monotonicMs,
      nowMs: () => this.wallMs,
      log: this.#log,
      onResult: (definition, result) => {
        this.results.push(`${definition} ${result}`)
      },
      onSecret: (value) => this.secrets.push(value),
      upstreamOf: (_definition, url) => createUpstream(url),
      graceMs,
    })
    this.sessions.configure([this.definition])
  }

  /** `graceMs` is in real time. */
  static async create(
    t: Test,
    changes: Partial<SessionSettings> = {},
    graceMs = 30_000,
  ): Promise<Scene> {
    const scene = new Scene(await AppServer.start(t), changes, graceMs)
    t.teardown(() => scene.sessions.close(0))
    return scene
  }

  /** What a call carries: its cookies, or the code of the error with its Retry-After. */
  async call(): Promise<string> {
    try {
      return cookieOf(await this.sessions.get(this.definition))
    } catch (error) {
      const { code, retryAfterS } = error as { code: string; retryAfterS?: number }
      return retryAfterS === undefined ? code : `${code} ${retryAfterS}`
    }
  }

  get logText(): string {
    this.#log.flushSync()
    return this.#destination.text
  }

  /** Events of the log at `level`. */
  events(level: string): unknown[] {
    this.#log.flushSync()
    return this.#destination.records
      .filter((record) => record['level'] === level)
      .map((record) => record['event'])
  }
}

export function cookieOf(session: Session): string {
  return session.cookies.map(([name, value]) => `${name}=${value}`).join('; ')
}
