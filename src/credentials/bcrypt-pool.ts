/**
 * The worker threads that compute bcrypt, started on first use, at most one for each processor.
 * An idle worker does not keep the process alive; one that fails is replaced by the next use.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

interface CreateRequest {
  readonly kind: 'create'
  readonly password: string
  readonly cost: number
}

interface CompareRequest {
  readonly kind: 'compare'
  readonly password: string
  readonly hash: string
}

/** What a worker is asked for. */
export type BcryptRequest = CreateRequest | CompareRequest

/** What a worker answers; `undefined` when bcryptjs threw. */
export interface BcryptAnswer {
  readonly value: string | boolean | undefined
}

interface Job {
  readonly request: BcryptRequest
  readonly resolve: (value: string | boolean) => void
  readonly reject: (error: Error) => void
}

const idle: Worker[] = []
const busy = new Map<Worker, Job>()
const waiting: Job[] = []

/** Computes in a worker thread: a new hash, or whether a password has one. */
export function runBcrypt(request: CreateRequest): Promise<string>
export function runBcrypt(request: CompareRequest): Promise<boolean>
export function runBcrypt(request: BcryptRequest): Promise<string | boolean> {
  return new Promise((resolve, reject) => {
    waiting.push({ request, resolve, reject })
    startNext()
  })
}

function startNext(): void {
  if (waiting.length === 0) return
  const worker = idle.pop() ?? (busy.size < availableParallelism() ? createWorker() : undefined)
  if (worker === undefined) return
  const job = waiting.shift()
  if (job === undefined) return
  busy.set(worker, job)
  worker.ref()
  worker.postMessage(job.request)
}

function createWorker(): Worker {
  // The name after compilation: nothing rewrites the extension inside a URL.
  const worker = new Worker(new URL('./bcrypt-worker.js', import.meta.url), {
    env: {},
    execArgv: [],
    argv: [],
    name: 'bcrypt',
  })
  worker.on('message', (answer: BcryptAnswer) => {
    const job = busy.get(worker)
    busy.delete(worker)
    idle.push(worker)
    worker.unref()
    if (answer.value === undefined) job?.reject(new Error('compute bcrypt: it was refused'))
    else job?.resolve(answer.value)
    startNext()
  })
  worker.on('error', (error) => {
    drop(worker, error)
  })
  worker.on('exit', () => {
    drop(worker, undefined)
  })
  return worker
}

function drop(worker: Worker, cause: unknown): void {
  const place = idle.indexOf(worker)
  if (place !== -1) idle.splice(place, 1)
  const job = busy.get(worker)
  busy.delete(worker)
  job?.reject(new Error('compute bcrypt: the worker thread ended', { cause }))
  startNext()
}
