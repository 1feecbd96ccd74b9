import t from 'tap'
import { createDestinationPolicy } from '../../src/egress/destination-policy.ts'
import type { DestinationPolicy, OwnListener } from '../../src/egress/destination-policy.ts'
import { createDestination } from '../../src/egress/destination.ts'
import type { Destination, DestinationKind } from '../../src/egress/destination.ts'
import { findHost } from '../../src/egress/authority.ts'
import { createOwnAddresses } from '../../src/egress/own-addresses.ts'

const kinds = ['named', 'wildcard', 'unmatched_allow', 'unmatched_public'] as const

function policyOf(
  listeners: readonly OwnListener[] = [],
  named: readonly string[] = [],
): DestinationPolicy {
  return createDestinationPolicy({
    own: createOwnAddresses({
      names: ['gate.svc'],
      hostName: 'box',
      listAddresses: () => ['10.1.2.3'],
    }),
    listeners: () => listeners,
    namedAddresses: new Set(named),
  })
}

function to(text: string, kind: DestinationKind = 'named', port = 443): Destination {
  const host = findHost(text)?.host ?? 'unreadable.example'
  const chosenBy = kind === 'wildcard' ? `*${host.slice(host.indexOf('.'))}` : host
  return createDestination(kind, chosenBy, { scheme: 'https', host, port })
}

t.test('who may reach what', (t) => {
  const policy = policyOf()
  // In the order of `kinds`.
  const expectations: [address: string, mayReach: [boolean, boolean, boolean, boolean]][] = [
    ['8.8.8.8', [true, true, true, true]],
    ['64:ff9b::8.8.8.8', [true, true, true, true]],
    ['10.0.0.1', [true, true, true, false]],
    ['fd12::1', [true, true, true, false]],
    ['100.64.0.1', [true, true, true, false]],
    ['64:ff9b::10.0.0.1', [true, true, true, false]],
    ['192.0.2.1', [true, false, false, false]],
    ['127.0.0.1', [true, false, false, false]],
    ['::1', [true, false, false, false]],
    ['::ffff:127.0.0.1', [true, false, false, false]],
    ['64:ff9b::7f00:1', [true, false, false, false]],
    ['169.254.169.254', [false, false, false, false]],
    ['::ffff:169.254.169.254', [false, false, false, false]],
    ['2002:a9fe:a9fe::', [false, false, false, false]],
    ['169.254.1.1', [false, false, false, false]],
    ['fe80::1%eth0', [false, false, false, false]],
    ['fd00:ec2::254', [false, false, false, false]],
    ['100.100.100.200', [false, false, false, false]],
    ['168.63.129.16', [false, false, false, false]],
    ['192.0.0.192', [false, false, false, false]],
    ['0.0.0.0', [false, false, false, false]],
    ['::', [false, false, false, false]],
    ['224.0.0.1', [false, false, false, false]],
    ['nonsense', [false, false, false, false]],
  ]
  for (const [address, mayReach] of expectations) {
    for (const [at, kind] of kinds.entries()) {
      const destination = to('some.example.com', kind)
      const reason = policy.findAddressRefusal(destination, address)
      t.equal(reason === undefined, mayReach[at], `${kind} ${address}: ${reason ?? 'allowed'}`)
    }
  }
  t.end()
})

t.test('a literal is judged before it is dialled, in every spelling', (t) => {
  const policy = policyOf()
  for (const text of ['127.0.0.1', '2130706433', '0x7f.1', '0177.1', '[::ffff:7f00:1]', '[::1]']) {
    t.match(policy.findHostRefusal(to(text, 'unmatched_allow')), /loopback/, text)
    t.equal(policy.findHostRefusal(to(text, 'named')), undefined, text)
  }
  for (const text of ['169.254.169.254', '0xa9fea9fe', '[64:ff9b::a9fe:a9fe]', '[fd00:ec2::254]']) {
    t.match(policy.findHostRefusal(to(text, 'named')), /metadata address, which is never/, text)
  }
  t.match(policy.findHostRefusal(to('0', 'named')), /unspecified/)
  t.end()
})

t.test('names that mean loopback or a metadata service are judged without resolving', (t) => {
  const policy = policyOf()
  for (const host of ['localhost', 'a.localhost', 'LOCALHOST.']) {
    t.match(policy.findHostRefusal(to(host, 'unmatched_allow')), /loopback/, host)
    t.equal(policy.findHostRefusal(to(host, 'named')), undefined, host)
  }
  for (const kind of kinds) {
    t.match(policy.findHostRefusal(to('metadata.google.internal', kind)), /metadata/, kind)
    t.equal(policy.findHostRefusal(to('api.example.com', kind)), undefined, kind)
  }
  t.end()
})

