/** Refusals of the egress gate: what they look like, and that nothing of the request went anywhere. */
import type { Test } from 'tap'
import { bytesUpstream, type EgressGate } from './egress-gate.ts'
import { valuesOf } from './strict-parser.ts'
import type { Answer } from './raw-client.ts'

/** The problem document of a refusal (RFC 9457). */
export interface Problem {
  readonly type?: string
  readonly title?: string
  readonly status?: number
  readonly code?: string
  readonly detail?: string
  readonly request_id?: string
}

export function problemOf(answer: Answer): Problem {
  return JSON.parse(Buffer.from(answer.body, 'latin1').toString('utf8')) as Problem
}

/** Asserts `403 unmatched_host` and the like in every place where it is said; gives the document. */
export function expectRefusal(t: Test, answer: Answer, expected: string): Problem {
  const shown = `${answer.status} ${answer.code ?? `(the upstream's) ${answer.body.slice(0, 300)}`}`
  t.equal(shown, expected, 'status and code')
  if (answer.code === undefined) return {}
  const problem = problemOf(answer)
  t.equal(`${problem.status ?? ''} ${problem.code ?? ''}`, expected, 'the document says so too')
  t.equal(answer.header('content-type'), 'application/problem+json')
  t.match(problem.request_id, /^[A-Za-z0-9._-]{1,128}$/)
  t.equal(typeof problem.title, 'string')
  t.equal(valuesOf(answer.headers, 'x-sidegate-error').length, 1)
  return problem
}

/** Asserts that what `act` does is refused so, and that no upstream got a byte; gives the document. */
export async function refuses(
  t: Test,
  gate: EgressGate,
  expected: string,
  act: () => Promise<Answer>,
): Promise<Problem> {
  const before = bytesUpstream(gate.world)
  const answer = await act()
  const problem = expectRefusal(t, answer, expected)
  t.equal(bytesUpstream(gate.world) - before, 0, 'no byte of it reached an upstream')
  await gate.check(t)
  return problem
}
