import fc from 'fast-check'
import t from 'tap'
import { createTrustedProxies, plainAddress } from '../../src/inbound/trusted-proxies.ts'
import type { TrustedProxies } from '../../src/inbound/trusted-proxies.ts'

const proxies = createTrustedProxies({
  cidrs: ['10.0.0.0/8', '192.168.1.1', '2001:db8::/32', '0:0:0:0:0:0:0:1'],
  unix: true,
})

function clientOf(trust: TrustedProxies, address: string, ...values: string[]): string {
  const headers = values.flatMap((value) => ['X-Forwarded-For', value])
  return trust.findClientAddress(
    values.map(() => 'x-forwarded-for'),
    headers,
    { address },
  )
}

t.test('a peer is trusted by its address, however it is written', (t) => {
  const trusted = ['10.0.0.1', '10.255.255.255', '192.168.1.1', '2001:db8::1', '::1', 'unix']
  trusted.push('::ffff:10.0.0.1', '::FFFF:10.0.0.1', '2001:DB8:0:0::9', '2001:db8::1%eth0')
  for (const address of trusted) t.ok(proxies.isTrustedPeer({ address }), address)
  const others = ['11.0.0.1', '192.168.1.2', '2001:db9::1', '::2', '', 'a', '10.0.0', '10.0.0.1.1']
  others.push('::ffff:11.0.0.1', 'unix2')
  for (const address of others) t.notOk(proxies.isTrustedPeer({ address }), address)
  for (const address of others) t.notOk(proxies.isTrustedPeer({ address }), `${address}, again`)
  t.end()
})

t.test('nobody is trusted unless the configuration says so', (t) => {
  const nobody = createTrustedProxies({ cidrs: [], unix: false })
  for (const address of ['unix', '127.0.0.1', '::1', '10.0.0.1']) {
    t.notOk(nobody.isTrustedPeer({ address }), address)
    t.equal(clientOf(nobody, address, '1.2.3.4'), address)
  }
  t.end()
})

t.test('what is no network does not build', (t) => {
  for (const cidr of [
    '',
    'a',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
  ]) {
    t.throws(() => createTrustedProxies({ cidrs: [cidr], unix: false }), {
      message: `cannot read network "${cidr}": wanted ADDRESS or ADDRESS/BITS`,
    })
  }
  t.end()
})

t.test('the client is the rightmost address that is not trusted', (t) => {
  const table: [values: string[], client: string][] = [
    [[], '10.0.0.1'],
    [['1.2.3.4'], '1.2.3.4'],
    [['6.6.6.6, 1.2.3.4'], '1.2.3.4'],
    [['1.2.3.4, 10.0.0.2'], '1.2.3.4'],
    [['6.6.6.6', '1.2.3.4,10.0.0.2', '10.0.0.3'], '1.2.3.4'],
    [['10.0.0.3, 10.0.0.2'], '10.0.0.3'],
    [['1.2.3.4:5678'], '1.2.3.4'],
    [['[2001:db9::1]:80'], '2001:db9::1'],
    [['[2001:db9::1]'], '2001:db9::1'],
    [['2001:db9::1'], '2001:db9::1'],
    [['::ffff:1.2.3.4'], '1.2.3.4'],
    [['\t1.2.3.4 ,  10.0.0.2  '], '1.2.3.4'],
    // What is no address ends the walk: the last one that was told by somebody trusted counts.
    [['1.2.3.4, unknown, 10.0.0.2'], '10.0.0.2'],
    [['unknown'], '10.0.0.1'],
    [['unix'], '10.0.0.1'],
    [['1.2.3.4,'], '10.0.0.1'],
    [[''], '10.0.0.1'],
    [[','], '10.0.0.1'],
    [['1.2.3.4', ''], '10.0.0.1'],
    [['_hidden'], '10.0.0.1'],
    [['999.1.1.1'], '10.0.0.1'],
    [['1.2.3.4 10.0.0.2'], '10.0.0.1'],
    [['['], '10.0.0.1'],
    [['[]'], '10.0.0.1'],
  ]
  for (const [values, client] of table) {
    t.equal(clientOf(proxies, '10.0.0.1', ...values), client, values.join(' | '))
  }
  t.end()
})

t.test('a peer that is not trusted speaks for itself only', (t) => {
  t.equal(clientOf(proxies, '1.1.1.1', '2.2.2.2'), '1.1.1.1')
  t.equal(clientOf(proxies, '::ffff:1.1.1.1', '2.2.2.2'), '1.1.1.1')
  t.equal(clientOf(proxies, 'unix', '2.2.2.2'), '2.2.2.2')
  t.equal(clientOf(proxies, 'unix'), 'unix')
  t.end()
})

t.test('a list of thousands of hops is not walked to its end', (t) => {
  const hops = Array.from({ length: 4000 }, () => '10.0.0.9').join()
  t.equal(clientOf(proxies, '10.0.0.1', `6.6.6.6,${hops}`), '10.0.0.9')
  t.end()
})

t.test(
  'an IPv4 address in IPv6 clothes is an IPv4 address, and zones are nobody’s business',
  (t) => {
    t.equal(plainAddress('::ffff:1.2.3.4'), '1.2.3.4')
    t.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
    t.equal(plainAddress('::ffff:1:2'), '::ffff:1:2')
    t.end()
  },
)

t.test('no list of addresses makes it throw or give what is no address', (t) => {
  const part = fc.constantFrom(
    ',',
    ' ',
    '[',
    ']',
    ':',
    '::',
    '.',
    '10.0.0.1',
    '1.2.3.4',
    'f',
    '%',
    '1',
  )
  const value = fc.oneof(
    fc.array(part, { maxLength: 12 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 12 }),
  )
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 3 }), (values) => {
        const client = clientOf(proxies, '10.0.0.1', ...values)
        if (!/^[0-9a-fA-F.:]+$/.test(client)) throw new Error(`"${client}" is no address`)
      }),
      { numRuns: 3000 },
    )
  })
  t.end()
})
