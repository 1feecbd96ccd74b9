/**
 * All definitions that channels reach, directly or through groups, indexed once for each generation:
 * Basic by username, API keys by keyed digest for each header, and for each channel what it accepts and
 * how it challenges. Inactive definitions and channels are in it too, since "off" must not change what
 * else is refused. Built in slices: 100,000 keys do not stall the event loop.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type {
  ApiKeyDefinition,
  BasicAuthDefinition,
  ChannelConfig,
  Config,
  CustomDefinition,
  Definition,
  HmacDefinition,
} from '../config/model.ts'
import { digestPlainPasswords } from '../credentials/checker.ts'
import { KeyedHash } from '../credentials/keyed-hash.ts'
import { KeyTable } from '../credentials/key-table.ts'
import type { RawHeaders } from '../http/exchange.ts'
import { HmacScheme } from '../hmac/scheme.ts'
import { listChallenges } from './challenges.ts'
import type { IndexedDefinition } from './indexed-definition.ts'
import { SignerSlot } from './signers.ts'

/** A `basic_auth` definition, as `PasswordChecker` wants it. */
export interface BasicAccount extends IndexedDefinition<BasicAuthDefinition> {
  readonly plainDigests: readonly (Buffer | undefined)[]
}

/** An `api_key` definition. */
export type KeyOwner = IndexedDefinition<ApiKeyDefinition>

/** A header in which a channel accepts credentials. */
export interface Slot {
  /** Lower case. */
  readonly name: string
  readonly acceptsBasic: boolean
  /** All keys that are presented in this header, those of other channels too. */
  readonly keys: KeyTable<KeyOwner> | undefined
  /** All definitions whose signatures stand in this header, those of other channels too. */
  readonly signers: SignerSlot | undefined
}

/** What a channel accepts, and how it says so. */
export interface ChannelAccess {
  readonly name: string
  /** Anybody may pass and no header is looked at. */
  readonly isOpen: boolean
  readonly slots: ReadonlyMap<string, Slot>
  /** Definitions that are named directly. */
  readonly definitions: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
  /** The one definition that decides, where that is a module's business. */
  readonly custom: IndexedDefinition<CustomDefinition> | undefined
  /** How long a body may pause that has to be read first. */
  readonly bodyIdleMs: number
  /** `WWW-Authenticate` of every 401, one for each accepted scheme. */
  readonly challenges: RawHeaders
}

export interface CredentialIndex {
  /** By name; inactive channels too. */
  readonly channels: ReadonlyMap<string, ChannelAccess>
  /** Lower-case names of headers of which a second one is a 400. */
  readonly watchedHeaders: ReadonlySet<string>
  /** What upstreams are told of definitions that are reached: no module may claim to be one. */
  readonly identities: ReadonlySet<string>
  /** By username. */
  readonly accounts: ReadonlyMap<string, BasicAccount>
  /** The account on which an unknown username spends what a known one costs. */
  findDecoy(username: string): BasicAccount | undefined
  /** The digest by which `Slot.keys` finds a key, given its SHA-256. */
  digestKey(sha256: Buffer): Buffer
}

/** Header of Basic, and of keys whose definition says so. */
export const AUTHORIZATION = 'authorization'

/** Items between two turns of the event loop: about 2 ms. */
const SLICE = 256

/**
 * Builds the index of a configuration. `definitionGenerations` says when each definition last changed;
 * `keyedHashSecret` is random and of this process. Throws where the configuration should have been refused.
 */
export async function createCredentialIndex(
  config: Config,
  definitionGenerations: ReadonlyMap<string, number>,
  keyedHashSecret: Buffer,
): Promise<CredentialIndex> {
  const builder = new IndexBuilder(config, definitionGenerations, keyedHashSecret)
  return await builder.build()
}

/** Whether a channel accepts a definition, directly or by one of its groups. */
export function isAccepted(channel: ChannelAccess, indexed: IndexedDefinition): boolean {
  if (channel.definitions.has(indexed.definition.name)) return true
  for (const group of indexed.groups) if (channel.groups.has(group)) return true
  return false
}

/** Groups that some definition is in, as a tree, so that equal lists are one array. */
interface Membership {
  readonly groups: readonly string[]
  readonly next: Map<string, Membership>
}

/** What the members of one group, or of the list `security`, have in common. */
interface Reach {
  readonly types: Set<Definition['type']>
  /** Lower-case header names of keys. */
  readonly keyHeaders: Set<string>
  /** Lower-case names of headers with signatures. */
  readonly signatureHeaders: Set<string>
  /** The first two Basic definitions: one alone decides the realm. */
  readonly basics: Set<BasicAuthDefinition>
  custom: CustomDefinition | undefined
}

