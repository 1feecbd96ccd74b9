/**
 * Runs one hostile input in every way that must not matter: whole and cut into single bytes, on a
 * fresh and on a reused connection; with a valid key, without credentials, and on an open channel.
 */
import type { Test } from 'tap'
import { host, mobileKey, type Gate } from './hostile-gate.ts'
import type { Cut, RawClient } from './raw-client.ts'

/** Who sends: with a valid key, without one, or to an open channel. */
export type Caller = 'key' | 'nobody' | 'open'

/** The parts of a request that depend on the caller. */
export interface Subject {
  /** `/p/x` or `/o/x`. */
  readonly path: string
  /** Header lines, each with its CRLF; empty for callers without credentials. */
  readonly credentials: string
}

/** What must come back, and what the upstream may see of it. */
export interface Expected {
  /** Final answers in order, as `200` or `400 bad_request`. */
  readonly answers: readonly string[]
  /** Whether the connection ends afterwards; `undefined` where both are right. */
  readonly ends: boolean | undefined
  readonly upstream: 'nothing' | 'whole' | 'incomplete'
}

/** Per caller one expectation, or several that are equally right; callers left out are not tried. */
export type Expectations = Readonly<Partial<Record<Caller, Expected | readonly Expected[]>>>

/** One input: a claim about it and its bytes (Latin-1). */
export interface HostileCase {
  readonly claim: string
  readonly expect: Expectations
  bytes(subject: Subject): string
}

const refusal = (answer: string): Expected => ({
  answers: [answer],
  ends: true,
  upstream: 'nothing',
})

/** The same for every caller. */
export function forAll(expected: Expected | readonly Expected[]): Expectations {
  return { key: expected, nobody: expected, open: expected }
}

/** Refused before anything else is looked at: one answer, and the connection ends. */
export function refusedWith(answer: string): Expectations {
  return forAll(refusal(answer))
}

/** What strict HTTP refuses. */
export const refused = refusedWith('400 bad_request')

const whole: Expected = { answers: ['200'], ends: false, upstream: 'whole' }
const unauthorized: Expected = { answers: ['401 unauthorized'], ends: false, upstream: 'nothing' }

/** An ordinary request as far as the gate is concerned, whatever it looks like. */
export const ordinary: Expectations = { key: whole, nobody: unauthorized, open: whole }

/**
 * An ordinary request with a body. Behind a refusal the rest of a body is read away or the
 * connection is closed, both are right.
 */
export const ordinaryBody: Expectations = {
  ...ordinary,
  nobody: { ...unauthorized, ends: undefined },
}

/** Node 26 loses what is pipelined behind the body of a request with `Upgrade`: the answer closes. */
export const losesRest = Number.parseInt(process.versions.node) >= 26

/** With `Upgrade` and a body. */
export const upgradeBody: Expectations = losesRest
  ? {
      key: { ...whole, ends: undefined },
      nobody: { ...unauthorized, ends: undefined },
      open: { ...whole, ends: undefined },
    }
  : ordinaryBody

/** Either refused by strict HTTP or an ordinary request: both are safe. */
export const refusedOrOrdinary: Expectations = {
  key: [refusal('400 bad_request'), whole],
  nobody: [refusal('400 bad_request'), unauthorized],
  open: [refusal('400 bad_request'), whole],
}

const brokenBody: Expected = { answers: ['400 bad_request'], ends: true, upstream: 'incomplete' }

/** A good head whose body turns out not to be HTTP: the upstream must never take it for whole. */
export const refusedInBody: Expectations = {
  key: brokenBody,
  nobody: refusal('401 unauthorized'),
  open: brokenBody,
}

/** Refused, by strict HTTP or for want of credentials. */
export const refusedEitherWay: readonly Expected[] = [
  refusal('400 bad_request'),
  refusal('401 unauthorized'),
]

const subjects: Readonly<Record<Caller, Subject & { readonly identity: string | null }>> = {
  key: { path: '/p/x', credentials: mobileKey, identity: 'mobile' },
  nobody: { path: '/p/x', credentials: '', identity: null },
  open: { path: '/o/x', credentials: '', identity: null },
}

const deliveries = (['whole', 'bytes'] as const).flatMap((cut) =>
  [false, true].map((isReused) => ({ cut, isReused })),
)

