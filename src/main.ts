#!/usr/bin/env node
/**
 * The executable: argv → one command → exit code. 0 done, 1 problem found, 2 usage. What is not a
 * bug is said in one line; a bug keeps its stack.
 */
import { type Command, CommandError, UsageError, suggest } from './cli/command.ts'
import { type CommandName, commands } from './cli/commands.ts'
import { renderCommandHelp, renderProgramHelp } from './cli/help.ts'
import { createPaint, print, printError } from './cli/terminal.ts'
import { version } from './version.ts'

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  try {
    return await dispatch(first, rest)
  } catch (error) {
    return reportError(error, isCommandName(first) ? ` ${first}` : '')
  }
}

async function dispatch(first: string | undefined, rest: readonly string[]): Promise<number> {
  const paint = createPaint(process.stdout, process.env)
  if (first === undefined) {
    printError(renderProgramHelp(commands, createPaint(process.stderr, process.env)))
    return 2
  }
  if (first === '--version' || first === '-V') return showVersion()
  if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
    print(renderProgramHelp(commands, paint))
    return 0
  }
  const command = await loadCommand(first === 'help' ? (rest[0] ?? '') : first)
  const asked = findAskedInformation(rest)
  if (first === 'help' || asked === 'help') {
    print(renderCommandHelp(command.manual, paint))
    return 0
  }
  return asked === 'version' ? showVersion() : command.run(rest)
}

function isCommandName(name: string | undefined): name is CommandName {
  return name !== undefined && Object.hasOwn(commands, name)
}

function loadCommand(name: string): Promise<Command> {
  if (isCommandName(name)) return commands[name].load()
  const known = [...Object.keys(commands), 'help']
  if (name.startsWith('-')) {
    throw new UsageError(`unknown option "${name}", a command was wanted: ${known.join(', ')}`)
  }
  throw new UsageError(`unknown command "${name}"${suggest(name, known)}`)
}

/** `--help` and `--version` mean the same everywhere, whatever else is wrong with the line. */
function findAskedInformation(args: readonly string[]): 'help' | 'version' | undefined {
  for (const arg of args) {
    if (arg === '--') return undefined
    if (arg === '--help' || arg === '-h') return 'help'
    if (arg === '--version' || arg === '-V') return 'version'
  }
  return undefined
}

function showVersion(): number {
  print(version)
  return 0
}

function reportError(error: unknown, command: string): number {
  if (error instanceof UsageError) {
    printError(`sidegate${command}: ${error.message} (try "sidegate${command} --help")`)
    return 2
  }
  if (error instanceof CommandError || isSystemError(error)) {
    printError(`sidegate${command}: ${error.message}`)
    return 1
  }
  printError(`sidegate${command}: this is a bug in Sidegate, please report it with these lines`)
  printError(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return 1
}

/** Errors of the operating system (no such file, address in use) are not bugs of ours. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}

/** A reader that has seen enough (`sidegate schema | head`) is no reason to complain. */
function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}

process.stdout.on('error', ignoreBrokenPipe)
process.stderr.on('error', ignoreBrokenPipe)
process.exitCode = await main(process.argv.slice(2))
