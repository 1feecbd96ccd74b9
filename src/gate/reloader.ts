/**
 * Brings configurations in: loads off the event loop, one at a time, and either takes the new one
 * over whole or keeps the old one and says why.
 */
import type { LoadResult } from '../config/load.ts'
import type { Config, Problem } from '../config/model.ts'
import type { Watcher } from '../config/watch.ts'
import type { ReloadResult } from '../admin/handler.ts'
import type { ReloadState } from '../admin/status.ts'
import type { Log } from '../observe/log.ts'
import type { Metrics } from '../observe/metrics.ts'

/** Problems that are logged, and kept for `/status`. */
const MAX_PROBLEMS = 100

/** A configuration that is served now. */
export interface Applied {
  readonly generation: number
  readonly restartRequired: readonly string[]
}

export interface ReloaderServices {
  /** Loads everything anew; never rejects. */
  readonly load: () => Promise<LoadResult>
  /** Takes a configuration over; gives the number of its generation and what needs a restart. */
  readonly apply: (config: Config, loadedAtMs: number) => Promise<Applied>
  readonly watcher: Watcher
  readonly log: Log
  readonly metrics: Metrics
  readonly nowMs: () => number
}

export class Reloader {
  readonly #services: ReloaderServices
  #contentHash = ''
  #generation = 0
  #restartRequired: readonly string[] = []
  #state: ReloadState | undefined
  #tail: Promise<unknown> = Promise.resolve()

  constructor(services: ReloaderServices) {
    this.#services = services
  }

  /** The last attempt, for `/status`. */
  get state(): ReloadState | undefined {
    return this.#state
  }

  /** Loads and applies; a call during another one loads once more after it. */
  reload(): Promise<ReloadResult> {
    const next = this.#tail.then(() => this.#reload())
    this.#tail = next.catch(() => undefined)
    return next
  }

  /** Takes over what was loaded at the start. */
  async begin(
    loaded: Extract<LoadResult, { readonly config: Config }>,
    atMs: number,
  ): Promise<void> {
    await this.#apply(loaded, atMs)
  }

  async #reload(): Promise<ReloadResult> {
    const startedAtMs = this.#services.nowMs()
    const loaded = await this.#services.load()
    if (!('config' in loaded)) {
      this.#services.watcher.watch(loaded.files, loaded.directories, startedAtMs)
      return this.#refuse(loaded.problems)
    }
    if (loaded.contentHash === this.#contentHash) {
      this.#services.watcher.watch(loaded.config.files, loaded.config.directories, startedAtMs)
      // The files are as they were: only a failure that is mended this way is news.
      if (this.#state?.result === 'failure') this.#succeed()
      this.#services.log.debug('config_unchanged', { generation: this.#generation })
      return { generation: this.#generation }
    }
    try {
      await this.#apply(loaded, startedAtMs)
    } catch (error) {
      // A fault of ours, not of the files: what runs goes on running.
      this.#services.log.error('config_not_applied', { detail: String(error) })
      return this.#refuse([wholeProblem('it could not be taken over; the log says why')])
    }
    return { generation: this.#generation }
  }

  async #apply(
    loaded: Extract<LoadResult, { readonly config: Config }>,
    startedAtMs: number,
  ): Promise<void> {
    const { log, apply, watcher, nowMs } = this.#services
    const { config, contentHash, warnings } = loaded
    const { generation, restartRequired } = await apply(config, nowMs())
    this.#generation = generation
    this.#contentHash = contentHash
    this.#restartRequired = restartRequired
    watcher.watch(config.files, config.directories, startedAtMs)
    this.#succeed()
    for (const warning of warnings) log.warn('config_warning', { ...warning })
    log.info('config_loaded', {
      generation,
      definitions: config.definitions.size,
      groups: config.groups.size,
      channels: config.channels.length,
      outgoing: config.outgoing.length,
    })
    if (restartRequired.length > 0) {
      log.warn('restart_required', { settings: restartRequired })
    }
  }

  #succeed(): void {
    const atMs = this.#services.nowMs()
    if (this.#state === undefined) this.#services.metrics.loaded(atMs)
    else this.#services.metrics.reload('success', atMs)
    this.#state = { result: 'success', atMs, errors: [], restartRequired: this.#restartRequired }
  }

  #refuse(all: readonly Problem[]): ReloadResult {
    const errors = bound(all)
    const { log, metrics, nowMs } = this.#services
    const atMs = nowMs()
    metrics.reload('failure', atMs)
    this.#state = { result: 'failure', atMs, errors, restartRequired: this.#restartRequired }
    for (const problem of errors) log.error('config_problem', { ...problem })
    log.error('config_refused', { kept_generation: this.#generation, problems: all.length })
    return { errors }
  }
}

/** A broken list of callers can have a problem a line; `sidegate check` prints all of them. */
function bound(problems: readonly Problem[]): readonly Problem[] {
  const left = problems.length - MAX_PROBLEMS
  if (left <= 0) return problems
  const more = wholeProblem(`${left} more problems, which "sidegate check" prints`)
  return [...problems.slice(0, MAX_PROBLEMS), more]
}

function wholeProblem(problem: string): Problem {
  return { file: '', line: 0, column: 0, path: '', problem }
}
