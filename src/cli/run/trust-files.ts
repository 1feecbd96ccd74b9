/** The bundle of authorities as files that only we and the command can read, for as long as it runs. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { renderTrustStore } from '../../tls/java-trust-store.ts'
import { createBundle } from './bundle.ts'
import type { Outline } from './outline.ts'

/** Where the bundle is. */
export interface TrustFiles {
  /** For everything but Java. */
  readonly pem: string
  /** A JKS file. */
  readonly java: string
  /** A wgetrc that names `pem`: wget, where it is built with GnuTLS, reads no variable for it. */
  readonly wget: string
  remove(): Promise<void>
}

/** Writes the files into a folder of their own. */
export async function createTrustFiles(outline: Outline): Promise<TrustFiles> {
  const bundle = createBundle(outline, 'run')
  // mkdtemp makes it 0700.
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-run-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const pem = join(folder, 'ca-bundle.pem')
  const java = join(folder, 'ca-bundle.jks')
  const wget = join(folder, 'wgetrc')
  try {
    await writeFile(pem, bundle.pem, { mode: 0o600 })
    await writeFile(wget, `${await readWgetrc()}\nca_certificate = ${pem}\n`, { mode: 0o600 })
    await writeFile(java, renderTrustStore(bundle.certificates, Date.now()), { mode: 0o600 })
  } catch (error) {
    await remove()
    throw error
  }
  return { pem, java, wget, remove }
}

/** What wget would have read: ours stands in its place. */
function readWgetrc(): Promise<string> {
  const path = process.env['WGETRC'] ?? join(homedir(), '.wgetrc')
  return readFile(path, 'utf8').catch(() => '')
}
