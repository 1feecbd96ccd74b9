/**
 * `sidegate serve`: runs the gate until a signal ends it. SIGHUP reloads, SIGTERM drains, a second
 * SIGTERM or Ctrl-C ends at once.
 */
import { randomBytes } from 'node:crypto'
import { Gate, loadForStart } from '../gate.ts'
import { ListenError } from '../gate/listeners.ts'
import { findConfigurationPaths } from '../config/find-paths.ts'
import { formatProblem } from '../config/problems.ts'

/** Runs the configuration at the paths (the default places, if none) until the end; gives the exit code. */
export async function serve(configPaths: readonly string[]): Promise<number> {
  const options = {
    paths: findConfigurationPaths(configPaths, process.env, process.cwd()),
    env: process.env,
    fingerprintKey: randomBytes(32),
  }
  const loadedAtMs = Date.now()
  const loaded = await loadForStart(options)
  if (!('config' in loaded)) {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`)
    return 1
  }
  const gate = new Gate(options, loaded.config)
  process.on('exit', () => {
    gate.log.flushSync()
  })
  const ended = handleSignals(gate)
  try {
    await gate.start(loaded, loadedAtMs)
  } catch (error) {
    if (!(error instanceof ListenError)) throw error
    process.stderr.write(`sidegate: ${error.message}\n`)
    await gate.stop({ skipsDelay: true })
    return 1
  }
  return await ended
}

/** Resolves with the exit code when the gate has come to its end. */
function handleSignals(gate: Gate): Promise<number> {
  process.on('SIGHUP', () => {
    void gate.reload()
  })
  return new Promise((resolve) => {
    let isEnding = false
    const end = (skipsDelay: boolean): void => {
      if (isEnding) {
        process.exit(1)
      }
      isEnding = true
      void gate.stop({ skipsDelay }).then(() => {
        resolve(0)
      })
    }
    process.on('SIGTERM', () => {
      end(false)
    })
    process.on('SIGINT', () => {
      end(true)
    })
  })
}
