/**
 * What runs in the thread of a custom scheme: loads the module, calls its functions, and hands out
 * the small form of their answers. Whatever is needed of builtin objects is taken before the module
 * can replace it. What the module prints is dropped: it could be anything that it was given.
 */
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { getHeapStatistics } from 'node:v8'
import { parentPort } from 'node:worker_threads'
import { describeCallFault, describeLoadFault } from './describe-fault.ts'
import type {
  CallMessage,
  FunctionName,
  HostMessage,
  StartMessage,
  ThreadMessage,
} from './messages.ts'
import { AnswerFault, reduceAnswer } from './reduce-answer.ts'

const MEMORY_CHECK_MS = 1000
const NAMES: readonly FunctionName[] = ['authenticate', 'prepare', 'rejected']

type Functions = Readonly<Partial<Record<FunctionName, (given: unknown) => unknown>>>
type Declared = Readonly<Record<'options' | 'secrets', Readonly<Record<string, unknown>>>>

/** One of headers as a module sees them: by name in lower case, without a prototype. */
function toRecord(flat: readonly string[]): Record<string, string | string[]> {
  const record = Object.create(null) as Record<string, string | string[]>
  for (let at = 0; at < flat.length; at += 2) {
    const name = (flat[at] ?? '').toLowerCase()
    const value = flat[at + 1] ?? ''
    const present = record[name]
    if (present === undefined) record[name] = value
    else if (typeof present === 'string') record[name] = [present, value]
    else present.push(value)
  }
  return record
}

function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) freezeDeep(member)
  return Object.freeze(value)
}

function silence(): void {
  const drop = (...given: readonly unknown[]): boolean => {
    const done = given.at(-1)
    if (typeof done === 'function') process.nextTick(done)
    return true
  }
  process.stdout.write = drop
  process.stderr.write = drop
}

function findFunctions(module: Readonly<Record<string, unknown>>): Functions {
  const found = NAMES.flatMap((name) => {
    const exported = module[name]
    return typeof exported === 'function' ? [[name, exported as () => unknown] as const] : []
  })
  return Object.fromEntries(found)
}

class SchemeThreadSide {
  readonly #start: StartMessage
  readonly #declared: Declared
  readonly #post: (message: ThreadMessage) => void
  #functions: Functions = {}
  #isFull = false

  constructor(start: StartMessage) {
    this.#start = start
    const { port } = start
    const postMessage = port.postMessage.bind(port)
    this.#post = (message) => {
      postMessage(message)
    }
    const secrets = Object.assign(
      Object.create(null) as Record<string, unknown>,
      Object.fromEntries(start.secrets),
    )
    this.#declared = { options: freezeDeep(start.options), secrets: Object.freeze(secrets) }
  }

  async load(): Promise<void> {
    const { module: path, port } = this.#start
    try {
      const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>
      this.#functions = findFunctions(module)
      const present = NAMES.filter((name) => module[name] !== undefined)
      const exports = Object.fromEntries(present.map((name) => [name, typeof module[name]]))
      this.#post({ kind: 'loaded', exports })
    } catch (error) {
      this.#post({ kind: 'unloadable', problem: describeLoadFault(error, path) })
      return
    }
    port.on('message', (message: HostMessage) => {
      if (message === 'ping') this.#post({ kind: 'pong' })
      else void this.#call(message)
    })
    setInterval(() => {
      this.#checkMemory()
    }, MEMORY_CHECK_MS).unref()
  }

  async #call(call: CallMessage): Promise<void> {
    const { id, name } = call
    try {
      const run = this.#functions[name]
      if (run === undefined) throw new AnswerFault('absent')
      const answer = reduceAnswer(name, await run(this.#present(call)))
      this.#post({ kind: 'answer', id, answer })
    } catch (error) {
      const isOurs = error instanceof AnswerFault
      const told = isOurs
        ? { error: undefined, line: undefined }
        : describeCallFault(error, this.#start.module)
      this.#post({ kind: 'fault', id, fault: isOurs ? error.kind : 'threw', ...told })
    }
    this.#checkMemory()
  }

  #present({ given }: CallMessage): unknown {
    // Structured cloning made it ours: no need to copy once more.
    return Object.assign(given, {
      headers: toRecord(given.headers),
      ...this.#declared,
    })
  }

  /** A single call is watched from outside; this finds what grows from call to call. */
  #checkMemory(): void {
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
    if (this.#isFull || heap + external <= this.#start.memoryBytes) return
    this.#isFull = true
    this.#post({ kind: 'full' })
  }
}

if (parentPort !== null) {
  silence()
  const [start] = (await once(parentPort, 'message')) as [StartMessage]
  await new SchemeThreadSide(start).load()
}
