/**
 * What one generation is built from: the configuration after defaults, references, inheritance and
 * secrets have been resolved. Durations are milliseconds, sizes bytes, instants milliseconds since
 * 1970. Everything is readonly and plain, so that it can cross a thread (`Secret`s are revived).
 */
import type { KeyEntry, PasswordEntry } from '../credentials/entries.ts'
import type { HmacSettings } from '../hmac/settings.ts'
import type { Secret } from '../secret.ts'
import type { SessionSettings } from '../session/settings.ts'
import type { CustomSettings } from './schemes.ts'

export interface Config {
  readonly inbound: InboundConfig | undefined
  readonly egress: EgressConfig | undefined
  /** `undefined` for `admin: none`. */
  readonly admin: AdminConfig | undefined
  readonly log: LogConfig
  readonly shutdown: ShutdownConfig
  /** By name; keys_file and htpasswd_file entries included. */
  readonly definitions: ReadonlyMap<string, Definition>
  /** Group name → names of the definitions in it, inactive ones included. */
  readonly groups: ReadonlyMap<string, readonly string[]>
  /** In the order of the files. */
  readonly channels: readonly ChannelConfig[]
  readonly outgoing: readonly OutgoingConfig[]
  /** What references gave to settings that hold no `Secret`: extra fields, headers, templates. */
  readonly referredSecrets: readonly Secret[]
  /** Every file that was read: configuration, secrets, certificates, keys, modules. Absolute paths. */
  readonly files: readonly string[]
  /** Directories given as `--config`, whose listing matters too. */
  readonly directories: readonly string[]
}

/** A problem or a warning, printed as `FILE:LINE:COL PATH: problem`. */
export interface Problem {
  readonly file: string
  /** 1-based; 0 where the problem is about the file as a whole. */
  readonly line: number
  readonly column: number
  /** As in `channels.0.security`; `""` where it is about the file as a whole. */
  readonly path: string
  /** What was found and what was wanted; never a secret. */
  readonly problem: string
}

// Listeners

export type Listen =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export interface ListenerConfig {
  readonly address: Listen
  /** PEM texts, already read and checked. */
  readonly tls: ListenerTls | undefined
}

export interface ListenerTls {
  readonly cert: string
  readonly key: Secret
  /** PEM; a client certificate signed by it is then required. */
  readonly clientCa: string | undefined
}

export interface AdminConfig {
  readonly listen: Listen
  readonly probes: Listen | undefined
}

export interface LogConfig {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly format: 'auto' | 'json' | 'text'
  readonly access: true | false | 'refused'
}

export interface ShutdownConfig {
  readonly drainDelayMs: number
  readonly drainTimeoutMs: number
}

// Inbound

export interface InboundConfig {
  readonly listeners: readonly ListenerConfig[]
  readonly trustedProxies: { readonly cidrs: readonly string[]; readonly unix: boolean }
  readonly caseInsensitivePaths: boolean
  readonly upstreamKeepAliveMs: number
  /** Of the listener: header, keep-alive and body idle; channels carry their own. */
  readonly timeouts: InboundTimeouts
  readonly limits: InboundLimits
  readonly passwordChecks: PasswordChecksConfig
}

export interface InboundTimeouts {
  readonly headerMs: number
  readonly bodyIdleMs: number
  readonly keepAliveMs: number
  readonly connectMs: number
  readonly firstByteMs: number
  readonly websocketIdleMs: number
}

export interface InboundLimits {
  readonly connections: number
  readonly headerBytes: number
  readonly responseHeaderBytes: number
  readonly bufferedBytes: number
}

export interface PasswordChecksConfig {
  /** Slow checks at once. */
  readonly concurrency: number
  /** Slow checks that may wait. */
  readonly queue: number
  /** Successes remembered. */
  readonly cache: number
  readonly cacheTtlMs: number
}

export interface ChannelConfig {
  readonly name: string
  /** As written; `/*` where absent. */
  readonly path: string
  /** Lower case, without final dot; `*.x` for one label. */
  readonly host: string | undefined
  /** Upper case; `undefined` means every method. */
  readonly methods: readonly string[] | undefined
  readonly upstream: UpstreamConfig
  /** Names of definitions; `none` means open. Empty where only `groups` are given. */
  readonly security: readonly string[] | 'none'
  readonly groups: readonly string[]
  readonly realm: string | undefined
  readonly encodedSlashes: boolean
  readonly emptySegments: boolean
  readonly pathParameters: boolean
  readonly doubleEncoding: boolean
  readonly accessLog: boolean
  readonly isActive: boolean
  // Those that inbound has too, inherited:
  readonly identityHeader: string
  readonly forwardIdentity: readonly ('definition' | 'type' | 'groups')[]
  readonly forwardCredentials: boolean
  readonly allowHeaderNames: readonly string[]
  /** What the upstream gets as Host: the client's, the upstream's own, or this value. */
  readonly upstreamHost: 'keep' | 'upstream' | { readonly value: string }
  readonly timeouts: InboundTimeouts
}

