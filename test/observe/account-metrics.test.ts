/** Handshakes and held credentials, as Prometheus reads them. */
import t from 'tap'
import { AccountMetrics } from '../../src/observe/account-metrics.ts'

function render(metrics: AccountMetrics): string {
  return metrics
    .families()
    .flatMap((family) => [...family.samples()])
    .join('')
}

t.test('handshakes are counted by definition and result', (t) => {
  const metrics = new AccountMetrics()
  metrics.handshake('erp', 'success')
  metrics.handshake('erp', 'success')
  metrics.handshake('erp', 'refused')
  metrics.handshake('gone', 'failed')
  metrics.keepDefinitions((name) => name === 'erp')
  t.equal(
    render(metrics),
    'sidegate_ntlm_handshakes_total{definition="erp",result="success"} 2\n' +
      'sidegate_ntlm_handshakes_total{definition="erp",result="refused"} 1\n',
  )
  t.end()
})

t.test('a definition is held if any account of it is', (t) => {
  const metrics = new AccountMetrics()
  metrics.states = () => [
    { definition: 'erp', refusals: 1 },
    { definition: 'erp', refusals: undefined },
    { definition: 'fine', refusals: undefined },
  ]
  t.equal(
    render(metrics),
    'sidegate_credential_held{definition="erp"} 1\nsidegate_credential_held{definition="fine"} 0\n',
  )
  t.end()
})
