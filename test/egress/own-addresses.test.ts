import { hostname, networkInterfaces } from 'node:os'
import t from 'tap'
import { createOwnAddresses } from '../../src/egress/own-addresses.ts'

t.test('loopback, host name, interfaces and egress.names are ours, others are not', (t) => {
  const own = createOwnAddresses({
    names: ['Sidegate.Apps.SVC.'],
    hostName: 'Box-1',
    listAddresses: () => ['10.1.2.3', 'fe80::1%eth0', '::ffff:10.9.9.9', '2001:DB8::1'],
  })
  const ours = ['localhost', 'a.localhost', '127.9.9.9', '::1', 'box-1', 'sidegate.apps.svc']
  for (const host of [...ours, '10.1.2.3', 'fe80::1', '10.9.9.9', '2001:db8::1']) {
    t.equal(own.isOwnHost(host), true, host)
  }
  for (const host of ['10.1.2.4', 'box-2', 'apps.svc', 'localhost.example', '0.0.0.0']) {
    t.equal(own.isOwnHost(host), false, host)
  }
  t.equal(own.isGivenName('sidegate.apps.svc'), true)
  t.equal(own.isGivenName('localhost'), false)
  t.end()
})

t.test(
  'an address that comes later is ours within five seconds, and they are not listed each time',
  (t) => {
    let now = 0
    let calls = 0
    let addresses: readonly string[] = []
    const own = createOwnAddresses({
      names: [],
      now: () => now,
      listAddresses: () => {
        calls++
        return addresses
      },
    })
    t.equal(own.isOwnAddress('10.0.0.7'), false)
    addresses = ['10.0.0.7']
    t.equal(own.isOwnAddress('10.0.0.7'), false)
    t.equal(calls, 1)
    now = 5000
    t.equal(own.isOwnAddress('10.0.0.7'), true)
    t.end()
  },
)

t.test('by itself it knows the addresses and the name of this machine', (t) => {
  const own = createOwnAddresses({ names: [] })
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  for (const { address } of addresses) t.equal(own.isOwnAddress(address), true, address)
  t.equal(own.isOwnHost(hostname().toLowerCase()), true)
  t.end()
})