export interface UpstreamConfig {
  readonly address:
    | {
        readonly kind: 'tcp'
        readonly scheme: 'http' | 'https'
        readonly host: string
        readonly port: number
      }
    | { readonly kind: 'unix'; readonly path: string }
  /** `host[:port]` as a Host header would say it; `localhost` for unix sockets. */
  readonly authority: string
  readonly tls: ClientTls | undefined
}

/** How to verify a server and what to show it. PEM texts, already read and checked. */
export interface ClientTls {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: Secret | undefined
  readonly serverName: string | undefined
}

// Definitions

interface DefinitionBase {
  readonly name: string
  readonly isActive: boolean
  /** What the upstream is told: `identity`, else the username of basic_auth, else the name. */
  readonly identity: string
  /**
   * Changes when anything of the definition changes, its secrets included: an HMAC under a
   * per-process key, so that it tells nothing about them.
   */
  readonly fingerprint: string
}

export interface BasicAuthDefinition extends DefinitionBase {
  readonly type: 'basic_auth'
  readonly username: string
  readonly passwords: readonly PasswordEntry[]
  readonly realm: string | undefined
}

export interface ApiKeyDefinition extends DefinitionBase {
  readonly type: 'api_key'
  /** As written; compared without regard to case. */
  readonly header: string
  readonly keys: readonly KeyEntry[]
}

export interface BearerTokenDefinition extends DefinitionBase {
  readonly type: 'bearer_token'
  readonly username: string
  readonly password: Secret | undefined
  readonly authServerUrl: string
  readonly scopes: readonly string[]
  readonly clientIdField: string
  readonly clientSecretField: string
  readonly grantType: string
  readonly extraFields: readonly (readonly [string, string])[]
  readonly dataFormat: 'form' | 'json'
  readonly clientAuth: 'post' | 'basic' | 'private_key_jwt'
  readonly privateKey: Secret | undefined
  readonly privateKeyId: string | undefined
  readonly algorithm: string
  readonly refreshWaitMs: number
  readonly prefetch: boolean
  readonly allowedScopes: readonly string[] | undefined
  readonly allowPlaintext: boolean
  readonly tls: ClientTls | undefined
  readonly proxy: ProxyConfig | 'none' | undefined
  readonly timeoutMs: number
  readonly defaultTtlMs: number
}

export interface NtlmDefinition extends DefinitionBase {
  readonly type: 'ntlm'
  readonly username: string
  readonly password: Secret
  readonly domain: string | undefined
  readonly workstation: string
}

export interface HmacDefinition extends DefinitionBase {
  readonly type: 'hmac'
  readonly settings: HmacSettings
}

export interface SessionDefinition extends DefinitionBase {
  readonly type: 'session'
  readonly settings: SessionSettings
}

export interface CustomDefinition extends DefinitionBase {
  readonly type: 'custom'
  readonly settings: CustomSettings
}

export type Definition =
  | BasicAuthDefinition
  | ApiKeyDefinition
  | BearerTokenDefinition
  | NtlmDefinition
  | HmacDefinition
  | SessionDefinition
  | CustomDefinition

export type DefinitionType = Definition['type']

// Egress

export interface EgressConfig {
  readonly listeners: readonly ListenerConfig[]
  readonly unmatched: 'deny' | 'public' | 'allow'
  readonly unmatchedPorts: readonly number[]
  readonly clients: readonly string[] | 'none' | undefined
  readonly clientNetworks: readonly string[]
  readonly names: readonly string[]
  readonly proxy: ProxyConfig | undefined
  readonly ca: { readonly cert: string; readonly key: Secret } | undefined
  readonly timeouts: EgressTimeouts
  readonly limits: {
    readonly connections: number
    readonly headerBytes: number
    readonly responseHeaderBytes: number
  }
}

export interface EgressTimeouts {
  readonly headerMs: number
  readonly bodyIdleMs: number
  readonly keepAliveMs: number
  readonly connectMs: number
  readonly firstByteMs: number
  readonly tunnelIdleMs: number
}

export interface ProxyConfig {
  readonly url: string
  readonly security: string | undefined
  readonly noProxy: readonly string[]
}

export interface OutgoingConfig {
  readonly name: string
  /** As that of a definition; timeouts do not change it. */
  readonly fingerprint: string
  readonly url: string
  /** Name of a definition, or `none`. */
  readonly security: string
  readonly match: 'host' | 'name'
  readonly https: 'intercept' | 'tunnel' | undefined
  readonly paths: readonly string[] | undefined
  readonly methods: readonly string[] | undefined
  readonly onExisting: 'replace' | 'keep' | 'reject'
  readonly headers: readonly (readonly [string, string])[]
  readonly clients: readonly string[] | undefined
  readonly allowPlaintext: boolean
  readonly encodedSlashes: boolean
  readonly emptySegments: boolean
  readonly pathParameters: boolean
  readonly doubleEncoding: boolean
  readonly tls: ClientTls | undefined
  readonly proxy: ProxyConfig | 'none' | undefined
  readonly isActive: boolean
  readonly timeouts: EgressTimeouts
}