/** A request that is always let in, to see that a connection works. */
export const goodRequest = `GET /o/good HTTP/1.1\r\n${host}\r\n`

/** Sent behind every hostile input; it must never be answered where the connection has to end. */
const follower = `GET /o/smuggled HTTP/1.1\r\n${host}\r\n`

interface Outcome {
  readonly answers: readonly string[]
  readonly ends: boolean | undefined
}

async function observe(client: RawClient, expected: Expected): Promise<Outcome> {
  const before = client.answers.length
  const last = before + expected.answers.length - 1
  if (expected.ends === true) await client.ended(5_000)
  else await client.answer(last)
  const answers = client.answers.slice(before).map(describeAnswer)
  if (client.fault !== undefined) answers.push(`fault: ${client.fault}`)
  if (client.rest.length > 0) answers.push(`left over: ${client.rest.toString('latin1')}`)
  return { answers, ends: expected.ends === undefined ? undefined : client.isEnded }
}

function describeAnswer({ status, code, isComplete }: RawClient['answers'][number]): string {
  const text = code === undefined ? String(status) : `${status} ${code}`
  return isComplete ? text : `${text} cut`
}

async function deliver(
  client: RawClient,
  cut: Cut,
  hostileCase: HostileCase,
  caller: Caller,
  expected: Expected,
): Promise<Outcome> {
  const bytes = hostileCase.bytes(subjects[caller])
  const method = bytes.split(' ', 1)[0] ?? ''
  client.expect(method)
  const outcome = observe(client, expected)
  await client.send(expected.ends === true ? bytes + follower : bytes, cut)
  return outcome
}

async function runCaller(t: Test, gate: Gate, hostileCase: HostileCase, caller: Caller) {
  const choices = [hostileCase.expect[caller] ?? []].flat()
  const [first] = choices
  if (first === undefined) return
  const clients = await Promise.all(deliveries.map(() => gate.connect(t)))
  for (const [i, client] of clients.entries()) {
    if (deliveries[i]?.isReused !== true) continue
    t.equal((await client.request(goodRequest)).status, 200, 'the connection worked before')
  }
  const mark = gate.invariants.mark()
  // Where two outcomes are right, one that ends and one that does not cannot both be waited for.
  const waited = choices.length > 1 ? { ...first, ends: undefined } : first
  const outcomes = await Promise.all(
    clients.map((client, i) =>
      deliver(client, deliveries[i]?.cut ?? 'whole', hostileCase, caller, waited),
    ),
  )
  const right = choices.filter(({ answers }) => String(answers) === String(outcomes[0]?.answers))
  const expected = { ...(right[0] ?? first), ...(choices.length > 1 && { ends: undefined }) }
  for (const [i, delivery] of deliveries.entries()) {
    const where = `${delivery.cut}, ${delivery.isReused ? 'reused' : 'fresh'}`
    const wanted = { answers: expected.answers, ends: expected.ends }
    t.strictSame(outcomes[i], wanted, `${caller}, ${where}: the one right outcome`)
  }
  const followUps = expected.ends === false ? await followUp(t, clients) : []
  const perClient = expected.upstream === 'nothing' ? [] : [subjects[caller].identity]
  gate.invariants.check(t, mark, {
    letIn: [...clients.flatMap(() => perClient), ...followUps],
    incomplete: expected.upstream === 'incomplete',
  })
  for (const client of clients) client.destroy()
}

/** Connections that stay open must still work, and in step. */
async function followUp(t: Test, clients: readonly RawClient[]): Promise<null[]> {
  for (const client of clients) {
    if (client.isEnded) continue
    const { status, body } = await client.request(goodRequest)
    t.strictSame([status, body], [200, 'GET /o/good'], 'the connection is still in step')
  }
  return clients.map(() => null)
}

/** One test per case, each for every caller that it names. */
export async function runHostileCases(
  t: Test,
  gate: Gate,
  cases: readonly HostileCase[],
): Promise<void> {
  for (const hostileCase of cases) {
    await t.test(hostileCase.claim, async (t) => {
      for (const caller of ['key', 'nobody', 'open'] as const) {
        await runCaller(t, gate, hostileCase, caller)
      }
    })
  }
}
