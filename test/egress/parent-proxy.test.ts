/** Which hosts are reached past the parent proxy. */
import t from 'tap'
import { NtlmUpstreams } from '../../src/egress/ntlm/upstreams.ts'
import { createProxyFor } from '../../src/egress/parent-proxy.ts'

const ntlm = new NtlmUpstreams({
  monotonicMs: () => 0,
  onHandshake: () => undefined,
  onHeld: () => undefined,
})

function isAsked(noProxy: readonly string[], host: string): boolean {
  const config = { url: 'http://proxy.example.com:3128', security: undefined, noProxy }
  return createProxyFor(config, new Map(), () => 0, ntlm)(host) !== undefined
}

t.test('no_proxy names hosts, suffixes, addresses and networks, in any case', (t) => {
  const cases: readonly [string, string, boolean][] = [
    ['.Example.COM', 'api.example.com', false],
    ['.Example.COM', 'example.com', false],
    ['.Example.COM', 'notexample.com', true],
    ['*.Example.com', 'api.example.com', false],
    ['Api.Example.com', 'api.example.com', false],
    ['Api.Example.com', 'www.example.com', true],
    ['10.0.0.0/8', '10.1.2.3', false],
    ['10.0.0.0/8', '11.1.2.3', true],
    ['FD00::/8', 'fd00::1', false],
    ['*', 'anything.example.org', false],
  ]
  for (const [entry, host, want] of cases) t.equal(isAsked([entry], host), want, `${entry} ${host}`)
  t.end()
})

t.test('loopback is never asked of a parent proxy', (t) => {
  for (const host of ['localhost', 'api.localhost', '127.0.0.1', '127.9.9.9', '::1']) {
    t.equal(isAsked([], host), false, host)
  }
  t.end()
})
