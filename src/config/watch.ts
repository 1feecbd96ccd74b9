/**
 * Tells when watched files have changed. File system events (chokidar) are only a trigger, for they
 * miss renamed directories and unknown file systems; a poll stands behind them. What decides is the
 * content: it must differ from what was told last and read the same twice, so that a file in the
 * middle of being written is not loaded.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { basename, dirname } from 'node:path'
import { watch as watchPaths } from 'chokidar'
import type { ChokidarOptions } from 'chokidar'
import { isConfigName, readContents } from './contents.ts'
import type { Contents } from './contents.ts'

/** The clock of a file system is coarse, and on a network not even ours. */
const CLOCK_MARGIN_MS = 2000
/** How long a source may take to be ready before it is closed all the same. */
const READY_LIMIT_MS = 1000
/** No content hashes to it: whatever is found counts as changed. */
const UNKNOWN = 'unknown'

/** What the watcher needs of chokidar. */
export interface EventSource {
  on(event: 'all' | 'ready', listener: () => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
  close(): Promise<void>
}

/** How to watch. */
export interface WatcherOptions {
  /** Called when the content has changed and settled; must not throw. */
  readonly onChange: () => void
  /** Called at most once, when events fail (limits of inotify): the poll goes on alone. */
  readonly onEventsLost?: (error: unknown) => void
  /** Milliseconds between polls; 5000 unless told. */
  readonly pollMs?: number
  /**
   * Milliseconds from an event to a read and between two equal reads; 200 unless told. Chokidar
   * swallows events within 50 ms of another, so it must be more than that.
   */
  readonly settleMs?: number
  /** Where events come from: chokidar unless told, `none` for the poll alone. */
  readonly events?: 'none' | ((paths: string[], options: ChokidarOptions) => EventSource)
}

/** Watches the files of the current generation. */
export interface Watcher {
  /**
   * Watches these files and listings from now on, instead of those before; absolute paths.
   * `loadedAtMs`: when the load that read them began. What has changed since is told at once.
   */
  watch(files: readonly string[], directories: readonly string[], loadedAtMs?: number): void
  /** Looks now; resolves when it has looked, and told. */
  check(): Promise<void>
  close(): Promise<void>
}

/** Creates a watcher that watches nothing yet. Its timers do not keep the process alive. */
export function createWatcher(options: WatcherOptions): Watcher {
  return new ContentWatcher(options)
}

class ContentWatcher implements Watcher {
  readonly #options: WatcherOptions
  readonly #settleMs: number
  readonly #pollMs: number
  readonly #poll: NodeJS.Timeout
  readonly #closing = new AbortController()
  readonly #events: Events | undefined
  #files: readonly string[] = []
  #directories: readonly string[] = []
  #loadedAtMs = Infinity
  /** Changes with every `watch`, so that a check under way notices. */
  #round = 0
  /** Hashes as told last, by the keys of `Contents`. */
  #told = new Map<string, string>()
  #timer: NodeJS.Timeout | undefined
  #pending = 0
  #tail: Promise<void> = Promise.resolve()
  #unsettled = 0

  constructor(options: WatcherOptions) {
    this.#options = options
    this.#settleMs = options.settleMs ?? 200
    this.#pollMs = options.pollMs ?? 5000
    const { events = watchPaths, onEventsLost } = options
    if (events !== 'none') {
      this.#events = new Events(events, onEventsLost, () => {
        this.#trigger(this.#settleMs)
      })
    }
    this.#poll = setInterval(() => {
      if (this.#pending === 0) void this.check()
    }, this.#pollMs).unref()
  }

  watch(files: readonly string[], directories: readonly string[], loadedAtMs = Infinity): void {
    if (this.#closing.signal.aborted) return
    this.#files = [...new Set(files)]
    this.#directories = [...new Set(directories)]
    this.#loadedAtMs = loadedAtMs
    this.#round++
    void this.check()
  }

  check(): Promise<void> {
    // Never joins a check under way: that one may have read before the change of the caller.
    const look = async (): Promise<void> => {
      try {
        await this.#look()
      } finally {
        this.#pending--
      }
    }
    this.#pending++
    this.#tail = this.#tail.then(look, look)
    return this.#tail
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#poll)
    clearTimeout(this.#timer)
    await this.#events?.close()
    await this.#tail
  }

  #trigger(delayMs: number): void {
    // The first trigger sets the time: a file that is written without end must not delay for ever.
    if (this.#timer !== undefined || this.#closing.signal.aborted) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.check()
    }, delayMs).unref()
  }

  async #look(): Promise<void> {
    const round = this.#round
    const first = await this.#read(round)
    if (first === undefined || !this.#isNews(first)) {
      this.#unsettled = 0
      return
    }
    try {
      await sleep(this.#settleMs, undefined, { signal: this.#closing.signal })
    } catch {
      return
    }
    const second = await this.#read(round)
    if (second === undefined) return
    if (!isSame(first, second)) {
      this.#trigger(Math.min(this.#settleMs * 2 ** this.#unsettled++, this.#pollMs))
      return
    }
    this.#unsettled = 0
    for (const [key, { hash }] of second.byPath) this.#told.set(key, hash)
    this.#options.onChange()
  }

  /** `undefined` when what is to be watched has changed meanwhile: another check follows then. */
  async #read(round: number): Promise<Contents | undefined> {
    const contents = await readContents(this.#files, this.#directories)
    if (this.#closing.signal.aborted || round !== this.#round) return undefined
    this.#adopt(contents)
    await this.#events?.follow(contents)
    return contents
  }

  /** Takes what is read for the first time as known, and forgets what is watched no more. */
  #adopt(contents: Contents): void {
    const sinceMs = this.#loadedAtMs - CLOCK_MARGIN_MS
    const told = new Map<string, string>()
    for (const [key, { hash, changedMs }] of contents.byPath) {
      told.set(key, this.#told.get(key) ?? (changedMs >= sinceMs ? UNKNOWN : hash))
    }
    this.#told = told
  }

  #isNews(contents: Contents): boolean {
    for (const [key, { hash }] of contents.byPath) {
      if (this.#told.get(key) !== hash) return true
    }
    return false
  }
}

