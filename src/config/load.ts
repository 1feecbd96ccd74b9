/**
 * Loads a configuration: reads the files, parses, merges, validates, resolves. All problems of all
 * files come at once. Works in any thread; reads synchronously, so a running gate loads in a worker.
 */
import { checkModules } from './check-modules.ts'
import { ResolveContext } from './context.ts'
import { FileReader } from './file-reader.ts'
import { mergeTrees } from './merge.ts'
import type { Config, Problem } from './model.ts'
import { ProblemList } from './problems.ts'
import { resolveConfiguration } from './resolve.ts'
import type { Resolved } from './resolve.ts'
import { findLiteralSecret, readSources } from './sources.ts'
import type { Sources } from './sources.ts'
import { validateTree } from './validate.ts'

export { findConfigurationPaths } from './find-paths.ts'
export { formatProblem } from './problems.ts'

/** What to load, and what it depends on. */
export interface LoadOptions {
  /** Files and folders, as from `findConfigurationPaths`. */
  readonly paths: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** Key of the process, at least 32 random bytes: fingerprints and content hashes are HMACs under it. */
  readonly fingerprintKey: Buffer
  readonly nowMs: number
}

/** A configuration, or everything that is wrong with it. */
export type LoadResult =
  | {
      readonly config: Config
      readonly warnings: readonly Problem[]
      /** Equal when nothing that was read has changed. */
      readonly contentHash: string
    }
  | {
      readonly problems: readonly Problem[]
      readonly warnings: readonly Problem[]
      /** Absolute paths of what was read, or should have been: what to watch for a repair. */
      readonly files: readonly string[]
      readonly directories: readonly string[]
    }

/** Settings whose files hold no secret: certificates. */
const PUBLIC = /(?:^|\.)(?:cert|ca|client_ca)$/

/** Loads the configuration; what is wrong with it is a value, only bugs reject. */
export async function loadConfiguration({
  paths,
  env,
  fingerprintKey,
  nowMs,
}: LoadOptions): Promise<LoadResult> {
  const reader = new FileReader(env, fingerprintKey)
  const problems = new ProblemList()
  const warnings = new ProblemList()
  const read = readSources(paths, {
    reader,
    problems,
    onOpenFile: (place, label, path) => {
      if (PUBLIC.test(label)) return
      warnings.addAt(place, label, `other users can read the file "${path}"`)
    },
  })
  for (const { file, root, isOpenToOthers } of read.sources) {
    const literal = isOpenToOthers ? findLiteralSecret(root) : undefined
    if (literal === undefined) continue
    warnings.addAt({ ...literal.place, file }, '', 'a secret in a file that other users can read')
  }
  const resolved = await resolveSources(read, reader, problems, warnings, fingerprintKey, nowMs)
  const { files, directories } = reader
  const sortedWarnings = warnings.sorted(read.order)
  if (resolved === undefined || problems.count > 0) {
    const sorted = problems.sorted(read.order)
    return { problems: sorted, warnings: sortedWarnings, files, directories }
  }
  const contentHash = reader.digest()
  return { config: { ...resolved, files, directories }, warnings: sortedWarnings, contentHash }
}

async function resolveSources(
  { sources, isPartial }: Sources,
  reader: FileReader,
  problems: ProblemList,
  warnings: ProblemList,
  fingerprintKey: Buffer,
  nowMs: number,
): Promise<Resolved | undefined> {
  const root = mergeTrees(
    sources.map((source) => source.root),
    problems,
  )
  if (root === undefined) return undefined
  const validated = validateTree(root, problems)
  // Without one of the files names would seem to be unknown.
  if (isPartial) return undefined
  const context = new ResolveContext(root, reader, problems, warnings, fingerprintKey, nowMs)
  const resolved = resolveConfiguration(context, validated)
  if (resolved !== undefined) await checkModules(context, validated, resolved)
  return resolved
}
