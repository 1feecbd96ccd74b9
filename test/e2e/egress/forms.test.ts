/**
 * Whatever form a call takes, the same request reaches the upstream: method, path and body to the
 * byte, exactly one credential, `Host` of the connection; and no secret is told anywhere.
 */
import t, { type Test } from 'tap'
import {
  exchangeCases,
  judgeAnswer,
  judgeRequest,
  scriptPath,
  writeRequest,
  type ExchangeCase,
} from '../../harness/egress-cases.ts'
import { forms, type Form, type Way } from '../../harness/egress-forms.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { kinds, type Kind } from '../../harness/egress-world.ts'

t.setTimeout(120_000)

const gate = await startEgressGate(t)
const { world } = gate

/** Sends one case and says what was wrong, on both sides. */
async function run(way: Way, form: Form, kind: Kind, one: ExchangeCase): Promise<string[]> {
  const upstream = world.upstreams[kind]
  const path = scriptPath(kind, one.rest)
  if (one.script === undefined) upstream.scripts.delete(path)
  else upstream.scripts.set(path, one.script)
  const before = upstream.requests.length
  const text = writeRequest(one, way.target(one.rest ?? '/x'), way.host)
  const answer = await way.client.request(text, one.method ?? 'GET')
  const requests = upstream.requests.slice(before)
  const [request] = requests
  const problems = judgeAnswer(answer, one, kind)
  if (requests.length !== 1) problems.push(`${requests.length} requests upstream, not 1`)
  if (request === undefined) return problems
  return [...problems, ...judgeRequest(request, one, { world, kind, scheme: form.scheme })]
}

async function runAll(t: Test, form: Form, kind: Kind, cases: readonly ExchangeCase[]) {
  const way = await form.open(t, gate, kind)
  for (const one of cases) {
    t.strictSame(await run(way, form, kind, one), [], one.claim)
    await gate.check(t, way.client)
  }
  t.equal(way.client.answers.length, cases.length, 'one answer to one request')
  t.equal(way.client.fault, undefined, 'the answers are perfectly framed')
  way.client.destroy()
}

for (const form of forms) {
  t.test(`everything comes through ${form.name} unchanged`, (t) =>
    runAll(t, form, 'key', exchangeCases),
  )
}

t.test('every type of credential goes through every form, in its own slot', async (t) => {
  const few = exchangeCases.filter(({ claim }) =>
    ['GET with a query', 'POST of a small body', 'PUT in chunks'].includes(claim),
  )
  t.equal(few.length, 3)
  for (const form of forms) {
    for (const kind of kinds) await runAll(t, form, kind, few)
  }
  t.equal(world.tokens.requests.length, 1, 'all calls shared one token')
})

t.test('no upstream saw bytes that are no request, and the gate is alive', async (t) => {
  for (const kind of kinds) {
    t.strictSame(world.upstreams[kind].smuggled, [])
    t.strictSame(world.upstreams[kind].scriptErrors, [])
  }
  t.strictSame(gate.sidegate.severeLines, [])
  t.equal(await gate.sidegate.stop(), 0)
})