function isSame(one: Contents, other: Contents): boolean {
  for (const [key, { hash }] of one.byPath) {
    if (other.byPath.get(key)?.hash !== hash) return false
  }
  return true
}

/** Keeps an event source on the directories that matter now. */
class Events {
  readonly #open: (paths: string[], options: ChokidarOptions) => EventSource
  readonly #onLost: ((error: unknown) => void) | undefined
  readonly #onEvent: () => void
  #source: EventSource | undefined
  /** Resolves when the source has said that it is ready, or that it failed. */
  #settled: Promise<void> = Promise.resolve()
  /** What the source watches, inodes included: a directory made anew needs a new watch. */
  #watched = ''
  #isOff = false

  constructor(
    open: (paths: string[], options: ChokidarOptions) => EventSource,
    onLost: ((error: unknown) => void) | undefined,
    onEvent: () => void,
  ) {
    this.#open = open
    this.#onLost = onLost
    this.#onEvent = onEvent
  }

  async follow({ directories, entries, listings }: Contents): Promise<void> {
    const paths = [...directories.keys()].sort()
    const ids = paths.map((path) => `${path} ${directories.get(path) ?? ''}`)
    const watched = [...ids, '', ...[...entries].sort()].join('\0')
    if (this.#isOff || watched === this.#watched) return
    this.#watched = watched
    // Closed before the next is opened: two sources at once would tell everything twice.
    await this.#drop()
    if (this.#hasClosed()) return
    const source = this.#open(paths, {
      // Chokidar loses hold of a watch whose directory it is reading when it is closed: such a watch
      // must not keep the process alive, nor be shared with the next source.
      persistent: false,
      ignoreInitial: true,
      ignorePermissionErrors: true,
      followSymlinks: false,
      atomic: false,
      depth: 0,
      // One watch for each thing that matters, however much else lies in the same directory.
      ignored: (path) =>
        !directories.has(path) &&
        !entries.has(path) &&
        !(listings.has(dirname(path)) && isConfigName(basename(path))),
    })
    this.#source = source
    this.#settled = new Promise<void>((resolve) => {
      source.on('ready', resolve)
      source.on('error', () => {
        resolve()
      })
    })
    source.on('all', this.#onEvent)
    // Whatever happened before it was ready went unseen.
    source.on('ready', this.#onEvent)
    source.on('error', (error) => {
      this.#lose(error)
    })
  }

  /** Also while `follow` was waiting. */
  #hasClosed(): boolean {
    return this.#isOff
  }

  async close(): Promise<void> {
    this.#isOff = true
    await this.#drop()
  }

  #lose(error: unknown): void {
    if (this.#isOff) return
    void this.close()
    this.#onLost?.(error)
  }

  async #drop(): Promise<void> {
    const source = this.#source
    this.#source = undefined
    if (source === undefined) return
    // Closed while it still looks around, chokidar leaves watches behind that nobody can close.
    await Promise.race([this.#settled, sleep(READY_LIMIT_MS, undefined, { ref: false })])
    const closed = source.close()
    // Closing takes the listeners away, and an error without one would end the process.
    source.on('error', () => undefined)
    await closed
  }
}
