/**
 * From the tree and the schema's values to the configuration that the rest of the program uses:
 * inheritance, files, names, and all checks that look at more than one setting.
 */
import {
  checkAccess,
  checkCustomAlone,
  checkIdentityHeaders,
  checkOverlaps,
  collectReached,
} from './check-channels.ts'
import { checkIndex } from './check-index.ts'
import {
  checkClients,
  checkOutgoing,
  checkOutgoingOverlaps,
  checkProxySecurity,
} from './check-outgoing.ts'
import type { OutgoingWorld } from './check-outgoing.ts'
import type { ResolveContext } from './context.ts'
import { lint } from './lint.ts'
import { checkListeners, resolveListen } from './listeners.ts'
import type { PlacedListen } from './listeners.ts'
import type {
  AdminConfig,
  ChannelConfig,
  Config,
  Definition,
  OutgoingConfig,
  ProxyConfig,
} from './model.ts'
import { NameRegistry, checkUniqueNames } from './names.ts'
import { DefinitionPlaces } from './places.ts'
import { resolveDefinition } from './resolve-definitions.ts'
import { resolveEgress, resolveOutgoing } from './resolve-egress.ts'
import type { ResolvedEgress } from './resolve-egress.ts'
import { resolveGroups } from './resolve-groups.ts'
import { resolveChannel, resolveInbound } from './resolve-inbound.ts'
import type { ResolvedInbound } from './resolve-inbound.ts'
import type { Path } from './tree.ts'
import type { Validated } from './validate.ts'

/** Everything of the configuration but what was read. */
export type Resolved = Omit<Config, 'files' | 'directories'>

/** Resolves all; problems go into the context, and `undefined` comes where a section is faulty. */
export function resolveConfiguration(
  context: ResolveContext,
  validated: Validated,
): Resolved | undefined {
  const names = new NameRegistry(context)
  names.addAll()
  checkUniqueNames(context, 'channels')
  checkUniqueNames(context, 'outgoing')
  const egress =
    validated.egress === undefined ? undefined : resolveEgress(context, validated.egress)
  const definitions = resolveDefinitions(context, validated, egress?.config.proxy)
  const groups = resolveGroups(context, names, validated.groups, validated.security, definitions)
  const places = new DefinitionPlaces(context, names)
  const inbound =
    validated.inbound === undefined ? undefined : resolveInbound(context, validated.inbound)
  const world = { names, definitions, groups, egress: validated.egress }
  const channels = resolveChannels(context, validated, inbound, world, places)
  const outgoing = resolveAllOutgoing(context, validated, egress, world)
  const admin = resolveAdmin(context, validated.admin)
  checkAllListeners(context, inbound?.places ?? [], egress?.places ?? [], admin)
  const { log, shutdown } = validated
  if (context.problemCount > 0 || log === undefined || shutdown === undefined) return undefined
  const resolved = {
    inbound: inbound?.config,
    egress: egress?.config,
    admin,
    log,
    shutdown: { drainDelayMs: shutdown.drain_delay, drainTimeoutMs: shutdown.drain_timeout },
    definitions,
    groups: groups.members,
    channels,
    outgoing,
    referredSecrets: context.referredSecrets,
  }
  lint(context, resolved, places)
  return resolved
}

function resolveDefinitions(
  context: ResolveContext,
  validated: Validated,
  proxy: ProxyConfig | undefined,
): Map<string, Definition> {
  const definitions = new Map<string, Definition>()
  for (const [index, parsed] of validated.security.entries()) {
    if (parsed === undefined) continue
    const definition = resolveDefinition(context, ['security', index], parsed, proxy)
    if (!definitions.has(parsed.name)) definitions.set(parsed.name, definition)
  }
  return definitions
}

function resolveChannels(
  context: ResolveContext,
  validated: Validated,
  inbound: ResolvedInbound | undefined,
  world: OutgoingWorld,
  places: DefinitionPlaces,
): readonly ChannelConfig[] {
  const placed = validated.channels.flatMap((parsed, index) =>
    parsed === undefined ? [] : [{ path: ['channels', index] as Path, parsed }],
  )
  if (validated.channels.length > 0 && !context.has(['inbound'])) {
    context.reportKey(['channels'], 'channels without inbound, wanted inbound with its listen')
  }
  const { names, groups, definitions } = world
  for (const channel of placed) checkAccess(context, channel, names, groups)
  checkOverlaps(context, placed, validated.inbound?.case_insensitive_paths ?? false)
  checkCustomAlone(context, placed, groups, definitions)
  const reached = collectReached(placed, groups)
  const headers = checkIndex(context, reached, definitions, places)
  if (inbound === undefined) return []
  const resolved = placed.flatMap(({ path, parsed }) => {
    const config = resolveChannel(context, path, parsed, inbound)
    return config === undefined ? [] : [{ path, config }]
  })
  checkIdentityHeaders(context, resolved, headers)
  return resolved.map(({ config }) => config)
}

function resolveAllOutgoing(
  context: ResolveContext,
  validated: Validated,
  egress: ResolvedEgress | undefined,
  world: OutgoingWorld,
): readonly OutgoingConfig[] {
  const placed = validated.outgoing.flatMap((parsed, index) =>
    parsed === undefined ? [] : [{ path: ['outgoing', index] as Path, parsed }],
  )
  if (validated.outgoing.length > 0 && !context.has(['egress'])) {
    context.reportKey(
      ['outgoing'],
      'outgoing connections without egress, wanted egress with its listen',
    )
  }
  if (validated.egress !== undefined) {
    checkClients(context, validated.egress, world)
    checkProxySecurity(context, ['egress', 'proxy'], validated.egress.proxy?.security, world)
  }
  for (const [index, definition] of validated.security.entries()) {
    if (definition?.type !== 'bearer_token' || typeof definition.proxy !== 'object') continue
    checkProxySecurity(context, ['security', index, 'proxy'], definition.proxy.security, world)
  }
  for (const connection of placed) {
    checkOutgoing(context, connection, world)
    const { proxy } = connection.parsed
    if (typeof proxy !== 'object') continue
    checkProxySecurity(context, [...connection.path, 'proxy'], proxy.security, world)
  }
  checkOutgoingOverlaps(context, placed)
  if (egress === undefined) return []
  return placed.map(({ path, parsed }) => resolveOutgoing(context, path, parsed, egress.config))
}

function resolveAdmin(
  context: ResolveContext,
  parsed: Validated['admin'],
): AdminConfig | undefined {
  if (parsed === undefined || parsed === 'none') return undefined
  const { listen, probes } = parsed
  return {
    listen: resolveListen(context, ['admin', 'listen'], listen),
    probes: probes === undefined ? undefined : resolveListen(context, ['admin', 'probes'], probes),
  }
}

function checkAllListeners(
  context: ResolveContext,
  inbound: readonly PlacedListen[],
  egress: readonly PlacedListen[],
  admin: AdminConfig | undefined,
): void {
  const all = [...inbound, ...egress]
  const listen = ['admin', 'listen']
  // A default has no place of its own: whoever clashes with it is told.
  if (admin !== undefined && !context.has(listen))
    all.unshift({ path: listen, listen: admin.listen })
  if (admin !== undefined && context.has(listen)) all.push({ path: listen, listen: admin.listen })
  if (admin?.probes !== undefined) all.push({ path: ['admin', 'probes'], listen: admin.probes })
  checkListeners(context, all)
}
