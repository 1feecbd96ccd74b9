/**
 * Loads a configuration without holding up the event loop: a thread of its own does the work, and
 * goes afterwards with all its memory. The result comes in small parts, with a turn of the loop
 * between them. A thread that dies is a problem of the load, never the end of the process.
 */
import { resolve } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { Assembler } from './handover.ts'
import type { Part } from './handover.ts'
import type { LoadOptions, LoadResult } from './load.ts'

/** Limits of the thread. */
export interface LoadWorkerOptions {
  /** What it may put on its heap; as much as the process itself unless told. */
  readonly memoryMb?: number
  /** When it is given up; five minutes unless told, for a container with little processor time. */
  readonly timeoutMs?: number
  /** Its code; for tests. */
  readonly entry?: URL
}

/** Loads like `loadConfiguration`, in a thread. Never rejects: what goes wrong is a problem. */
export function loadInWorker(
  options: LoadOptions,
  { memoryMb, timeoutMs = 300_000, entry = findEntry() }: LoadWorkerOptions = {},
): Promise<LoadResult> {
  return new Promise((resolveResult) => {
    const worker = new Worker(entry, {
      name: 'configuration',
      env: {},
      execArgv: [],
      argv: [],
      workerData: {
        ...options,
        // A copy: cloning takes all memory behind a Buffer, which is a pool.
        fingerprintKey: new Uint8Array(options.fingerprintKey),
        env: { ...options.env },
      },
      resourceLimits: { maxOldGenerationSizeMb: memoryMb ?? findHeapLimitMb() },
    })
    const assembler = new Assembler()
    const timer = setTimeout(() => {
      fail(`gave no result within ${timeoutMs / 1000} s`)
    }, timeoutMs)

    function finish(result: LoadResult): void {
      clearTimeout(timer)
      void worker.terminate()
      resolveResult(result)
    }
    function fail(what: string): void {
      finish(describeFailure(options.paths, what))
    }
    worker.on('message', (message: Part | 'end') => {
      if (message === 'end') {
        finish(assembler.value as LoadResult)
        return
      }
      assembler.add(message)
      // Not at once: the next part could be here before this turn of the loop is over.
      setImmediate(() => {
        worker.postMessage('taken')
      })
    })
    worker.on('messageerror', () => {
      fail('gave a result that cannot be read')
    })
    worker.on('error', (error: unknown) => {
      fail(describeError(error))
    })
    worker.on('exit', (code) => {
      fail(`ended early, with exit code ${code}`)
    })
  })
}

/** Beside this file, compiled or not. */
function findEntry(): URL {
  const here = import.meta.url
  return new URL(`./worker${here.slice(here.lastIndexOf('.'))}`, here)
}

function findHeapLimitMb(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / 1024 / 1024)
}

/** What the operator sees; everything that was asked for stays watched, whatever it is. */
function describeFailure(paths: readonly string[], what: string): LoadResult {
  const places = paths.map((path) => resolve(path))
  const problem = `the thread that loads the configuration ${what}`
  return {
    problems: [{ file: paths[0] ?? '', line: 0, column: 0, path: '', problem }],
    warnings: [],
    files: places,
    directories: places,
    contentHash: '',
  }
}

/** Kind and place of an error, not its message: that may repeat what was read, a secret too. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') return 'ran out of memory'
  const place = /[/\\]([\w.-]{1,80}\.[cm]?[jt]s:\d+:\d+)\)?$/m.exec(error.stack ?? '')?.[1]
  const name = /^\w{1,80}$/.test(error.name) ? error.name : 'Error'
  return `failed: ${name}${place === undefined ? '' : ` at ${place}`}`
}
