/**
 * Turns the table of commands and their manuals into the text of `--help`.
 */
import type { Manual, OptionManual } from './command.ts'
import type { Paint } from './terminal.ts'
import { version } from '../version.ts'

const WIDTH = 88

/** The help of the program: what it is, its commands, where to go on. */
export function renderProgramHelp(
  commands: Readonly<Record<string, { readonly summary: string }>>,
  paint: Paint,
): string {
  const rows = Object.entries(commands).map(
    ([name, { summary }]) => [`  ${name}`, summary] as const,
  )
  return [
    `Sidegate ${version}: lets in only the callers that it knows, and tells the service who is calling.`,
    '',
    `${paint.bold('Usage:')} sidegate COMMAND [OPTIONS]`,
    '',
    paint.bold('Commands:'),
    ...renderRows(rows),
    '',
    paint.bold('First steps:'),
    '  sidegate demo               see it work, on this machine alone',
    '  sidegate init               write a sidegate.yaml to start from',
    '  sidegate COMMAND --help     options and examples of a command',
    '',
    'The configuration is --config PATH, else $SIDEGATE_CONFIG, else ./sidegate.yaml, else /etc/sidegate.',
    'Exit codes: 0 done, 1 problem found, 2 usage.',
  ].join('\n')
}

/** The help of one command: usage, what it does, options, examples. */
export function renderCommandHelp(manual: Manual, paint: Paint): string {
  const options = Object.entries(manual.options).map(
    ([name, option]) => [renderOptionName(name, option), option.text] as const,
  )
  return [
    `${paint.bold('Usage:')} ${`sidegate ${manual.name} ${manual.usage}`.trimEnd()}`,
    '',
    ...wrap(manual.about, WIDTH),
    '',
    paint.bold('Options:'),
    ...renderRows([...options, ['  -h, --help', 'this text']]),
    '',
    paint.bold('Examples:'),
    ...manual.examples.flatMap(([line, text]) => [`  ${line}`, paint.dim(`      ${text}`)]),
  ].join('\n')
}

function renderOptionName(name: string, { short, kind, value }: OptionManual): string {
  const letter = short === undefined ? '    ' : `-${short}, `
  const argument = kind === 'flag' ? '' : ` ${value ?? 'VALUE'}`
  return `  ${letter}--${name}${argument}`
}

function renderRows(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 3
  return rows.flatMap(([left, text]) =>
    wrap(text, WIDTH - width).map((line, index) =>
      index === 0 ? left.padEnd(width) + line : ' '.repeat(width) + line,
    ),
  )
}

function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines = ['']
    for (const word of paragraph.split(' ')) {
      const last = lines.at(-1) ?? ''
      if (last === '') lines[lines.length - 1] = word
      else if (last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`
      else lines.push(word)
    }
    return lines
  })
}
