/** What egress works with beyond one request, and what goes on after one. */
import type { OutgoingConfig } from '../config/model.ts'
import type { BodyBudget } from '../http/kept-body.ts'
import type { Watchdog } from '../http/watchdog.ts'
import type { AccessLog } from '../observe/access.ts'
import type { Log } from '../observe/log.ts'
import type { OutgoingMetrics } from '../observe/outgoing-metrics.ts'
import type { Client } from './clients.ts'
import type { EgressGeneration } from './generation.ts'
import type { NtlmUpstreams } from './ntlm/upstreams.ts'
import type { Tunnel } from './target.ts'
import type { DestinationUpstreams } from './upstreams.ts'

/** How a request came: the label of metrics, and `mode` of the log. */
export type Mode = 'name' | 'absolute' | 'intercept' | 'tunnel'

/** What the handler works with; all of it outlives generations. */
export interface EgressServices {
  /** The generation for a request that begins now. */
  readonly current: () => EgressGeneration
  readonly upstreams: DestinationUpstreams
  /** Connections that have logged in, for definitions that want that. */
  readonly ntlm: NtlmUpstreams
  readonly watchdog: Watchdog
  readonly log: Log
  readonly accessLog: AccessLog
  /** Of a connection, by its name; `""` for requests that none matched. */
  readonly metricsOf: (outgoing: string) => OutgoingMetrics
  /** What all copies of request bodies may take. */
  readonly budget: BodyBudget
  /** What we are called in `Via`; random, of this process. */
  readonly pseudonym: string
  /** The ports that egress listens on. */
  readonly ports: () => ReadonlySet<number>
  /** A secret of a definition, by its label, goes out. */
  readonly onUsed: (definition: string, label: string) => void
  readonly onSession: (session: EgressSession) => void
}

/** A WebSocket or a tunnel under way, for whoever has to close it. */
export interface EgressSession {
  /** WebSockets say goodbye with the code; tunnels are cut. */
  readonly close: (code: 1001 | 1008) => void
  readonly whenClosed: (callback: () => void) => void
  /** The address that it came from. */
  readonly peer: string
  /** The connections that it reaches, as they were; none where no connection names the host. */
  readonly outgoing: readonly Pick<OutgoingConfig, 'name' | 'fingerprint'>[]
  /** What let it through where no connection names the host. */
  readonly unmatchedRules: string
  readonly definition: string | undefined
  /** Of the definition as it was. */
  readonly fingerprint: string | undefined
  /** The definition that the client showed; `undefined` where nobody was asked. */
  readonly client: string | undefined
  readonly clientFingerprint: string | undefined
}

/** What a connection that came out of a CONNECT carries in its `peer`. */
export interface TunnelContext extends Tunnel {
  /** Who opened it. */
  readonly client: Client | undefined
  /** Of the client's definition at that moment. */
  readonly clientFingerprint: string | undefined
  /** The name in SNI was another one than the tunnel's. */
  readonly isMisdirected: boolean
}
