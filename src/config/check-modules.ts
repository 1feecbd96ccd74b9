/** Loads the modules of custom definitions, to see that they have the functions that are needed. */
import { loadModule } from '../custom/load-module.ts'
import type { FunctionName } from '../custom/messages.ts'
import type { ResolveContext } from './context.ts'
import type { CustomDefinition } from './model.ts'
import type { Resolved } from './resolve.ts'
import type { CustomSettings } from './schemes.ts'
import type { ThreadSettings } from '../custom/thread.ts'
import type { Validated } from './validate.ts'

/** What the thread of a module is made of. */
export function threadSettingsOf(settings: CustomSettings): ThreadSettings {
  const { module, memoryBytes, options, secrets, timeoutMs } = settings
  const revealed = secrets.map(([name, secret]) => [name, secret.reveal()] as const)
  return { module, memoryBytes, options, secrets: revealed, timeoutMs }
}

/** Reports what is wrong with them, at the setting `module`. */
export async function checkModules(
  context: ResolveContext,
  validated: Validated,
  resolved: Resolved,
): Promise<void> {
  const onChannels = listOnChannels(resolved)
  const outgoing = new Set(resolved.outgoing.map(({ security }) => security))
  await Promise.all(
    validated.security.map(async (parsed, index) => {
      const definition = resolved.definitions.get(parsed?.name ?? '')
      if (definition?.type !== 'custom') return
      const problem = await findProblem(definition, [
        ...(onChannels.has(definition.name) ? (['authenticate'] as const) : []),
        ...(outgoing.has(definition.name) ? (['prepare'] as const) : []),
      ])
      if (problem !== undefined) context.report(['security', index, 'module'], problem)
    }),
  )
}

async function findProblem(
  { settings }: CustomDefinition,
  needed: readonly FunctionName[],
): Promise<string | undefined> {
  if (needed.includes('prepare') && settings.headers.length === 0) {
    return 'outgoing connections use it, and headers names none that it may set'
  }
  const found = await loadModule(threadSettingsOf(settings))
  if ('problem' in found) return `the module cannot be loaded: ${found.problem}`
  for (const name of needed) {
    const type = found.exports[name]
    if (type === 'function') continue
    const user = name === 'authenticate' ? 'channels use it' : 'outgoing connections use it'
    return type === undefined
      ? `the module exports no function ${name}, and ${user}`
      : `the module exports ${name} as ${type}, wanted a function`
  }
  return undefined
}

function listOnChannels({ channels, groups }: Resolved): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { security, groups: ofChannel } of channels) {
    if (security !== 'none') for (const name of security) names.add(name)
    for (const group of ofChannel) for (const name of groups.get(group) ?? []) names.add(name)
  }
  return names
}
