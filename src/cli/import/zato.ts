/**
 * `sidegate import zato FILE…`: enmasse files become a configuration, or a report of why they cannot.
 */
import type { Problem } from '../../config/model.ts'
import { CommandError } from '../command.ts'
import { createPaint, printError } from '../terminal.ts'
import { type FindingKind, Findings } from './findings.ts'
import { readEnvFile } from './env-file.ts'
import type { ImportValues } from './manual.ts'
import { readText } from './read-text.ts'
import { type Lists, renderConfiguration } from './render.ts'
import { verifyConfiguration } from './verify.ts'
import { Variables } from './variables.ts'
import { checkTarget, writeResult } from './write-result.ts'
import { convertEnmasse } from './zato/convert.ts'
import { readEnmasse } from './zato/enmasse.ts'
import type { Written } from './zato/model.ts'
import { readUpstreams } from './zato/upstreams.ts'

const MAX_ENV_BYTES = 1024 * 1024

/** Imports enmasse files; gives the exit code. */
export async function importZato(files: readonly string[], values: ImportValues): Promise<number> {
  const { out, force, 'env-file': envFile } = values
  const target = { out, force }
  const inputs = [...files, ...(envFile === undefined ? [] : [envFile])]
  await checkTarget(target, inputs)
  const enmasse = readEnmasse(files)
  const given = envFile === undefined ? new Map<string, string>() : loadEnvFile(envFile)
  const upstreams = readUpstreams(values.upstream, values.upstreams)
  const context = {
    findings: new Findings(),
    variables: new Variables(),
    lookUp: (name: string) => given.get(name) ?? process.env[name],
  }
  const lists = convertEnmasse(enmasse, context, upstreams, given.get('Zato_API_Key_Name'))
  const { findings, variables } = context
  if (
    Object.values(lists).every((drafts) => drafts.length === 0) &&
    findings.count('problem') === 0
  ) {
    throw new CommandError(`${files.join(', ')}: nothing in it that Sidegate could do`)
  }
  const text = renderConfiguration(
    describeImport(),
    describeListeners(lists, upstreams.common),
    lists,
  )
  if (findings.count('problem') === 0) {
    await addLoadProblems(text, variables.createTrial(), lists, findings)
  }
  variables.report(findings)
  const refused = findRefusals(findings, values)
  printReport(findings, refused)
  if (refused.size > 0) return 1
  await writeResult(text, target)
  if (out !== undefined)
    printError(`Wrote ${out}. Set the variables, then: sidegate check --config ${out}`)
  return 0
}

function loadEnvFile(path: string): ReadonlyMap<string, string> {
  return readEnvFile(path, readText(path, MAX_ENV_BYTES, 'wanted lines NAME=value'))
}

function describeImport(): string {
  return [
    'Made by "sidegate import zato". What is different from before was told in its report.',
    'Secrets come from the environment of Sidegate; "sidegate check" names those that are missing.',
  ].join('\n')
}

function describeListeners(lists: Lists, upstream: string | undefined): Record<string, Written> {
  const inbound = { listen: '127.0.0.1:8000', ...(upstream === undefined ? {} : { upstream }) }
  return {
    ...(lists.channels.length === 0 ? {} : { inbound }),
    ...(lists.outgoing.length === 0 ? {} : { egress: { listen: '127.0.0.1:3128' } }),
  }
}

/** What the loader finds is told at the place in the input. */
async function addLoadProblems(
  text: string,
  env: Readonly<Record<string, string>>,
  lists: Lists,
  findings: Findings,
): Promise<void> {
  const { problems, warnings } = await verifyConfiguration(text, env)
  const add = (kind: FindingKind, { path, problem }: Problem): void => {
    const [, section = '', index = '', setting = ''] = /^(\w+)\.(\d+)\.?(.*)$/.exec(path) ?? []
    const draft = Object.hasOwn(lists, section)
      ? lists[section as keyof Lists][Number(index)]
      : undefined
    const name = draft?.entry['name']
    const owner = typeof name === 'string' ? `${section} "${name}"` : path
    // Places in the file that was loaded are nowhere now; what was found may be a password in the wrong place.
    const told = problem
      .replace(/ \([^()]*sidegate\.yaml:\d+\)/g, '')
      .replace(/^found "(?:[^"\\]|\\.)*",? /, '')
    findings.add(kind, draft?.place, `${owner}${setting === '' ? '' : ` ${setting}`}: ${told}`)
  }
  for (const problem of problems) add('problem', problem)
  // The others are about secrets, which have trial values here.
  for (const warning of warnings) if (warning.path.startsWith('channels')) add('changed', warning)
}

function findRefusals(findings: Findings, values: ImportValues): ReadonlySet<FindingKind> {
  const refused = new Set<FindingKind>()
  if (findings.count('problem') > 0) refused.add('problem')
  if (findings.count('public') > 0 && !values['confirm-public']) refused.add('public')
  if (findings.count('any') > 0 && !values['confirm-any']) refused.add('any')
  return refused
}

function printReport(findings: Findings, refused: ReadonlySet<FindingKind>): void {
  const paint = createPaint(process.stderr, process.env)
  for (const line of findings.render(refused, paint)) printError(line)
  if (refused.size === 0) return
  const flags = [...refused].filter((kind) => kind !== 'problem')
  const cure = flags.map((kind) => `--confirm-${kind}`).join(' and ')
  const hint = cure === '' ? '' : `; where that is right: ${cure}`
  printError(paint.red(`Nothing was written${hint}`))
}
