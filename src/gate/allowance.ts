/**
 * What a configuration lets go on of what began under an earlier one. Put together once, however many
 * connections are asked about: a reload must not stall the event loop.
 */
import type { Config } from '../config/model.ts'
import { expandClients } from '../egress/clients.ts'
import type { EgressSession } from '../egress/services.ts'
import { describeUnmatched } from '../egress/unmatched.ts'
import { createPeerRule } from './peer-rule.ts'

/** What a WebSocket or tunnel of egress depends on. */
type EgressGrounds = Omit<EgressSession, 'close' | 'whenClosed'>

export class Allowance {
  readonly #config: Config
  readonly #channels: ReadonlySet<string>
  readonly #outgoing: ReadonlyMap<string, Config['outgoing'][number]>
  /** Of connections that were asked about. */
  readonly #ownClients = new Map<string, ReadonlySet<string>>()
  /** `undefined` where egress asks nobody. */
  readonly #clients: ReadonlySet<string> | undefined
  readonly #isPeerAllowed: (address: string) => boolean
  readonly #unmatchedRules: string

  constructor(config: Config) {
    this.#config = config
    this.#channels = new Set(config.channels.flatMap((one) => (one.isActive ? [one.name] : [])))
    this.#outgoing = new Map(
      config.outgoing.flatMap((one) => (one.isActive ? [[one.name, one]] : [])),
    )
    const { egress } = config
    this.#isPeerAllowed = egress === undefined ? () => false : createPeerRule(egress)
    this.#unmatchedRules = describeUnmatched(config)
    const clients = egress?.clients
    if (clients !== undefined && clients !== 'none') this.#clients = expandClients(clients, config)
  }

  isOf(config: Config): boolean {
    return this.#config === config
  }

  hasChannel(name: string): boolean {
    return this.#channels.has(name)
  }

  /** Whether a definition is there, active and what it was; nothing is asked where there is none. */
  isUnchanged(name: string | undefined, fingerprint: string | undefined): boolean {
    if (name === undefined) return true
    const definition = this.#config.definitions.get(name)
    return definition?.isActive === true && definition.fingerprint === fingerprint
  }

  hasEgress(grounds: EgressGrounds): boolean {
    const { peer, outgoing, definition, fingerprint, client, clientFingerprint } = grounds
    return (
      this.#isPeerAllowed(peer) &&
      this.#hasDestination(grounds) &&
      this.isUnchanged(definition, fingerprint) &&
      this.#isClient(client, outgoing) &&
      this.isUnchanged(client, clientFingerprint)
    )
  }

  /** A host that no connection names is allowed for as long as nothing changes about such hosts. */
  #hasDestination({ outgoing, unmatchedRules }: EgressGrounds): boolean {
    if (outgoing.length === 0) return unmatchedRules === this.#unmatchedRules
    return outgoing.every(
      ({ name, fingerprint }) => this.#outgoing.get(name)?.fingerprint === fingerprint,
    )
  }

  /** Whether it is among those who may use egress, and these connections. */
  #isClient(client: string | undefined, outgoing: EgressGrounds['outgoing']): boolean {
    if (this.#clients === undefined) return true
    if (client === undefined || !this.#clients.has(client)) return false
    return outgoing.every(({ name }) => this.#ownClientsOf(name)?.has(client) !== false)
  }

  #ownClientsOf(name: string): ReadonlySet<string> | undefined {
    const known = this.#ownClients.get(name)
    const names = this.#outgoing.get(name)?.clients
    if (known !== undefined || names === undefined) return known
    const expanded = expandClients(names, this.#config)
    this.#ownClients.set(name, expanded)
    return expanded
  }
}
