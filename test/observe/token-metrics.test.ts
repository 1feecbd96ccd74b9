import t from 'tap'
import { create, parse, valueOf } from './read-metrics.ts'

const requests = 'sidegate_token_requests_total'
const expiry = 'sidegate_token_expiry_timestamp_seconds'

t.test('fetches of tokens are counted by definition and result', async (t) => {
  const metrics = create()
  metrics.tokenRequest('salesforce', 'success')
  metrics.tokenRequest('salesforce', 'success')
  metrics.tokenRequest('salesforce', 'timeout')
  metrics.tokenRequest('crm', 'refused')
  const cases: [string, string, number | undefined][] = [
    ['salesforce', 'success', 2],
    ['salesforce', 'timeout', 1],
    ['salesforce', 'refused', undefined],
    ['crm', 'refused', 1],
  ]
  for (const [definition, result, count] of cases) {
    const claim = `${definition} ${result}`
    t.equal(await valueOf(metrics, requests, { definition, result }), count, claim)
  }
})

t.test('the end of the latest token is told in seconds since 1970', async (t) => {
  const metrics = create()
  metrics.tokenExpiry('salesforce', 1_900_000_000_500)
  t.equal(await valueOf(metrics, expiry, { definition: 'salesforce' }), 1_900_000_000.5)
  // The token server may shorten the life of its tokens.
  metrics.tokenExpiry('salesforce', 1_800_000_000_000)
  t.equal(await valueOf(metrics, expiry, { definition: 'salesforce' }), 1_800_000_000)
  t.equal(await valueOf(metrics, expiry, { definition: 'crm' }), undefined)
})

t.test('a definition that left the configuration leaves the metrics of tokens', async (t) => {
  const metrics = create()
  for (const name of ['stays', 'goes', 'asked-in-vain']) metrics.tokenRequest(name, 'refused')
  for (const name of ['stays', 'goes', 'never-counted']) metrics.tokenExpiry(name, 1000)
  metrics.forgetAllBut({
    channels: new Set(['goes']),
    definitions: new Map([['stays', 1]]),
    outgoing: new Set(['goes']),
  })
  const left = parse(await metrics.render()).filter(
    ({ name }) => name === requests || name === expiry,
  )
  t.same(left, [
    { name: requests, labels: { definition: 'stays', result: 'refused' }, value: 1 },
    { name: expiry, labels: { definition: 'stays' }, value: 1 },
  ])
})

t.test('whatever a name holds, the text parses and says it', async (t) => {
  const metrics = create()
  const definition = 'a"\\\n,}ä'
  metrics.tokenRequest(definition, 'success')
  metrics.tokenExpiry(definition, 1000)
  t.equal(await valueOf(metrics, requests, { definition, result: 'success' }), 1)
  t.equal(await valueOf(metrics, expiry, { definition }), 1)
})
