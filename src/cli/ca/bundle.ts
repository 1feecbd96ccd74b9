/** `sidegate ca bundle`: every authority that an application behind the gate trusts, as one file. */
import { rename, rm, writeFile } from 'node:fs/promises'
import { createBundle } from '../run/bundle.ts'
import { loadOutline } from '../run/outline.ts'
import { print } from '../terminal.ts'
import type { CaValues } from './manual.ts'

/** Prints the bundle, or writes it to `--out`. */
export async function printBundle({ config, out }: CaValues): Promise<number> {
  const { pem, certificates } = createBundle(loadOutline(config), 'ca')
  if (out === undefined) {
    process.stdout.write(pem)
    return 0
  }
  await replaceFile(out, pem)
  print(`Wrote ${out}: ${certificates.length} certificates.`)
  return 0
}

/** In one step: programs that read it meanwhile get the old one or the new one. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await writeFile(temporary, text, { flag: 'wx', mode: 0o644 })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
