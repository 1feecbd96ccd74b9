/**
 * Runs slow work, a few tasks at a time, behind a bounded queue that is fair by client: clients take
 * turns, and when the queue is full the client with most in it loses its newest task to one with fewer.
 */
import { isIPv6 } from 'node:net'

/** One piece of work: exactly one of `run` and `refuse` is called, once. */
export interface Task {
  /** Does the work; must not reject. */
  run(): Promise<void>
  /** There is no room; seconds until it is worth trying again. */
  refuse(retryAfterS: number): void
}

/** How much runs and waits. */
export interface QueueSettings {
  /** Tasks at once. */
  readonly concurrency: number
  /** Tasks that may wait. */
  readonly queue: number
}

const MAX_RETRY_AFTER_S = 30
/** Weight of the latest task in the moving average of durations. */
const LATEST = 0.2

export class FairQueue {
  #settings: QueueSettings
  readonly #monotonicMs: () => number
  /** Waiting tasks by client, never empty; whose turn is next comes first. */
  readonly #waiting = new Map<string, Task[]>()
  #length = 0
  #running = 0
  #averageMs = 0

  constructor(settings: QueueSettings, monotonicMs: () => number) {
    this.#settings = settings
    this.#monotonicMs = monotonicMs
  }

  /** Tasks that wait. */
  get length(): number {
    return this.#length
  }

  /** Changes the bounds; what waits keeps its place. */
  configure(settings: QueueSettings): void {
    this.#settings = settings
    this.#startNext()
  }

  /** Runs the task now, later, or refuses it. */
  submit(client: string, task: Task): void {
    if (this.#running < this.#settings.concurrency) {
      this.#start(task)
      return
    }
    const own = this.#waiting.get(client)
    if (this.#length >= this.#settings.queue && !this.#makeRoom((own?.length ?? 0) + 1)) {
      task.refuse(this.#retryAfterS())
      return
    }
    // What made room had more than these, so that `own` is as it was and no list became empty.
    if (own === undefined) this.#waiting.set(client, [task])
    else own.push(task)
    this.#length++
  }

  /** Refuses the newest task of the client with most, unless `wanted` tasks are as many as it has. */
  #makeRoom(wanted: number): boolean {
    let longest: Task[] | undefined
    for (const tasks of this.#waiting.values()) {
      if (tasks.length > (longest?.length ?? wanted)) longest = tasks
    }
    const victim = longest?.pop()
    if (victim === undefined) return false
    this.#length--
    victim.refuse(this.#retryAfterS())
    return true
  }

  #startNext(): void {
    while (this.#running < this.#settings.concurrency) {
      const task = this.#take()
      if (task === undefined) return
      this.#start(task)
    }
  }

  #take(): Task | undefined {
    for (const [client, tasks] of this.#waiting) {
      const task = tasks.shift()
      this.#waiting.delete(client)
      // Behind all others: it has had its turn.
      if (tasks.length > 0) this.#waiting.set(client, tasks)
      this.#length--
      return task
    }
    return undefined
  }

  #start(task: Task): void {
    this.#running++
    const startedAt = this.#monotonicMs()
    void task.run().finally(() => {
      const durationMs = this.#monotonicMs() - startedAt
      this.#averageMs += (durationMs - this.#averageMs) * (this.#averageMs === 0 ? 1 : LATEST)
      this.#running--
      this.#startNext()
    })
  }

  #retryAfterS(): number {
    const waitMs = (this.#length * this.#averageMs) / Math.max(this.#settings.concurrency, 1)
    return Math.min(Math.max(Math.ceil(waitMs / 1000), 1), MAX_RETRY_AFTER_S)
  }
}

/**
 * The client that an address counts as: IPv4 as it is, also where it is mapped into IPv6; of IPv6 the
 * first 64 bits, since whoever has one address of a network has all of them.
 */
export function clientOf(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = address.lastIndexOf(':') + 1
  if (address.includes('.') && address.toLowerCase().startsWith('::ffff:')) {
    return address.slice(mapped)
  }
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    // An IPv4 address at the end stands for two groups.
    const behind = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0)
    while (groups.length + behind < 8) groups.push('0')
    if (tail !== '') groups.push(...tail.split(':'))
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
