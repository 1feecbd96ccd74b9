/**
 * Parent proxies, with what is inherited from `egress`.
 */
import type { ResolveContext } from './context.ts'
import type { ProxyConfig } from './model.ts'
import type { Path } from './tree.ts'

interface ParsedProxy {
  readonly url: string
  readonly security?: string | undefined
  readonly no_proxy: readonly string[]
}

/** The parent proxy said at `path`, else the inherited one. */
export function resolveProxy(
  context: ResolveContext,
  path: Path,
  parsed: ParsedProxy | 'none' | undefined,
  inherited: ProxyConfig | undefined,
): ProxyConfig | 'none' | undefined {
  if (parsed === undefined) return inherited
  return parsed === 'none' ? 'none' : resolveOwnProxy(context, path, parsed)
}

/** The parent proxy said at `path`. */
export function resolveOwnProxy(
  context: ResolveContext,
  path: Path,
  parsed: ParsedProxy,
): ProxyConfig {
  const noProxy = parsed.no_proxy.map((entry) => entry.toLowerCase())
  for (const [index, entry] of noProxy.entries()) {
    if (/^[a-z0-9._:*/[\]-]+$/.test(entry)) continue
    context.reportFound([...path, 'no_proxy', index], 'wanted a host, a .suffix or a network')
  }
  return { url: parsed.url, security: parsed.security, noProxy }
}
