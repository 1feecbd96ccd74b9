import type { LookupAddress, LookupOptions } from 'node:dns'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { checkDestination, createLookup } from '../../src/egress/destination-lookup.ts'
import type { ResolveName } from '../../src/egress/destination-lookup.ts'
import { createDestinationPolicy } from '../../src/egress/destination-policy.ts'
import { createDestination } from '../../src/egress/destination.ts'
import type { Destination, DestinationKind } from '../../src/egress/destination.ts'
import { createOwnAddresses } from '../../src/egress/own-addresses.ts'
import { SidegateError } from '../../src/errors.ts'

const policy = createDestinationPolicy({
  own: createOwnAddresses({ names: [], hostName: 'box', listAddresses: () => [] }),
  listeners: () => [],
  namedAddresses: new Set(),
})

function to(kind: DestinationKind, port = 443): Destination {
  return createDestination(kind, 'api.example', { scheme: 'https', host: 'api.example', port })
}

const both: readonly LookupAddress[] = [
  { address: '2606:4700::1', family: 6 },
  { address: '127.0.0.1', family: 4 },
  { address: '8.8.8.8', family: 4 },
]

function answering(...answers: (readonly LookupAddress[])[]): ResolveName & { calls: number } {
  const resolve: ResolveName = (_host, _options, callback) => {
    const answer = answers[Math.min(resolver.calls, answers.length - 1)] ?? []
    resolver.calls++
    setImmediate(callback, null, answer)
  }
  const resolver = Object.assign(resolve, { calls: 0 })
  return resolver
}

interface Answer {
  readonly error: unknown
  readonly address: string | readonly LookupAddress[]
  readonly family: number | undefined
}

async function ask(
  destination: Destination,
  resolve: ResolveName,
  options: LookupOptions,
  host = destination.host,
): Promise<Answer> {
  return await new Promise((settle) => {
    createLookup(policy, destination, resolve)(host, options, (error, address, family) => {
      settle({ error, address, family })
    })
  })
}

t.test('only the addresses that the policy allows are given to the socket', async (t) => {
  const all = await ask(to('unmatched_public'), answering(both), { all: true })
  t.same(all.address, [both[0], both[2]])
  const one = await ask(to('unmatched_public'), answering(both.slice(1)), {})
  t.equal(one.address, '8.8.8.8')
  t.equal(one.family, 4)
})

t.test('the family that is asked for is the family that is given', async (t) => {
  for (const family of [4, 'IPv4'] as const) {
    const all = await ask(to('named'), answering(both), { all: true, family })
    t.same(all.address, both.slice(1))
  }
  const six = await ask(to('named'), answering(both), { family: 6 })
  t.equal(six.address, '2606:4700::1')
  t.equal(six.family, 6)
  const none = await ask(to('named'), answering(both.slice(1)), { family: 'IPv6' })
  t.match(none.error, { code: 'ENOTFOUND' })
})

t.test('a name that leads nowhere allowed is refused without saying where it leads', async (t) => {
  const answer = await ask(
    to('unmatched_allow'),
    answering([{ address: '127.0.0.1', family: 4 }]),
    {
      all: true,
    },
  )
  t.ok(answer.error instanceof SidegateError)
  t.match(answer.error, {
    code: 'destination_refused',
    message: /"api.example" is refused: .*loopback/,
  })
  t.notMatch(String(answer.error), /127\.0\.0\.1/)
})

t.test('what is in cleartext because it is this machine is dialled nowhere else', async (t) => {
  const dialled = { scheme: 'http', host: 'localhost', port: 80 } as const
  const local = createDestination('named', 'localhost', dialled, true)
  const mapped = answering([{ address: '10.0.0.9', family: 4 }, ...both])
  const all = await ask(local, mapped, { all: true })
  t.same(all.address, [both[1]])
  for (const address of ['10.0.0.9', '8.8.8.8', '2606:4700::1']) {
    const family = address.includes(':') ? 6 : 4
    const answer = await ask(local, answering([{ address, family }]), {})
    t.match(answer.error, { code: 'plaintext_refused' })
    t.notMatch(String(answer.error), address)
    const allowed = createDestination('named', 'localhost', dialled)
    const free = await ask(allowed, answering([{ address, family }]), {})
    t.equal(free.address, address, 'allow_plaintext lets it')
  }
})

t.test('a failure to resolve is told as it is', async (t) => {
  const failure = Object.assign(new Error('no such host'), { code: 'ENOTFOUND' })
  const answer = await ask(to('named'), (_host, _options, callback) => callback(failure, []), {})
  t.equal(answer.error, failure)
})

t.test('a lookup for one destination resolves no other host', async (t) => {
  const resolve = answering(both)
  const answer = await ask(to('named'), resolve, {}, 'evil.example')
  t.match(answer.error, { message: /wanted "api.example"/ })
  t.equal(resolve.calls, 0)
})

t.test('an answer that changes after the check changes nothing: it is asked once', async (t) => {
  const server = createServer((socket) => socket.end('loopback'))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  // Documentation addresses first; a second look-up would come to the server on loopback.
  const resolve = answering(
    [{ address: '240.0.0.1', family: 4 }],
    [{ address: '127.0.0.1', family: 4 }],
  )
  for (const expected of [1, 2]) {
    const socket = connect({
      host: 'api.example',
      port,
      lookup: createLookup(policy, to('unmatched_allow', port), resolve),
    })
    const error = await new Promise((settle) => {
      socket.on('error', settle)
      socket.on('connect', () => settle(new Error('connected')))
    })
    t.match(error, { code: 'destination_refused' })
    t.equal(resolve.calls, expected, 'one look-up for one connection')
  }
})

t.test('a real socket connects through it to what was allowed', async (t) => {
  const server = createServer((socket) => socket.end('here'))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const named = createDestination('named', 'localhost', { scheme: 'http', host: 'localhost', port })
  const text = await new Promise((settle, fail) => {
    const socket = connect({ host: 'localhost', port, lookup: createLookup(policy, named) })
    socket.on('error', fail)
    socket.on('data', (chunk) => settle(chunk.toString()))
  })
  t.equal(text, 'here')
})

t.test('a literal that may not be called throws before it is dialled', (t) => {
  const literal = createDestination('named', '169.254.169.254', {
    scheme: 'http',
    host: '169.254.169.254',
    port: 80,
  })
  t.throws(() => checkDestination(policy, literal), { code: 'destination_refused' })
  t.doesNotThrow(() => checkDestination(policy, to('named')))
  t.end()
})
