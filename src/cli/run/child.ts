/** Runs a command in our place: its streams are ours, signals go on to it, its end is ours. */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { printError } from '../terminal.ts'

/** What a terminal sends to all processes of its foreground group, so that the command has it already. */
const FROM_TERMINAL = ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const
const FORWARDED = ['SIGTERM', 'SIGUSR1', 'SIGUSR2', ...FROM_TERMINAL] as const

/** Runs the command; its exit code, 128 + n after signal n, 127 or 126 where it cannot be started. */
export async function runChild(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const isOnTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  let child: ChildProcess | undefined
  // Before the command starts: from then on nothing may end us and leave it behind.
  const listeners = FORWARDED.map((signal) => {
    // Twice would be once too often: many programs take a second Ctrl-C for "at once".
    const isTold = isOnTerminal && FROM_TERMINAL.some((each) => each === signal)
    const listener = (): void => {
      if (!isTold) child?.kill(signal)
    }
    process.on(signal, listener)
    return [signal, listener] as const
  })
  try {
    const started = spawn(command, args, { env, stdio: 'inherit' })
    child = started
    return await new Promise<number>((resolve) => {
      started.on('error', (error: NodeJS.ErrnoException) => {
        // Also told of a signal that could not be sent: then the command still runs.
        if (started.pid === undefined) resolve(describeFault(command, error))
      })
      started.on('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
      })
    })
  } finally {
    for (const [signal, listener] of listeners) process.off(signal, listener)
  }
}

/** As shells do: 127 for a command that is not there, 126 for one that may not be run. */
function describeFault(command: string, { code = 'unknown' }: NodeJS.ErrnoException): number {
  const reason = code === 'ENOENT' ? 'no such command' : `it cannot be started (${code})`
  printError(`sidegate run: ${command}: ${reason}`)
  return code === 'ENOENT' ? 127 : 126
}
