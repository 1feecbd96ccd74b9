/**
 * Who may use the egress port: `Proxy-Authorization: Basic`, with the username and password of a
 * `basic_auth` definition, or the name of an `api_key` definition and its key.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import type { ApiKeyDefinition, BasicAuthDefinition, Config } from '../config/model.ts'
import { digestPlainPasswords, type Account, type PasswordChecker } from '../credentials/checker.ts'
import type { PasswordOutcome } from '../credentials/checker.ts'
import { isLive, type KeyEntry } from '../credentials/entries.ts'
import { KeyedHash } from '../credentials/keyed-hash.ts'
import { parseBasic } from '../http/authorization.ts'

/** A client that has shown who it is. */
export interface Client {
  readonly definition: string
  readonly label: string
  readonly identity: string
  /** When the secret that it showed ends, by the wall clock. */
  readonly notAfterMs: number | undefined
}

export type ClientVerdict =
  | { readonly kind: 'client'; readonly client: Client | undefined }
  | { readonly kind: 'refused' }
  | { readonly kind: 'overloaded'; readonly retryAfterS: number }

export interface Clients {
  /** Verifies the value of `Proxy-Authorization`; `undefined` where there is none. */
  verify(value: string | undefined, peerAddress: string): ClientVerdict | Promise<ClientVerdict>
  /** Whether a definition is one of them. */
  has(definition: string): boolean
  /** Whether one that was verified before may still come: it is one of them, and its secret lives. */
  isStillOne(client: Client): boolean
}

export interface ClientsServices {
  readonly checker: PasswordChecker
  readonly keyedHashSecret: Buffer
  readonly definitionGenerations: ReadonlyMap<string, number>
  readonly nowMs: () => number
}

interface ClientAccount extends Account {
  readonly definition: BasicAuthDefinition
}

const REFUSED: ClientVerdict = { kind: 'refused' }

/** The definitions that a list of names of definitions and groups means. */
export function expandClients(names: readonly string[], config: Config): ReadonlySet<string> {
  return new Set(names.flatMap((name) => config.groups.get(name) ?? [name]))
}

/** `undefined` where egress asks nobody. */
export function createClients(config: Config, services: ClientsServices): Clients | undefined {
  const names = config.egress?.clients
  if (names === undefined || names === 'none') return undefined
  const keyedHash = new KeyedHash(services.keyedHashSecret)
  const members = expandClients(names, config)
  const accounts = new Map<string, ClientAccount>()
  const keys = new Map<string, ApiKeyDefinition>()
  for (const name of members) {
    const definition = config.definitions.get(name)
    if (definition?.type === 'basic_auth') {
      accounts.set(definition.username, {
        definition,
        generation: services.definitionGenerations.get(name) ?? 0,
        plainDigests: digestPlainPasswords(definition.passwords, keyedHash),
      })
    } else if (definition?.type === 'api_key') {
      keys.set(name, definition)
    }
  }
  return new DefinedClients({ members, accounts, keys, keyedHash }, services)
}

interface KnownClients {
  readonly members: ReadonlySet<string>
  readonly accounts: ReadonlyMap<string, ClientAccount>
  readonly keys: ReadonlyMap<string, ApiKeyDefinition>
  readonly keyedHash: KeyedHash
}

class DefinedClients implements Clients {
  readonly #known: KnownClients
  readonly #decoys: readonly ClientAccount[]
  readonly #services: ClientsServices

  constructor(known: KnownClients, services: ClientsServices) {
    this.#known = known
    this.#decoys = [...known.accounts.values()]
    this.#services = services
  }

  has(definition: string): boolean {
    return this.#known.members.has(definition)
  }

  isStillOne({ definition, notAfterMs }: Client): boolean {
    return this.has(definition) && (notAfterMs === undefined || this.#services.nowMs() < notAfterMs)
  }

  verify(value: string | undefined, peerAddress: string): ClientVerdict | Promise<ClientVerdict> {
    const credentials = value === undefined ? undefined : parseBasic(value)
    if (credentials === undefined) return REFUSED
    const { username, password } = credentials
    const byKey = this.#findKey(username, password)
    if (byKey !== undefined) return byKey
    const { checker } = this.#services
    const account = this.#known.accounts.get(username)
    if (account === undefined) {
      const decoy = this.#findDecoy(username)
      if (decoy === undefined) return REFUSED
      const outcome = checker.checkDecoy(decoy, username, password, peerAddress)
      return outcome instanceof Promise ? outcome.then(refuse) : refuse(outcome)
    }
    const { isActive } = account.definition
    const outcome = checker.check(account, password, peerAddress, isActive)
    const conclude = (landed: PasswordOutcome): ClientVerdict =>
      landed.kind === 'match' && isActive
        ? { kind: 'client', client: clientOf(account.definition, landed.entry) }
        : refuse(landed)
    return outcome instanceof Promise ? outcome.then(conclude) : conclude(outcome)
  }

  #findKey(name: string, key: Buffer): ClientVerdict | undefined {
    const definition = this.#known.keys.get(name)
    if (definition?.isActive !== true) return undefined
    const digest = hash('sha256', key, 'buffer')
    const nowMs = this.#services.nowMs()
    const entry = definition.keys.find(
      (one) => timingSafeEqual(one.digest, digest) && isLive(one, nowMs),
    )
    if (entry === undefined) return undefined
    return { kind: 'client', client: clientOf(definition, entry) }
  }

  #findDecoy(username: string): ClientAccount | undefined {
    if (this.#decoys.length === 0) return undefined
    const number = this.#known.keyedHash.digest('decoy', username).readUInt32LE(0)
    return this.#decoys[number % this.#decoys.length]
  }
}

function refuse(outcome: PasswordOutcome): ClientVerdict {
  return outcome.kind === 'overloaded' ? outcome : REFUSED
}

function clientOf(
  { name, identity }: BasicAuthDefinition | ApiKeyDefinition,
  { label, notAfterMs }: Pick<KeyEntry, 'label' | 'notAfterMs'>,
): Client {
  return { definition: name, label, identity, notAfterMs }
}
