/**
 * One thread with a module: starts it with nothing of ours but what it is given, calls its functions
 * within their time, and ends it when it does not answer any more or has grown too large.
 */
import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads'
import {
  faults,
  type FoundExports,
  type HostMessage,
  type ReducedAnswer,
  type SchemeCall,
  type StartMessage,
  type ThreadMessage,
} from './messages.ts'

/** What a thread is made of. */
export interface ThreadSettings {
  /** Absolute path. */
  readonly module: string
  readonly memoryBytes: number
  readonly options: Readonly<Record<string, unknown>>
  readonly secrets: readonly (readonly [string, string])[]
  /** Of one call, from when it is asked for. */
  readonly timeoutMs: number
}

/** What becomes of a thread; `onEnd` once, unless it was closed. */
export interface ThreadEvents {
  readonly onEnd: (why: string) => void
  readonly onFull: () => void
}

/** A module that cannot be loaded, or a call that did not go well; in our words. */
export class ModuleFault extends Error {}

const LOAD_MS = 10_000
/** A thread that does not answer for so long after a call was late is in a loop. */
const PING_MS = 500
const MIB = 1024 * 1024

interface Pending {
  readonly resolve: (answer: ReducedAnswer) => void
  readonly reject: (fault: ModuleFault) => void
  readonly timer: NodeJS.Timeout
  readonly name: string
}

export class SchemeThread {
  /** Rejects with a `ModuleFault`. */
  readonly loaded: Promise<FoundExports>
  readonly #settings: ThreadSettings
  readonly #events: ThreadEvents
  readonly #worker: Worker
  readonly #channel = new MessageChannel()
  readonly #pending = new Map<string, Pending>()
  /** Those that wait for the module to be loaded, too. */
  #calls = 0
  #settleLoad: ((outcome: FoundExports | ModuleFault) => void) | undefined
  #loadTimer: NodeJS.Timeout | undefined
  #pingTimer: NodeJS.Timeout | undefined
  #isClosing = false
  #isOver = false

  constructor(settings: ThreadSettings, events: ThreadEvents) {
    this.#settings = settings
    this.#events = events
    this.loaded = new Promise((resolve, reject) => {
      this.#settleLoad = (outcome) => {
        clearTimeout(this.#loadTimer)
        this.#settleLoad = undefined
        if (outcome instanceof ModuleFault) reject(outcome)
        else resolve(outcome)
      }
    })
    // Whoever calls learns it from the call.
    this.loaded.catch(ignore)
    this.#worker = this.#start()
    this.#loadTimer = setTimeout(() => {
      this.#end(`the module was not loaded within ${LOAD_MS / 1000} s`)
    }, LOAD_MS)
  }

  /** One call; rejects with a `ModuleFault`. */
  async call(call: SchemeCall): Promise<ReducedAnswer> {
    this.#calls += 1
    try {
      await this.loaded
      return await this.#ask(call)
    } finally {
      this.#calls -= 1
      if (this.#isClosing && this.#calls === 0) this.#end('closed')
    }
  }

  /** Ends it when the calls under way are done. */
  close(): void {
    this.#isClosing = true
    if (this.#calls === 0) this.#end('closed')
  }

  #ask(call: SchemeCall): Promise<ReducedAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) {
        reject(new ModuleFault('the thread of the module has ended'))
        return
      }
      const id = randomUUID()
      const { timeoutMs } = this.#settings
      const timer = setTimeout(() => {
        this.#settle(id)?.reject(new ModuleFault(`${call.name} took more than ${timeoutMs} ms`))
        this.#checkAlive()
      }, timeoutMs)
      this.#pending.set(id, { resolve, reject, timer, name: call.name })
      this.#post({ ...call, id })
    })
  }

  #start(): Worker {
    const { module, memoryBytes, options, secrets } = this.#settings
    const worker = new Worker(new URL('./scheme-worker.js', import.meta.url), {
      name: 'custom scheme',
      env: {},
      argv: [],
      execArgv: [],
      stdout: true,
      stderr: true,
      trackUnmanagedFds: true,
      resourceLimits: {
        maxOldGenerationSizeMb: Math.ceil(memoryBytes / MIB),
        maxYoungGenerationSizeMb: Math.max(4, Math.ceil(memoryBytes / MIB / 8)),
      },
    })
    const { port1, port2 } = this.#channel
    const start: StartMessage = { port: port2, module, memoryBytes, options, secrets }
    worker.postMessage(start, [port2])
    port1.on('message', (message: ThreadMessage) => {
      this.#received(message)
    })
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
      this.#end(
        isMemory ? 'the module took more memory than it may' : 'the module threw outside of a call',
      )
    })
    worker.on('exit', () => {
      // What it said last may not have come yet: why it cannot be loaded.
      for (let last = receiveMessageOnPort(port1); last !== undefined;) {
        this.#received(last.message as ThreadMessage)
        last = this.#isOver ? undefined : receiveMessageOnPort(port1)
      }
      this.#end('the module ended its thread')
    })
    // Neither keeps a process alive that is done. What it prints is never read, which would: it stays
    // in the thread and within its memory.
    worker.unref()
    port1.unref()
    return worker
  }

  #post(message: HostMessage): void {
    this.#channel.port1.postMessage(message)
  }

  #received(message: ThreadMessage): void {
    switch (message.kind) {
      case 'loaded':
        this.#settleLoad?.(message.exports)
        break
      case 'unloadable':
        this.#end(message.problem)
        break
      case 'answer':
        this.#settle(message.id)?.resolve(message.answer)
        break
      case 'fault':
        this.#fault(message)
        break
      case 'pong':
        clearTimeout(this.#pingTimer)
        this.#pingTimer = undefined
        break
      case 'full':
        this.#events.onFull()
        break
    }
  }

  #fault({ id, fault, error, line }: Extract<ThreadMessage, { kind: 'fault' }>): void {
    const pending = this.#settle(id)
    if (pending === undefined) return
    const place = line === undefined ? '' : ` at ${basename(this.#settings.module)}:${line}`
    const what = error === undefined ? '' : ` ${error}${place}`
    pending.reject(new ModuleFault(`${pending.name} ${faults[fault]}${what}`))
  }

  /** Takes a call out of those under way. */
  #settle(id: string): Pending | undefined {
    const pending = this.#pending.get(id)
    if (pending === undefined) return undefined
    clearTimeout(pending.timer)
    this.#pending.delete(id)
    return pending
  }

  /** A late call may wait for something, and others go on; a loop lets nobody go on. */
  #checkAlive(): void {
    if (this.#pingTimer !== undefined || this.#isOver) return
    this.#pingTimer = setTimeout(() => {
      this.#end('the module does not come to an end')
    }, PING_MS)
    this.#pingTimer.unref()
    this.#post('ping')
  }

  #end(why: string): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#pingTimer)
    const fault = new ModuleFault(why)
    this.#settleLoad?.(fault)
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(fault)
    }
    this.#pending.clear()
    this.#channel.port1.close()
    void this.#worker.terminate()
    if (!this.#isClosing) this.#events.onEnd(why)
  }
}

function ignore(): void {
  // Nobody has to know.
}
