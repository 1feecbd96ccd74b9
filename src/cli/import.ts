/**
 * `sidegate import zato` and `sidegate import htpasswd`: a configuration of what another program knows,
 * and a report of what is different from now on.
 */
import { type Command, UsageError, parseOptions, suggest } from './command.ts'
import { type ImportValues, importManual } from './import/manual.ts'

const sources = ['zato', 'htpasswd']
/** Options that mean something to files of Zato alone. */
const zatoOptions = [
  'upstream',
  'upstreams',
  'env-file',
  'confirm-public',
  'confirm-any',
] as const satisfies readonly (keyof ImportValues)[]

async function runImport(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(importManual, args)
  const [source, ...files] = positionals
  if (source === undefined) throw new UsageError('zato or htpasswd is missing')
  if (!sources.includes(source)) {
    throw new UsageError(
      `unknown "${source}"${suggest(source, sources) || ', wanted zato or htpasswd'}`,
    )
  }
  const [file, extra] = files
  if (file === undefined) throw new UsageError('FILE is missing')
  if (values.force && values.out === undefined) throw new UsageError('--force belongs to --out')
  if (source === 'zato') {
    const { importZato } = await import('./import/zato.ts')
    return importZato(files, values)
  }
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`)
  const foreign = zatoOptions.find((name) => values[name] !== undefined && values[name] !== false)
  if (foreign !== undefined) throw new UsageError(`--${foreign} belongs to "import zato"`)
  const { importHtpasswd } = await import('./import/htpasswd.ts')
  return importHtpasswd(file, values)
}

/** `sidegate import`. */
export const importCommand: Command = { manual: importManual, run: runImport }
