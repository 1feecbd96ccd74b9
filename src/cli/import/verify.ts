/**
 * Loads what is about to be written as `check` does, with trial values for the variables: what is not
 * a configuration never leaves the import.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfiguration } from '../../config/load.ts'
import type { Problem } from '../../config/model.ts'

/** Problems and warnings of a configuration, with paths such as `channels.3.path`. */
export async function verifyConfiguration(
  text: string,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-import-'))
  try {
    const path = join(folder, 'sidegate.yaml')
    await writeFile(path, text, { mode: 0o600 })
    const loaded = await loadConfiguration({
      paths: [path],
      env: { ...env },
      fingerprintKey: randomBytes(32),
      nowMs: Date.now(),
    })
    const problems = 'problems' in loaded ? loaded.problems : []
    return { problems, warnings: loaded.warnings }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
