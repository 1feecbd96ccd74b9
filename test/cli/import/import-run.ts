/**
 * Runs `sidegate import` on files of a folder of its own, and what it wrote through the real `check`.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { createFolder, runCli, type CliRun } from '../run-cli.ts'

/** Any part of a configuration that was written. */
export type Entry = Readonly<Record<string, unknown>>

/** What was written, by section. */
export interface WrittenConfig {
  readonly inbound?: Entry
  readonly egress?: Entry
  readonly security?: readonly Entry[]
  readonly groups?: readonly Entry[]
  readonly channels?: readonly Entry[]
  readonly outgoing?: readonly Entry[]
}

/** The end of an import. */
export interface ImportRun extends CliRun {
  readonly folder: string
  /** What went to stdout, as YAML. */
  readonly config: WrittenConfig
}

export interface ImportOptions {
  readonly args?: readonly string[]
  /** Further files, by relative path. */
  readonly files?: Readonly<Record<string, string | Buffer>>
  readonly env?: Readonly<Record<string, string>>
}

const upstream = ['--upstream', 'http://127.0.0.1:8080']

/** Writes `export.yaml` and imports it, with an upstream for every service. */
export async function importZato(
  t: Test,
  text: string | Buffer,
  { args = [], files = {}, env = {} }: ImportOptions = {},
): Promise<ImportRun> {
  const folder = await createFolder(t)
  for (const [path, content] of Object.entries({ 'export.yaml': text, ...files })) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content, { mode: 0o600 })
  }
  const own = args.some((arg) => arg.startsWith('--upstream')) ? [] : upstream
  const line = ['import', 'zato', 'export.yaml', ...own, ...args]
  const run = await runCli(line, { cwd: folder, env })
  return { ...run, folder, config: (parse(run.stdout) ?? {}) as WrittenConfig }
}

/** Imports, expects that nothing refuses it, and runs the result through `check`. */
export async function importWhole(
  t: Test,
  text: string | Buffer,
  options: ImportOptions = {},
): Promise<ImportRun> {
  const run = await importZato(t, text, options)
  t.equal(run.code, 0, run.stderr)
  await checkWritten(t, run.folder, run.stdout, options.env)
  return run
}

/** Imports, and expects a refusal that wrote nothing. */
export async function importRefused(
  t: Test,
  text: string | Buffer,
  options: ImportOptions = {},
): Promise<ImportRun> {
  const run = await importZato(t, text, options)
  t.equal(run.code, 1, run.stderr)
  t.equal(run.stdout, '', 'nothing on stdout')
  return run
}

/** `check` on a text, with something in each variable that it names. */
export async function checkWritten(
  t: Test,
  folder: string,
  text: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  await writeFile(join(folder, 'written.yaml'), text, { mode: 0o600 })
  const names = [...text.matchAll(/\$\{env:(\w+)\}/g)].map(([, name = '']) => name)
  const values = Object.fromEntries(names.map((name) => [name, createValue(name)]))
  const checked = await runCli(['check', '-c', 'written.yaml'], {
    cwd: folder,
    env: { ...values, ...env },
  })
  t.equal(checked.code, 0, checked.stdout + checked.stderr)
  return checked.stdout
}

function createValue(name: string): string {
  const random = randomBytes(32).toString('hex')
  return /URL|HOST/.test(name) ? `https://${random.slice(0, 16)}.example` : random
}

/** The entry of a list with a name. */
export function named(list: readonly Entry[] | undefined, name: string): Entry {
  return list?.find((entry) => entry['name'] === name) ?? {}
}
