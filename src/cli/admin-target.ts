/**
 * Where the gate on this machine answers /readyz, as the configuration says. Apart from health.ts
 * because it loads the parser of the configuration.
 */
import { existsSync } from 'node:fs'
import { findConfigurationPaths } from '../config/find-paths.ts'
import type { Listen } from '../config/model.ts'
import { CommandError } from './command.ts'
import { loadOnce } from './configuration.ts'
import { printError } from './terminal.ts'

/**
 * A value for `--url` from `admin.probes`, else `admin.listen`; `undefined` where there is no valid
 * configuration. Throws `CommandError` for `admin: none`.
 */
export async function findAdminTarget(cliPaths: readonly string[]): Promise<string | undefined> {
  const paths = findConfigurationPaths(cliPaths, process.env, process.cwd())
  if (cliPaths.length === 0 && !paths.every((path) => existsSync(path))) return undefined
  const loaded = await loadOnce(cliPaths)
  if (!('config' in loaded)) {
    // An edit that went wrong must not make a gate unhealthy that still runs on the last good one.
    printError('warning: the configuration is not valid now, the default address is asked')
    return undefined
  }
  const { admin } = loaded.config
  if (admin === undefined) {
    throw new CommandError('the configuration says "admin: none", so there is nothing to ask')
  }
  return renderTarget(admin.probes ?? admin.listen)
}

/** Listeners on every address are asked on loopback. */
function renderTarget(listen: Listen): string {
  if (listen.kind === 'unix') return `unix:${listen.path}`
  const host = listen.host === '0.0.0.0' ? '127.0.0.1' : listen.host === '::' ? '::1' : listen.host
  return `http://${host.includes(':') ? `[${host}]` : host}:${listen.port}`
}
