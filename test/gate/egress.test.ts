/** Where the token server of a definition is dialled. */
import t from 'tap'
import { tokenServerOf } from '../../src/gate/egress.ts'
import { sampleDefinition } from '../oauth/sample-definition.ts'

t.test('a token server in cleartext without allow_plaintext is this machine or none', (t) => {
  for (const [authServerUrl, allowPlaintext, staysLocal] of [
    ['http://localhost:8080/token', false, true],
    ['http://127.0.0.1:8080/token', false, true],
    ['http://localhost:8080/token', true, false],
    ['http://auth.example/token', true, false],
    ['https://localhost/token', false, false],
  ] as const) {
    const definition = sampleDefinition({ authServerUrl, allowPlaintext })
    t.equal(tokenServerOf(definition).staysLocal, staysLocal, authServerUrl)
  }
  t.end()
})
