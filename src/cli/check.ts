/**
 * `sidegate check`: every problem and warning of a configuration at once, or what is in it. Reads
 * files and nothing else: no network, no listener.
 */
import type { Config, Problem } from '../config/model.ts'
import { formatProblem } from '../config/problems.ts'
import {
  type Command,
  configOption,
  defineManual,
  expectPositionals,
  parseOptions,
} from './command.ts'
import { type Paint, createPaint, print } from './terminal.ts'

const manual = defineManual({
  name: 'check',
  usage: '[--config PATH]... [--json]',
  about:
    'Reads the configuration with every file that it names and prints all problems and warnings, one a line, as ' +
    'FILE:LINE:COL PATH: problem; where there is no problem, also what is in it. Exit code 0 without problems, else 1; ' +
    'warnings do not count. Secrets are resolved, so it needs the environment of the gate; they are never printed.',
  options: {
    config: configOption,
    json: { kind: 'flag', text: 'the same as one JSON object, for programs' },
  },
  examples: [
    ['sidegate check', 'checks ./sidegate.yaml'],
    ['sidegate check -c base.yaml -c conf.d', 'checks files that are joined to one configuration'],
    ['sidegate check --json | jq .problems', 'for editors and pipelines'],
  ],
})

async function runCheck(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(manual, args)
  expectPositionals(manual, positionals, [])
  const { loadOnce } = await import('./configuration.ts')
  const loaded = await loadOnce(values.config)
  const problems = 'problems' in loaded ? loaded.problems : []
  const { warnings } = loaded
  const config = 'config' in loaded ? loaded.config : undefined
  if (values.json) {
    const summary = config === undefined ? undefined : countParts(config)
    print(
      JSON.stringify({ valid: config !== undefined, problems, warnings, summary }, undefined, 2),
    )
    return config === undefined ? 1 : 0
  }
  const paint = createPaint(process.stdout, process.env)
  for (const problem of problems) print(renderProblem(problem, 'problem', paint))
  for (const warning of warnings) print(renderProblem(warning, 'warning', paint))
  print(
    config === undefined ? renderCounts(problems, warnings, paint) : renderSummary(config, paint),
  )
  return config === undefined ? 1 : 0
}

/** The line of `formatProblem`; a warning says that it is one, colours say it twice. */
function renderProblem(problem: Problem, kind: 'problem' | 'warning', paint: Paint): string {
  const word = kind === 'warning' ? `warning: ${problem.problem}` : problem.problem
  const line = formatProblem({ ...problem, problem: word })
  const place = line.slice(0, line.length - word.length)
  return paint.bold(place) + (kind === 'warning' ? paint.yellow(word) : paint.red(word))
}

function renderCounts(
  problems: readonly Problem[],
  warnings: readonly Problem[],
  paint: Paint,
): string {
  const found = `${count(problems.length, 'problem')}, ${count(warnings.length, 'warning')}`
  return paint.red(`not valid: ${found}`)
}

/** How much of what a configuration holds. */
function countParts(config: Config) {
  return {
    definitions: config.definitions.size,
    groups: config.groups.size,
    channels: config.channels.length,
    outgoing: config.outgoing.length,
    listeners: listListeners(config),
    files: config.files.length,
  }
}

function renderSummary(config: Config, paint: Paint): string {
  const parts = countParts(config)
  const lines = [
    paint.green('valid: ') +
      [
        count(parts.definitions, 'security definition'),
        count(parts.groups, 'group'),
        count(parts.channels, 'channel'),
        count(parts.outgoing, 'outgoing connection'),
        count(parts.files, 'file'),
      ].join(', '),
    ...parts.listeners.map(({ side, address }) => `  ${side.padEnd(8)} ${address}`),
  ]
  return lines.join('\n')
}

function listListeners({ inbound, egress, admin }: Config) {
  const sides = [
    ...(inbound?.listeners ?? []).map(({ address }) => ({ side: 'inbound', address })),
    ...(egress?.listeners ?? []).map(({ address }) => ({ side: 'egress', address })),
    ...(admin === undefined ? [] : [{ side: 'admin', address: admin.listen }]),
    ...(admin?.probes === undefined ? [] : [{ side: 'probes', address: admin.probes }]),
  ]
  return sides.map(({ side, address }) => ({
    side,
    address: address.kind === 'unix' ? `unix:${address.path}` : renderTcp(address),
  }))
}

function renderTcp({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** `sidegate check`. */
export const checkCommand: Command = { manual, run: runCheck }
