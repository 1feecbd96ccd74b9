/**
 * Runs in the thread: brings what a module gave into the small form that may leave the thread, so
 * that no answer, however large or strange, is taken apart on the event loop of the gate.
 */
import type { FaultKind, FunctionName, ReducedAnswer } from './messages.ts'

/** Longest user. */
export const MAX_USER_LENGTH = 256
/** Names and values of all headers together. */
export const MAX_HEADER_LENGTH = 64 * 1024
const MAX_TTL_S = 86_400

/** An answer that is not as it should be. */
export class AnswerFault extends Error {
  readonly kind: FaultKind

  constructor(kind: FaultKind) {
    super(kind)
    this.kind = kind
  }
}

/** The small form of an answer; throws `AnswerFault`, or what a getter of the module throws. */
export function reduceAnswer(name: FunctionName, answer: unknown): ReducedAnswer {
  if (name === 'authenticate') return { user: reduceUser(answer) }
  if (name === 'prepare') return reducePrepared(answer)
  if (typeof answer !== 'boolean') throw new AnswerFault('answer')
  return { isSpent: answer }
}

function reduceUser(answer: unknown): string | undefined {
  if (answer === null) return undefined
  const { user } = readMembers(answer, ['user'])
  if (typeof user !== 'string') throw new AnswerFault('answer')
  if (user.length > MAX_USER_LENGTH) throw new AnswerFault('user')
  return user
}

function reducePrepared(answer: unknown): ReducedAnswer {
  const { headers, ttl } = readMembers(answer, ['headers', 'ttl'])
  return { headers: reduceHeaders(headers), ttlMs: reduceTtl(ttl) }
}

/** The members, each read once; a member of another name is one whose effect somebody counts on. */
function readMembers(answer: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
    throw new AnswerFault('answer')
  }
  const members = { ...answer } as Record<string, unknown>
  if (Object.keys(members).some((key) => !known.includes(key))) throw new AnswerFault('member')
  return members
}

function reduceTtl(ttl: unknown): number | undefined {
  if (ttl === undefined) return undefined
  // Written so that NaN is refused.
  if (typeof ttl !== 'number' || !(ttl >= 0 && ttl <= MAX_TTL_S)) throw new AnswerFault('ttl')
  return ttl === 0 ? undefined : ttl * 1000
}

function reduceHeaders(headers: unknown): string[] {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new AnswerFault('answer')
  }
  const flat: string[] = []
  let length = 0
  for (const [name, value] of Object.entries(headers as Record<string, unknown>)) {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    for (const text of values) {
      if (typeof text !== 'string') throw new AnswerFault('value')
      // 32 for each, as the limits of HTTP/2 count: many empty ones are large too.
      length += name.length + text.length + 32
      if (length > MAX_HEADER_LENGTH) throw new AnswerFault('size')
      flat.push(name, text)
    }
  }
  if (flat.length === 0) throw new AnswerFault('none')
  return flat
}
