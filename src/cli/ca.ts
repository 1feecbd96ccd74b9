/**
 * `sidegate ca init` and `sidegate ca bundle`: the local authority for `https: intercept`, and the
 * one file of authorities that applications are told of.
 */
import { caManual } from './ca/manual.ts'
import { type Command, UsageError, parseOptions, suggest } from './command.ts'

const actions = ['init', 'bundle']

async function runCa(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(caManual, args)
  const [action, extra] = positionals
  if (action === undefined) throw new UsageError('init or bundle is missing')
  if (!actions.includes(action)) {
    throw new UsageError(
      `unknown "${action}"${suggest(action, actions) || ', wanted init or bundle'}`,
    )
  }
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`)
  if (action === 'init') {
    const { initAuthority } = await import('./ca/init.ts')
    return initAuthority(values)
  }
  if (values.host.length > 0) throw new UsageError('--host belongs to "ca init"')
  if (values.days !== undefined) throw new UsageError('--days belongs to "ca init"')
  const { printBundle } = await import('./ca/bundle.ts')
  return printBundle(values)
}

/** `sidegate ca`. */
export const caCommand: Command = { manual: caManual, run: runCa }
