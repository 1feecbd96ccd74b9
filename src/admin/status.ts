/**
 * The document of `/status`: what runs, where it came from and how its secrets fare, without any of
 * them. Its lists are made while they are sent, a slice at a time: with 100,000 callers in a
 * keys_file the document has many megabytes, and requests must not wait for it. Nothing is left out.
 */
import type {
  ChannelConfig,
  Config,
  Definition,
  DefinitionType,
  OutgoingConfig,
  Problem,
} from '../config/model.ts'
import { stripUserinfo } from '../observe/redact.ts'

/** How the last attempt to load a configuration went. */
export interface ReloadState {
  readonly result: 'success' | 'failure'
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly errors: readonly Problem[]
  /** What was changed in the files and needs a restart, in words. */
  readonly restartRequired: readonly string[]
}

/** A token in the cache; times are RFC 3339. */
export interface TokenStatus {
  readonly definition: string
  readonly scopes: readonly string[]
  /** `null`, like the times: there is no token, and `last_error` says why. */
  readonly age_s: number | null
  readonly fresh_until: string | null
  readonly expires_at: string | null
  readonly last_error: string | null
}

/** A definition whose credential is held back; times are RFC 3339. */
export interface HeldStatus {
  readonly definition: string
  readonly until: string | null
  readonly refusals: number
}

/** What egress adds to the document. */
export interface StatusSource {
  tokens(): Iterable<TokenStatus>
  held(): Iterable<HeldStatus>
}

/** What the document is made of. */
export interface StatusInput {
  readonly version: string
  readonly isReady: boolean
  /** 0 before the first. */
  readonly generation: number
  readonly loadedAtMs: number | undefined
  /** `undefined` before the first generation. */
  readonly config: Config | undefined
  readonly reload: ReloadState | undefined
  /** Milliseconds since 1970, `undefined` where not used since the start. */
  readonly lastUsedAt: (definition: string, label: string) => number | undefined
  readonly source: StatusSource
  /** The redactor's: problems promise to hold no secret, this keeps the promise. */
  readonly redact: (text: string) => string
}

interface ChannelStatus {
  readonly name: string
  readonly path: string
  readonly host: string | null
  readonly methods: readonly string[] | null
  readonly security: readonly string[] | 'none'
  readonly groups: readonly string[]
  readonly is_active: boolean
}

interface OutgoingStatus {
  readonly name: string
  readonly url: string
  readonly security: string
  readonly is_active: boolean
}

interface SecretStatus {
  readonly label: string
  readonly source: string
  readonly not_before: string | null
  readonly not_after: string | null
  readonly last_used_at: string | null
}

interface DefinitionStatus {
  readonly name: string
  readonly type: DefinitionType
  readonly is_active: boolean
  readonly secrets: readonly SecretStatus[]
}

/** Whole at the front, lists that are made when they are asked for behind. */
export interface StatusDocument {
  readonly head: Readonly<Record<string, unknown>>
  readonly lists: {
    readonly channels: Iterable<ChannelStatus>
    readonly outgoing: Iterable<OutgoingStatus>
    readonly definitions: Iterable<DefinitionStatus>
    readonly tokens: Iterable<TokenStatus>
    readonly held: Iterable<HeldStatus>
  }
}

/** What a secret has of itself, whatever its type. */
interface SecretLife {
  readonly label: string
  readonly source: string
  readonly notBeforeMs?: number | undefined
  readonly notAfterMs?: number | undefined
}

/** How many entries of a list are made at once. */
const sliceSize = 200

/** Creates the document; nothing in it changes if a new generation comes meanwhile. */
export function createStatus(input: StatusInput): StatusDocument {
  const { config, source } = input
  return {
    head: {
      version: input.version,
      node: process.version,
      ready: input.isReady,
      generation: input.generation,
      loaded_at: instant(input.loadedAtMs),
      files: config?.files ?? [],
      reload: reloadStatus(input),
    },
    lists: {
      channels: (config?.channels ?? []).map(channelStatus),
      outgoing: (config?.outgoing ?? []).map(outgoingStatus),
      definitions: definitionStatuses(input),
      tokens: source.tokens(),
      held: source.held(),
    },
  }
}

/** The document as JSON, in pieces. */
export function* renderStatus({ head, lists }: StatusDocument): Generator<string> {
  yield JSON.stringify(head).slice(0, -1)
  for (const [name, items] of Object.entries(lists) as [string, Iterable<unknown>][]) {
    let text = `,${JSON.stringify(name)}:[`
    let count = 0
    for (const item of items) {
      text += `${count === 0 ? '' : ','}${JSON.stringify(item)}`
      if (++count % sliceSize !== 0) continue
      yield text
      text = ''
    }
    yield `${text}]`
  }
  yield '}\n'
}

function reloadStatus({ reload, redact }: StatusInput): unknown {
  if (reload === undefined) return { result: null, at: null, errors: [], restart_required: [] }
  return {
    result: reload.result,
    at: instant(reload.atMs),
    errors: reload.errors.map((error) => problemStatus(error, redact)),
    restart_required: reload.restartRequired,
  }
}

/** A problem as `/status` and `POST /reload` tell it. */
export function problemStatus(
  { file, line, column, path, problem }: Problem,
  redact: (text: string) => string,
): Problem {
  return { file, line, column, path, problem: redact(problem) }
}

function channelStatus(channel: ChannelConfig): ChannelStatus {
  return {
    name: channel.name,
    path: channel.path,
    host: channel.host ?? null,
    methods: channel.methods ?? null,
    security: channel.security,
    groups: channel.groups,
    is_active: channel.isActive,
  }
}

function outgoingStatus({ name, url, security, isActive }: OutgoingConfig): OutgoingStatus {
  return { name, url: stripUserinfo(url), security, is_active: isActive }
}

function* definitionStatuses({ config, lastUsedAt }: StatusInput): Generator<DefinitionStatus> {
  for (const definition of config?.definitions.values() ?? []) {
    const { name, type, isActive } = definition
    yield {
      name,
      type,
      is_active: isActive,
      secrets: secretsOf(definition).map((secret) => ({
        label: secret.label,
        source: secret.source,
        not_before: instant(secret.notBeforeMs),
        not_after: instant(secret.notAfterMs),
        last_used_at: instant(lastUsedAt(name, secret.label)),
      })),
    }
  }
}

function secretsOf(definition: Definition): readonly SecretLife[] {
  switch (definition.type) {
    case 'basic_auth':
      return definition.passwords
    case 'api_key':
      return definition.keys
    case 'bearer_token': {
      const { password, privateKey } = definition
      return [password, privateKey]
        .filter((secret) => secret !== undefined)
        .map(({ source }) => ({ label: '', source }))
    }
    case 'ntlm':
      return [{ label: '', source: definition.password.source }]
    case 'hmac':
      return definition.settings.keys
    case 'session':
      return [{ label: '', source: definition.settings.password.source }]
    case 'custom':
      return definition.settings.secrets.map(([label, { source }]) => ({ label, source }))
  }
}

function instant(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}
