/** Loads the configuration of a command that needs one without problems. */
import type { Config } from '../../config/model.ts'
import { formatProblem } from '../../config/problems.ts'
import { CommandError } from '../command.ts'

/** Throws `CommandError` with the first problem. */
export async function loadOrFail(cliPaths: readonly string[]): Promise<Config> {
  const { loadOnce } = await import('../configuration.ts')
  const loaded = await loadOnce(cliPaths)
  if ('config' in loaded) return loaded.config
  const [first] = loaded.problems
  const example = first === undefined ? '' : `, the first is ${formatProblem(first)}`
  throw new CommandError(
    `the configuration has ${loaded.problems.length} problem(s)${example}; see "sidegate check"`,
  )
}
