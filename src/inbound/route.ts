/**
 * What a channel has become in a generation: everything that a request on it needs, resolved at load.
 */
import type { ChannelConfig } from '../config/model.ts'
import type { Upstream } from '../http/upstream.ts'
import type { ChannelMetrics } from '../observe/metrics.ts'
import type { ChannelTable } from './channels.ts'
import type { Authenticate } from './authenticate.ts'
import type { ChannelAccess } from './credential-index.ts'
import type { HeaderPolicy } from './forward-headers.ts'
import type { TrustedProxies } from './trusted-proxies.ts'

export interface Route {
  readonly channel: ChannelConfig
  readonly access: ChannelAccess
  readonly headerPolicy: HeaderPolicy
  readonly upstream: Upstream
  readonly metrics: ChannelMetrics
  /** Bit set of the oddities of a path that the channel lets pass. */
  readonly allowedOddities: number
}

/** One loaded configuration, as the inbound side sees it. */
export interface InboundGeneration {
  readonly number: number
  readonly channels: ChannelTable<Route>
  readonly authenticate: Authenticate
  /** Lower-case names of headers of which a second one is refused. */
  readonly watchedHeaders: ReadonlySet<string>
  readonly proxies: TrustedProxies
  readonly definitions: ReadonlyMap<string, { readonly fingerprint: string }>
}