class IndexBuilder {
  readonly #config: Config
  readonly #generations: ReadonlyMap<string, number>
  readonly #keyedHash: KeyedHash
  readonly #reached = new Set<string>()
  readonly #groupReach = new Map<string, Reach>()
  readonly #memberships = new Map<string, Membership>()
  readonly #noGroups: Membership = { groups: [], next: new Map() }
  readonly #accounts = new Map<string, BasicAccount>()
  readonly #keyTables = new Map<string, KeyTable<KeyOwner>>()
  readonly #schemes = new Map<HmacDefinition, HmacScheme>()
  readonly #signers = new Map<string, SignerSlot>()
  readonly #customs = new Map<string, IndexedDefinition<CustomDefinition>>()
  readonly #watched = new Set([AUTHORIZATION, 'proxy-authorization'])
  #count = 0

  constructor(config: Config, generations: ReadonlyMap<string, number>, secret: Buffer) {
    this.#config = config
    this.#generations = generations
    this.#keyedHash = new KeyedHash(secret)
  }

  async build(): Promise<CredentialIndex> {
    const directReach = new Map<ChannelConfig, Reach>()
    for (const channel of this.#config.channels) {
      const names = channel.security === 'none' ? [] : channel.security
      directReach.set(channel, await this.#reachOf(names))
      for (const group of channel.groups) await this.#reachGroup(group)
    }
    await this.#recordMemberships()
    await this.#createKeyTables()
    for (const name of this.#reached) {
      if (this.#isSliceDone()) await nextTurn()
      this.#index(this.#definition(name))
    }
    const channels = new Map<string, ChannelAccess>()
    for (const [channel, reach] of directReach) {
      if (this.#isSliceDone()) await nextTurn()
      channels.set(channel.name, this.#createAccess(channel, reach))
    }
    return this.#assemble(channels)
  }

  #assemble(channels: ReadonlyMap<string, ChannelAccess>): CredentialIndex {
    const keyedHash = this.#keyedHash
    const decoys = [...this.#accounts.values()]
    return {
      channels,
      watchedHeaders: this.#watched,
      identities: this.#listIdentities(),
      accounts: this.#accounts,
      findDecoy: (username) =>
        decoys[keyedHash.digest('decoy', username).readUInt32LE(0) % decoys.length],
      digestKey: (sha256) => keyedHash.digest('key', sha256),
    }
  }

  /** Nobody asks for them where no module names callers. */
  #listIdentities(): ReadonlySet<string> {
    if (this.#customs.size === 0) return new Set()
    return new Set([...this.#reached].map((name) => this.#definition(name).identity))
  }

  #isSliceDone(): boolean {
    return ++this.#count % SLICE === 0
  }

  #definition(name: string): Definition {
    const definition = this.#config.definitions.get(name)
    if (definition === undefined) throw new Error(`index credentials: no definition "${name}"`)
    return definition
  }

  async #reachGroup(group: string): Promise<void> {
    if (this.#groupReach.has(group)) return
    const members = this.#config.groups.get(group)
    if (members === undefined) throw new Error(`index credentials: no group "${group}"`)
    this.#groupReach.set(group, await this.#reachOf(members))
  }

  async #reachOf(names: readonly string[]): Promise<Reach> {
    const reach: Reach = {
      types: new Set(),
      keyHeaders: new Set(),
      signatureHeaders: new Set(),
      basics: new Set(),
      custom: undefined,
    }
    for (const name of names) {
      if (this.#isSliceDone()) await nextTurn()
      this.#reached.add(name)
      const definition = this.#definition(name)
      reach.types.add(definition.type)
      if (definition.type === 'api_key') reach.keyHeaders.add(definition.header.toLowerCase())
      if (definition.type === 'hmac')
        reach.signatureHeaders.add(this.#schemeOf(definition).form.slot)
      if (definition.type === 'custom') reach.custom = definition
      if (definition.type === 'basic_auth' && reach.basics.size < 2) reach.basics.add(definition)
    }
    return reach
  }

  /** Walks all groups in order, so that each list comes out sorted; those on no channel count too. */
  async #recordMemberships(): Promise<void> {
    for (const group of [...this.#config.groups.keys()].sort()) {
      for (const name of this.#config.groups.get(group) ?? []) {
        if (this.#isSliceDone()) await nextTurn()
        if (!this.#reached.has(name)) continue
        const before = this.#memberships.get(name) ?? this.#noGroups
        if (before.groups.at(-1) === group) continue
        let after = before.next.get(group)
        if (after === undefined) {
          after = { groups: [...before.groups, group], next: new Map() }
          before.next.set(group, after)
        }
        this.#memberships.set(name, after)
      }
    }
  }

  async #createKeyTables(): Promise<void> {
    const counts = new Map<string, number>()
    for (const name of this.#reached) {
      if (this.#isSliceDone()) await nextTurn()
      const definition = this.#definition(name)
      if (definition.type !== 'api_key') continue
      const header = definition.header.toLowerCase()
      counts.set(header, (counts.get(header) ?? 0) + definition.keys.length)
    }
    for (const [header, count] of counts) this.#keyTables.set(header, new KeyTable(count))
  }

  #index(definition: Definition): void {
    const { name } = definition
    const generation = this.#generations.get(name)
    if (generation === undefined) throw new Error(`index credentials: "${name}" has no generation`)
    const { groups } = this.#memberships.get(name) ?? this.#noGroups
    if (definition.type === 'basic_auth') this.#indexBasic({ definition, generation, groups })
    else if (definition.type === 'api_key') this.#indexKeys({ definition, generation, groups })
    else if (definition.type === 'hmac') this.#indexSigner({ definition, generation, groups })
    else if (definition.type === 'custom')
      this.#customs.set(name, { definition, generation, groups })
  }

  #indexBasic(indexed: IndexedDefinition<BasicAuthDefinition>): void {
    const { name, username, passwords } = indexed.definition
    const holder = this.#accounts.get(username)
    if (holder !== undefined) {
      throw new Error(
        `index credentials: "${name}" has the username of "${holder.definition.name}"`,
      )
    }
    const plainDigests = digestPlainPasswords(passwords, this.#keyedHash)
    this.#accounts.set(username, { ...indexed, plainDigests })
  }

  #indexKeys(owner: KeyOwner): void {
    const { name, keys, isActive } = owner.definition
    const header = owner.definition.header.toLowerCase()
    if (isActive) this.#watched.add(header)
    for (const { digest } of keys) {
      const holder = this.#keyTables.get(header)?.add(this.#keyedHash.digest('key', digest), owner)
      // The same key twice in one definition: its entries are told apart by their lives.
      if (holder === undefined || holder === owner) continue
      throw new Error(`index credentials: "${name}" has a key of "${holder.definition.name}"`)
    }
  }

  #schemeOf(definition: HmacDefinition): HmacScheme {
    let scheme = this.#schemes.get(definition)
    if (scheme === undefined) {
      scheme = new HmacScheme(definition.settings)
      this.#schemes.set(definition, scheme)
    }
    return scheme
  }

  #indexSigner(indexed: IndexedDefinition<HmacDefinition>): void {
    const scheme = this.#schemeOf(indexed.definition)
    const { slot, names } = scheme.form
    let signers = this.#signers.get(slot)
    if (signers === undefined) this.#signers.set(slot, (signers = new SignerSlot()))
    signers.add(indexed, scheme)
    if (indexed.definition.isActive) for (const name of names) this.#watched.add(name)
  }

  #createAccess(channel: ChannelConfig, direct: Reach): ChannelAccess {
    const reaches = [direct]
    for (const group of channel.groups) {
      const reach = this.#groupReach.get(group)
      if (reach !== undefined) reaches.push(reach)
    }
    const types = new Set(reaches.flatMap((reach) => [...reach.types]))
    const basics = new Set(reaches.flatMap((reach) => [...reach.basics]))
    const [first] = basics
    const ownRealm = basics.size === 1 ? first?.realm : undefined
    return {
      name: channel.name,
      isOpen: channel.security === 'none' && channel.groups.length === 0,
      slots: this.#createSlots(types.has('basic_auth'), reaches),
      definitions: new Set(channel.security === 'none' ? [] : channel.security),
      groups: new Set(channel.groups),
      custom: this.#findCustom(reaches),
      bodyIdleMs: channel.timeouts.bodyIdleMs,
      challenges: listChallenges(types, channel.realm ?? ownRealm ?? channel.name),
    }
  }

  /** It stands alone on its channel, which is checked when the configuration is loaded. */
  #findCustom(reaches: readonly Reach[]): IndexedDefinition<CustomDefinition> | undefined {
    const found = reaches.find(({ custom }) => custom !== undefined)?.custom
    return found === undefined ? undefined : this.#customs.get(found.name)
  }

  #createSlots(acceptsBasic: boolean, reaches: readonly Reach[]): Map<string, Slot> {
    const slots = new Map<string, Slot>()
    const add = (name: string, accepted: Partial<Slot>): void => {
      const empty = { name, acceptsBasic: false, keys: undefined, signers: undefined }
      slots.set(name, { ...empty, ...slots.get(name), ...accepted })
    }
    if (acceptsBasic) add(AUTHORIZATION, { acceptsBasic })
    for (const { keyHeaders, signatureHeaders } of reaches) {
      for (const name of keyHeaders) add(name, { keys: this.#keyTables.get(name) })
      for (const name of signatureHeaders) add(name, { signers: this.#signers.get(name) })
    }
    return slots
  }
}
