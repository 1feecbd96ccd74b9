/**
 * Rate limits have no counterpart and are told. Rules that shut addresses out are more than limits:
 * without them strangers would get further than before, so they refuse the import.
 */
import { quote } from '../../../observe/quote.ts'
import type { SourceNode } from '../source-node.ts'
import type { Item } from './item.ts'

/** Names of quota tiers that shut addresses out. */
export function findClosingTiers(tiers: readonly Item[]): ReadonlySet<string> {
  const closing = tiers.filter((tier) => {
    const rules = tier.find('rules')
    return rules !== undefined && shutsOut(rules)
  })
  return new Set(closing.map(({ name }) => name))
}

/** Tells the limits of a definition, group or channel that are lost. */
export function reportLimits(item: Item, closingTiers: ReadonlySet<string> = new Set()): void {
  const rules = item.find('rate_limiting')
  const hasRules = rules !== undefined && !(rules.kind === 'list' && rules.items.length === 0)
  const tier = item.text('quota_tier')
  const legacy = item.find('rate_limit_def')
  const isLegacyActive = legacy !== undefined && item.flag('is_rate_limit_active', true)
  if (!hasRules && tier === undefined && !isLegacyActive) return
  const isClosing =
    (hasRules && shutsOut(rules)) ||
    (tier !== undefined && closingTiers.has(tier)) ||
    (isLegacyActive && shutsOutByOmission(legacy))
  if (isClosing) {
    item.problem(
      'its rate limits shut addresses out, which Sidegate does not do: let a firewall do it, then take them out of the file',
      (rules ?? legacy ?? item.map).place,
    )
    return
  }
  const by = tier === undefined ? '' : ` (quota tier ${quote(tier)})`
  item.context.findings.add('limit', item.place, `${item.section} ${item.shown}${by}`)
}

/** 4.x: `disallowed` in a time range, however deep. */
function shutsOut(node: SourceNode): boolean {
  if (node.kind === 'list') return node.items.some(shutsOut)
  if (node.kind !== 'map') return false
  return [...node.entries].some(([key, value]) => {
    if (key === 'disallowed') return !(value.kind === 'scalar' && isFalse(value.written))
    return shutsOut(value)
  })
}

function isFalse(written: string): boolean {
  return /^(?:false|no|off|n|f|0|null|~|)$/i.test(written)
}

/** 3.x: lines `<ip|cidr|*>=…`; an address that no line names is refused. */
function shutsOutByOmission(node: SourceNode): boolean {
  if (node.kind !== 'scalar' || typeof node.value !== 'string') return true
  const lines = node.value.split('\n').map((line) => line.trim())
  const rules = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const isClosed = rules.some((line) => /=\s*0\s*\//.test(line))
  return rules.length > 0 && (isClosed || !rules.some((line) => /^\*\s*=/.test(line)))
}
