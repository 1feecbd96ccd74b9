/**
 * All connections that have shaken hands, and the accounts behind them. What a connection is for, who
 * asks through it and with what it was dialled make a key: a server takes whatever comes over such a
 * connection for the same user's, so that nothing else may ever come over it.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { LRUCache } from 'lru-cache'
import type { NtlmDefinition } from '../../config/model.ts'
import type { ProxyLogin } from '../../http/connector.ts'
import type { UpstreamOptions } from '../../http/upstream-connection.ts'
import { channelBindingOf } from '../../ntlm/channel-binding.ts'
import { NtlmEngine } from '../../ntlm/engine.ts'
import { ntHashOf, readIdentity } from '../../ntlm/identity.ts'
import type { Client } from '../clients.ts'
import type { Destination } from '../destination.ts'
import { NtlmAccount } from './account.ts'
import { ORIGIN, PROXY } from './asker.ts'
import type { Handshake, HandshakeResult } from './call.ts'
import { createProxyLogin, type ProxyLoginOptions } from './proxy-login.ts'
import { NtlmUpstream } from './upstream.ts'

const MAX_KEPT = 1024
/** A handshake is two round trips and a question to a directory: its connection is kept longer. */
const KEEP_ALIVE_MS = 60_000

export interface NtlmUpstreamsOptions {
  /** Milliseconds that never go back. */
  readonly monotonicMs: () => number
  readonly onHandshake: (definition: string, result: HandshakeResult) => void
  readonly onHeld: (definition: string, refusals: number) => void
}

/** What a request is for, who asks, and with what. */
export interface NtlmUse {
  readonly outgoing: string
  readonly definition: NtlmDefinition
  /** `undefined` where egress asks nobody. */
  readonly client: Client | undefined
  readonly destination: Destination
  readonly options: UpstreamOptions
}

/** An account that has been used. */
export interface AccountState {
  readonly definition: string
  /** In a row, while it is held; `undefined` while it is not. */
  readonly refusals: number | undefined
  /** How much longer it is held; `undefined` without end. */
  readonly leftMs: number | undefined
}

interface Known {
  readonly account: NtlmAccount
  /** As good as the password: it is kept instead of it. */
  readonly ntHash: Buffer
}

export class NtlmUpstreams {
  readonly #options: NtlmUpstreamsOptions
  /** By name and fingerprint of the definition: requests of an earlier generation may still come. */
  readonly #known = new Map<string, Known>()
  readonly #kept = new LRUCache<string, NtlmUpstream>({
    max: MAX_KEPT,
    dispose: (upstream) => {
      upstream.close()
    },
  })

  constructor(options: NtlmUpstreamsOptions) {
    this.#options = options
  }

  of(use: NtlmUse): NtlmUpstream {
    const { outgoing, definition, client, destination, options } = use
    // Functions are left out of it.
    const key = JSON.stringify([
      outgoing,
      [definition.name, definition.fingerprint],
      client === undefined ? null : [client.definition, client.identity],
      [destination.kind, destination.authority, destination.staysLocal],
      options,
    ])
    let upstream = this.#kept.get(key)
    if (upstream === undefined) {
      upstream = this.#create(use)
      this.#kept.set(key, upstream)
    }
    return upstream
  }

  #create({ definition, destination, options }: NtlmUse): NtlmUpstream {
    const { scheme, host, authority } = destination
    return new NtlmUpstream({
      ...this.#loginOf(definition, host, scheme === 'https'),
      origin: `${scheme}://${authority}`,
      options: { ...options, keepAliveMs: KEEP_ALIVE_MS, isTunnel: true },
      asker: ORIGIN,
    })
  }

  /** Cleartext requests in absolute form, over connections to a parent proxy that have logged in. */
  createProxySender(
    definition: NtlmDefinition,
    proxyHost: string,
    origin: string,
    options: UpstreamOptions,
  ): NtlmUpstream {
    return new NtlmUpstream({
      ...this.#loginOf(definition, proxyHost, false),
      origin,
      options: { ...options, keepAliveMs: KEEP_ALIVE_MS },
      asker: PROXY,
    })
  }

  /** For tunnels through a parent proxy. */
  createProxyLogin(definition: NtlmDefinition, proxyHost: string): ProxyLogin {
    return {
      begin: (callback) => {
        // Made anew each time: the definition may have been forgotten, and come again.
        createProxyLogin(this.#loginOf(definition, proxyHost, false)).begin(callback)
      },
    }
  }

  #loginOf(definition: NtlmDefinition, host: string, isBound: boolean): ProxyLoginOptions {
    const { account, ntHash } = this.#accountOf(definition)
    const { name, username, domain, workstation } = definition
    // The host alone, whatever the port: so do Windows' own clients.
    const identity = readIdentity(username, domain)
    const options = { ...identity, ntHash, workstation, spn: `HTTP/${host}` }
    return {
      account,
      createHandshake: () => createHandshake(new NtlmEngine(options), isBound),
      onHandshake: (result) => {
        this.#options.onHandshake(name, result)
      },
    }
  }

  #accountOf(definition: NtlmDefinition): Known {
    const key = keyOf(definition)
    const found = this.#known.get(key)
    if (found !== undefined) return found
    const { monotonicMs, onHeld } = this.#options
    const account: NtlmAccount = new NtlmAccount(definition, monotonicMs, () => {
      onHeld(definition.name, account.hold?.refusals ?? 0)
    })
    const known = { account, ntHash: ntHashOf(definition.password) }
    this.#known.set(key, known)
    return known
  }

  /** A configuration is served now: what came of other definitions, or of earlier secrets, goes. */
  configure(definitions: Iterable<NtlmDefinition>): void {
    const current = new Set([...definitions].map(keyOf))
    for (const key of this.#known.keys()) if (!current.has(key)) this.#known.delete(key)
    for (const [key, upstream] of this.#kept) {
      const { definition: name, fingerprint } = upstream.settings.account
      if (!current.has(keyOf({ name, fingerprint }))) this.#kept.delete(key)
    }
  }

  /** Lets the held account of a definition be tried again. */
  release(name: string): void {
    for (const { account } of this.#known.values()) {
      if (account.definition === name) account.release()
    }
  }

  /** The accounts that have been used, held or not. */
  *accounts(): Generator<AccountState> {
    for (const { account } of this.#known.values()) {
      const { definition, hold } = account
      const leftMs = (hold?.untilMs ?? 0) - this.#options.monotonicMs()
      yield {
        definition,
        refusals: hold?.refusals,
        leftMs: leftMs === Infinity ? undefined : leftMs,
      }
    }
  }

  close(): void {
    this.#kept.clear()
  }
}

function keyOf({ name, fingerprint }: Pick<NtlmDefinition, 'name' | 'fingerprint'>): string {
  return `${name}\n${fingerprint}`
}

function createHandshake(engine: NtlmEngine, isSecured: boolean): Handshake {
  return {
    start: () => engine.start(),
    finish: (type2, socket) => engine.finish(type2, isSecured ? bindingOf(socket) : undefined),
  }
}

/** Sessions are never resumed on the way out: a resumed one has no certificate. */
function bindingOf(socket: Socket | undefined): Buffer | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? undefined : channelBindingOf(certificate.raw)
}
