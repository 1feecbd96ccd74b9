/** Small configurations for tests of credentials: only what the index reads, the rest is absent. */
import type {
  ApiKeyDefinition,
  BasicAuthDefinition,
  ChannelConfig,
  Config,
  Definition,
} from '../../src/config/model.ts'
import type { KeyEntry, PasswordEntry } from '../../src/credentials/entries.ts'
import { parsePasswordHash, sha256Hex } from '../../src/credentials/hash.ts'
import { Secret } from '../../src/secret.ts'

type Life = Partial<Pick<PasswordEntry, 'label' | 'notBeforeMs' | 'notAfterMs'>>

const forEver = { label: '', notBeforeMs: undefined, notAfterMs: undefined }

/** A password that is known, or its hash where it begins with `$`. */
export function passwordEntry(text: string, life: Life = {}): PasswordEntry {
  const isHash = text.startsWith('$')
  return {
    source: isHash ? 'hash' : 'literal',
    password: isHash ? undefined : new Secret(text),
    hash: isHash ? parsePasswordHash(text) : undefined,
    ...forEver,
    ...life,
  }
}

/** A key; its bytes are those of the Latin-1 string. */
export function keyEntry(text: string, life: Life = {}): KeyEntry {
  const digest = Buffer.from(sha256Hex(Buffer.from(text, 'latin1')), 'hex')
  return { source: 'literal', key: new Secret(text), digest, ...forEver, ...life }
}

/** A `basic_auth` definition with its name as username. */
export function basicAuth(
  name: string,
  passwords: readonly PasswordEntry[],
  more: Partial<BasicAuthDefinition> = {},
): BasicAuthDefinition {
  const base = { name, isActive: true, identity: name, fingerprint: name }
  return { ...base, type: 'basic_auth', username: name, passwords, realm: undefined, ...more }
}

/** An `api_key` definition. */
export function apiKey(
  name: string,
  keys: readonly KeyEntry[],
  more: Partial<ApiKeyDefinition> = {},
): ApiKeyDefinition {
  const base = { name, isActive: true, identity: name, fingerprint: name }
  return { ...base, type: 'api_key', header: 'X-API-Key', keys, ...more }
}

/** What a channel says of who may call. */
export type ChannelSays = Partial<Pick<ChannelConfig, 'security' | 'groups' | 'realm' | 'isActive'>>

/** A configuration of these definitions, groups and channels. */
export function sampleConfig(
  definitions: readonly Definition[],
  groups: Readonly<Record<string, readonly string[]>>,
  channels: Readonly<Record<string, ChannelSays>>,
): Config {
  return {
    inbound: undefined,
    egress: undefined,
    admin: undefined,
    log: { level: 'info', format: 'auto', access: true },
    shutdown: { drainDelayMs: 0, drainTimeoutMs: 0 },
    definitions: new Map(definitions.map((definition) => [definition.name, definition])),
    groups: new Map(Object.entries(groups)),
    channels: Object.entries(channels).map(([name, says]) => createChannel(name, says)),
    outgoing: [],
    referredSecrets: [],
    files: [],
    directories: [],
  }
}

/** Every definition at generation 1. */
export function firstGeneration(config: Config): Map<string, number> {
  return new Map([...config.definitions.keys()].map((name) => [name, 1]))
}

function createChannel(name: string, says: ChannelSays): ChannelConfig {
  return {
    name,
    path: `/${name}`,
    host: undefined,
    methods: undefined,
    upstream: {
      address: { kind: 'unix', path: '/run/app.sock' },
      authority: 'localhost',
      tls: undefined,
    },
    security: [],
    groups: [],
    realm: undefined,
    encodedSlashes: false,
    emptySegments: false,
    pathParameters: false,
    doubleEncoding: false,
    accessLog: true,
    isActive: true,
    identityHeader: 'X-Authenticated-User',
    forwardIdentity: [],
    forwardCredentials: false,
    allowHeaderNames: [],
    upstreamHost: 'keep',
    timeouts: {
      headerMs: 1,
      bodyIdleMs: 1,
      keepAliveMs: 1,
      connectMs: 1,
      firstByteMs: 1,
      websocketIdleMs: 1,
    },
    ...says,
  }
}
