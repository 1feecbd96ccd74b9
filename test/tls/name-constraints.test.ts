import t from 'tap'
import { createConstraints, isPermitted } from '../../src/tls/name-constraints.ts'

const cases: readonly (readonly [hosts: readonly string[], host: string, isPermitted: boolean])[] =
  [
    [['api.example.com'], 'api.example.com', true],
    [['api.example.com'], 'v1.api.example.com', true],
    [['api.example.com'], 'xapi.example.com', false],
    [['api.example.com'], 'example.com', false],
    [['api.example.com'], '10.0.0.1', false],
    [['api.example.com'], '::1', false],
    [['*.example.com'], '*.example.com', true],
    [['*.example.com'], 'a.example.com', true],
    [['*.example.com'], '*.example.org', false],
    [['api.example.com'], '*.example.com', false],
    [['10.0.0.1'], '10.0.0.1', true],
    [['10.0.0.1'], '10.0.0.2', false],
    [['10.0.0.1'], '::ffff:10.0.0.1', false],
    [['10.0.0.1'], 'api.example.com', false],
    [['fd00::1', 'a.example.com'], 'fd00::1', true],
    [['fd00::1', 'a.example.com'], 'fd00::2', false],
    [['fd00::1', 'a.example.com'], '10.0.0.1', false],
  ]

for (const [hosts, host, expected] of cases) {
  const verb = expected ? 'permit' : 'shut out'
  t.test(`constraints for ${hosts.join(', ')} ${verb} ${host}`, async (t) => {
    t.equal(isPermitted(createConstraints(hosts), host), expected)
  })
}

t.test('a mask that is no prefix is not guessed at', async (t) => {
  const permittedSubtrees = [{ base: { iPAddress: '10.0.0.0/255.0.255.0' } }]
  t.throws(() => isPermitted({ permittedSubtrees }, '10.0.0.1'), RangeError)
})
