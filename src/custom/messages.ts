/**
 * What the gate and the thread of a custom scheme tell each other. Headers travel as flat lists of
 * names and values; of a fault only its kind and its place travel, nothing that a module wrote.
 */
import type { MessagePort } from 'node:worker_threads'

/** A request as the gate has it. */
export interface SchemeRequest {
  readonly method: string
  readonly path: string
  readonly query: string
  /** Flat list as on the wire. */
  readonly headers: readonly string[]
  readonly body?: Uint8Array
}

/** A request that goes out. */
export interface OutgoingSchemeRequest extends SchemeRequest {
  readonly host: string
  readonly authority: string
}

/** An answer of the other side. */
export interface SchemeAnswer {
  readonly status: number
  /** Flat list as on the wire. */
  readonly headers: readonly string[]
}

/** One call of a function, with what it is given. */
export type SchemeCall =
  | { readonly name: 'authenticate'; readonly given: SchemeRequest }
  | { readonly name: 'prepare'; readonly given: OutgoingSchemeRequest }
  | { readonly name: 'rejected'; readonly given: SchemeAnswer }

export type FunctionName = SchemeCall['name']

/** The first message to the thread, by the port that everything in it can reach; the only one there. */
export interface StartMessage {
  /** For all other messages: the module never sees it. */
  readonly port: MessagePort
  readonly module: string
  readonly memoryBytes: number
  readonly options: Readonly<Record<string, unknown>>
  readonly secrets: readonly (readonly [string, string])[]
}

/** To the thread: a call. */
export type CallMessage = SchemeCall & { readonly id: string }

/** To the thread: is it there? A loop that does not end answers nothing. */
export type HostMessage = CallMessage | 'ping'

/** What is wrong with a call or its answer; `faults` has the words. */
export type FaultKind = keyof typeof faults

/** The words of each fault. */
export const faults = {
  absent: 'is not exported',
  threw: 'threw',
  answer: 'gave something else than the answer it should give',
  user: 'gave a user that is not 1 to 256 printable ASCII characters',
  member: 'gave an answer with members that it should not have',
  value: 'gave a header whose value is neither a string nor a list of strings',
  size: 'gave headers of more than 64 KiB',
  none: 'gave no header',
  ttl: 'gave a ttl that is not a number of seconds from 0 to 86400',
} as const

/** What an answer comes to: the user, or nobody; headers as a flat list; whether it is spent. */
export type ReducedAnswer =
  | { readonly user: string | undefined }
  | { readonly headers: readonly string[]; readonly ttlMs: number | undefined }
  | { readonly isSpent: boolean }

/** Names of exports to `typeof` of what they are, of those that are there. */
export type FoundExports = Readonly<Partial<Record<FunctionName, string>>>

/** From the thread. */
export type ThreadMessage =
  | { readonly kind: 'loaded'; readonly exports: FoundExports }
  | { readonly kind: 'unloadable'; readonly problem: string }
  | { readonly kind: 'answer'; readonly id: string; readonly answer: ReducedAnswer }
  | {
      readonly kind: 'fault'
      readonly id: string
      readonly fault: FaultKind
      /** Name of a builtin error, and line and column in the module. */
      readonly error: string | undefined
      readonly line: string | undefined
    }
  | { readonly kind: 'pong' }
  /** It holds more memory than it may, after garbage has been collected. */
  | { readonly kind: 'full' }
