import t from 'tap'
import { renderScalar, renderVariable } from '../../src/cli/yaml-text.ts'

t.test('words that YAML would take for something else are quoted', async (t) => {
  for (const plain of ['crm', 'billing-app', 'a.b_c', 'http://127.0.0.1:80', '127.0.0.1:80']) {
    t.equal(renderScalar(plain), plain)
  }
  for (const odd of [
    'true',
    'No',
    'null',
    'n',
    '1x',
    '0123',
    '1.5',
    '8000',
    '-',
    'a b',
    'a: b',
    '',
  ]) {
    t.equal(renderScalar(odd), JSON.stringify(odd))
  }
})

t.test('names become environment variables that a shell can set', async (t) => {
  t.equal(renderVariable('billing-app.2', 'KEY'), 'BILLING_APP_2_KEY')
  t.equal(renderVariable('2nd', 'KEY'), '_2ND_KEY')
})