t.test('a listener of ours is never reached, by whatever address or name of this machine', (t) => {
  const wild = policyOf([{ host: '0.0.0.0', port: 8000 }])
  for (const host of ['127.0.0.1', '127.8.8.8', '[::1]', '10.1.2.3', '[::ffff:10.1.2.3]']) {
    t.match(wild.findHostRefusal(to(host, 'named', 8000)), /listener of this/, host)
    t.equal(wild.findHostRefusal(to(host, 'named', 8001)), undefined, host)
  }
  for (const host of ['localhost', 'box', 'gate.svc']) {
    t.match(wild.findHostRefusal(to(host, 'named', 8000)), /listener of this/, host)
    t.equal(wild.findHostRefusal(to(host, 'named', 8001)), undefined, host)
  }
  t.equal(wild.findHostRefusal(to('10.1.2.4', 'named', 8000)), undefined)
  const name = to('alias.example', 'named', 8000)
  t.equal(wild.findHostRefusal(name), undefined, 'whoever it is, its addresses will tell')
  t.match(wild.findAddressRefusal(name, '10.1.2.3'), /listener/, 'an alias that resolves to us')
  t.match(wild.findAddressRefusal(name, '64:ff9b::10.1.2.3'), /listener/)
  t.end()
})

t.test('a listener on one address leaves the port of the others alone', (t) => {
  const policy = policyOf([
    { host: '127.0.0.1', port: 9901 },
    { host: 'localhost', port: 9902 },
  ])
  t.match(policy.findHostRefusal(to('127.0.0.1', 'named', 9901)), /listener/)
  t.equal(policy.findHostRefusal(to('127.0.0.2', 'named', 9901)), undefined)
  t.equal(policy.findHostRefusal(to('10.1.2.3', 'named', 9901)), undefined)
  t.match(policy.findHostRefusal(to('localhost', 'named', 9901)), /listener/)
  t.equal(policy.findHostRefusal(to('10.1.2.3', 'named', 9902)), undefined)
  for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
    t.match(policy.findHostRefusal(to(host, 'named', 9902)), /listener/, host)
  }
  t.end()
})

t.test('an unmatched name never leads to an address that a connection names', (t) => {
  const policy = policyOf([], ['10.7.7.7'])
  for (const kind of ['unmatched_allow', 'unmatched_public'] as const) {
    t.type(policy.findAddressRefusal(to('alias.example', kind), '10.7.7.7'), 'string', kind)
    t.type(policy.findAddressRefusal(to('alias.example', kind), '64:ff9b::a07:707'), 'string', kind)
  }
  t.equal(policy.findAddressRefusal(to('alias.example', 'named'), '10.7.7.7'), undefined)
  t.end()
})

t.test('what is dialled is what was chosen, or nothing is', (t) => {
  const scheme = 'https'
  const made = createDestination('named', 'a.example', { scheme, host: 'a.example', port: 8443 })
  t.match(made, { authority: 'a.example:8443', serverName: 'a.example', port: 8443 })
  t.equal(
    createDestination('named', '::1', { scheme, host: '::1', port: 443 }).serverName,
    undefined,
  )
  t.equal(
    createDestination('named', 'a.example', { scheme: 'http', host: 'a.example', port: 80 })
      .serverName,
    undefined,
  )
  const wrong: [kind: DestinationKind, chosenBy: string, host: string][] = [
    ['named', 'a.example', 'b.example'],
    ['unmatched_allow', 'a.example', 'A.example'],
    ['named', 'A.example', 'A.example'],
    ['named', '127.1', '127.1'],
    ['wildcard', '*.example', 'a.b.example'],
    ['wildcard', '*.example', 'example'],
    ['wildcard', '*.example', 'aexample'],
    ['wildcard', 'a.example', 'a.example'],
    ['named', '*.example', 'a.example'],
    ['named', 'a@b', 'a@b'],
  ]
  for (const [kind, chosenBy, host] of wrong) {
    t.throws(() => createDestination(kind, chosenBy, { scheme, host, port: 443 }), {
      message: /wanted the authority that was chosen/,
    })
  }
  t.end()
})
