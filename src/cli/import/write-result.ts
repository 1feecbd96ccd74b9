/**
 * The result goes to stdout, or to a file that is there whole or not at all: written beside, readable
 * by its owner alone, then put in place. What exists stays unless `--force` says otherwise.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { link, lstat, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CommandError } from '../command.ts'

/** Where the result goes. */
export interface Target {
  /** `undefined`: stdout. */
  readonly out: string | undefined
  readonly force: boolean
}

/** Throws before any work is done for a file that may not be written. */
export async function checkTarget(
  { out, force }: Target,
  inputs: readonly string[],
): Promise<void> {
  if (out === undefined) return
  const found = await lstat(out).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return
  if (found.isDirectory()) throw new CommandError(`"${out}" is a folder, wanted a file`)
  if (!force) failExisting(out)
  const place = existsSync(out) ? realpathSync(out) : out
  if (inputs.some((input) => existsSync(input) && realpathSync(input) === place)) {
    throw new CommandError(`"${out}" is what is imported, wanted another file`)
  }
}

/** Writes the text, which ends in a line break. */
export async function writeResult(text: string, { out, force }: Target): Promise<void> {
  if (out === undefined) {
    process.stdout.write(text)
    return
  }
  const beside = join(dirname(out), `.${basename(out)}.${randomBytes(6).toString('hex')}`)
  const handle = await open(beside, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
    await handle.close()
    // A link fails where a file has come since; a rename would overwrite it.
    if (force) await rename(beside, out)
    else await link(beside, out)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') failExisting(out)
    throw error
  } finally {
    await handle.close().catch(() => undefined)
    await rm(beside, { force: true })
  }
}

function failExisting(out: string): never {
  throw new CommandError(`"${out}" exists and is left as it is (--force overwrites it)`)
}
