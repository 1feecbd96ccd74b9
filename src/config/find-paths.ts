/**
 * Where the configuration is, when nobody says so.
 */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * The paths of `--config`, else those of `SIDEGATE_CONFIG` (several are parted as in `PATH`), else
 * `./sidegate.yaml` if it exists, else `/etc/sidegate`.
 */
export function findConfigurationPaths(
  cliPaths: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
): readonly string[] {
  if (cliPaths.length > 0) return cliPaths
  const fromEnv = (env['SIDEGATE_CONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  if (fromEnv.length > 0) return fromEnv
  return existsSync(join(cwd, 'sidegate.yaml')) ? ['sidegate.yaml'] : ['/etc/sidegate']
}
