/** What the handler reads of one generation. */
import type { Definition, OutgoingConfig } from '../config/model.ts'
import type { Token } from '../oauth/token.ts'
import type { OutgoingMetrics } from '../observe/outgoing-metrics.ts'
import type { Session } from '../session/session.ts'
import type { Clients } from './clients.ts'
import type { DestinationPolicy } from './destination-policy.ts'
import type { HeaderRules } from './forward-headers.ts'
import type { Injector } from './injector.ts'
import type { Interceptor } from './intercept.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { Routes } from './routes.ts'
import type { DialSettings } from './upstreams.ts'

/** What is kept with each outgoing connection. */
export interface OutgoingRoute {
  readonly connection: OutgoingConfig
  /** `undefined` for `security: none`. */
  readonly injector: Injector | undefined
  readonly rules: HeaderRules
  readonly dial: DialSettings
  readonly metrics: OutgoingMetrics
  /** Names of definitions; `undefined`: all clients of egress. */
  readonly clients: ReadonlySet<string> | undefined
}

export interface EgressGeneration {
  readonly number: number
  readonly definitions: ReadonlyMap<string, Definition>
  readonly routes: Routes<OutgoingRoute>
  readonly own: OwnAddresses
  readonly policy: DestinationPolicy
  /** `undefined`: nobody is asked. */
  readonly clients: Clients | undefined
  /** Whether an address may connect at all (`client_networks`). */
  isPeerAllowed(address: string): boolean
  /** `undefined` without `egress.ca`. */
  readonly interceptor: Interceptor | undefined
  /** `describeUnmatched` of the configuration. */
  readonly unmatchedRules: string
  /** Of hosts that no connection names. */
  readonly unmatchedDial: DialSettings
  readonly unmatchedTimeouts: OutgoingConfig['timeouts']
  /** The API refused a token: another one, or `undefined`. Never rejects. */
  rejected(token: Token): Promise<Token | undefined>
  /** The API says that a session is gone: another one, or `undefined`. Never rejects. */
  expired(session: Session): Promise<Session | undefined>
}
