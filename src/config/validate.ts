/**
 * Runs the schema over the tree and turns what it finds into problems with places. Where something
 * is wrong the good items are still handed on, so that the later checks tell all their problems too.
 */
import type { z } from 'zod'
import { describeIssues } from './issues.ts'
import type { ProblemList } from './problems.ts'
import { configuration, items, sections } from './schema.ts'
import type {
  ParsedAdmin,
  ParsedChannel,
  ParsedDefinition,
  ParsedEgress,
  ParsedGroup,
  ParsedInbound,
  ParsedLog,
  ParsedOutgoing,
  ParsedShutdown,
} from './schema.ts'
import { toPlain } from './tree.ts'
import type { MapNode, TreeNode } from './tree.ts'

/** The configuration after the schema; lists have `undefined` where an item is faulty. */
export interface Validated {
  readonly inbound: ParsedInbound | undefined
  readonly egress: ParsedEgress | undefined
  readonly admin: ParsedAdmin | undefined
  readonly log: ParsedLog | undefined
  readonly shutdown: ParsedShutdown | undefined
  readonly security: readonly (ParsedDefinition | undefined)[]
  readonly groups: readonly (ParsedGroup | undefined)[]
  readonly channels: readonly (ParsedChannel | undefined)[]
  readonly outgoing: readonly (ParsedOutgoing | undefined)[]
}

/** Validates; problems go into the list. */
export function validateTree(root: MapNode, problems: ProblemList): Validated {
  const plain = toPlain(root)
  const result = configuration.safeParse(plain)
  if (!result.success) describeIssues(result.error.issues, root, problems)
  if (result.success && !hasFaulty(root)) {
    return { ...result.data, inbound: result.data.inbound, egress: result.data.egress }
  }
  const whole = plain as Record<string, unknown>
  const section = <S extends z.ZodType>(key: string, schema: S): z.output<S> | undefined => {
    const node = root.entries.get(key)?.node
    return node !== undefined && hasFaulty(node) ? undefined : parseOrNothing(schema, whole[key])
  }
  const itemsOf = <S extends z.ZodType>(
    key: string,
    schema: S,
  ): readonly (z.output<S> | undefined)[] => {
    const node = root.entries.get(key)?.node
    if (node?.kind !== 'list') return []
    return node.items.map((item) =>
      hasFaulty(item.node) ? undefined : parseOrNothing(schema, toPlain(item.node)),
    )
  }
  return {
    inbound: section('inbound', sections.inbound),
    egress: section('egress', sections.egress),
    admin: section('admin', sections.admin),
    log: section('log', sections.log),
    shutdown: section('shutdown', sections.shutdown),
    security: itemsOf('security', items.security),
    groups: itemsOf('groups', items.groups),
    channels: itemsOf('channels', items.channels),
    outgoing: itemsOf('outgoing', items.outgoing),
  }
}

function parseOrNothing<S extends z.ZodType>(schema: S, value: unknown): z.output<S> | undefined {
  const result = schema.safeParse(value)
  return result.success ? result.data : undefined
}

/** Whether a reference in it could not be resolved. */
function hasFaulty(node: TreeNode): boolean {
  if (node.kind === 'scalar') return node.isFaulty
  if (node.kind === 'list') return node.items.some((item) => hasFaulty(item.node))
  for (const entry of node.entries.values()) if (hasFaulty(entry.node)) return true
  return false
}
