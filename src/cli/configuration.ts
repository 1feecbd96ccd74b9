/**
 * Loads the configuration for a command that looks at it once. Commands import this file lazily: it
 * brings the parser and the schema with it.
 */
import { randomBytes } from 'node:crypto'
import { findConfigurationPaths } from '../config/find-paths.ts'
import { type LoadResult, loadConfiguration } from '../config/load.ts'

/** Loads what `--config`, `SIDEGATE_CONFIG` or the default places name. */
export function loadOnce(cliPaths: readonly string[]): Promise<LoadResult> {
  return loadConfiguration({
    paths: findConfigurationPaths(cliPaths, process.env, process.cwd()),
    env: process.env,
    fingerprintKey: randomBytes(32),
    nowMs: Date.now(),
  })
}
