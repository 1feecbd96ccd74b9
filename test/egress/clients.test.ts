import t from 'tap'
import type { Config, Definition, EgressConfig } from '../../src/config/model.ts'
import { PasswordChecker, type PasswordCheckResult } from '../../src/credentials/checker.ts'
import { createScryptHash, verifyPassword } from '../../src/credentials/hash.ts'
import { createClients, expandClients } from '../../src/egress/clients.ts'
import type { Clients, ClientVerdict } from '../../src/egress/clients.ts'
import {
  apiKey,
  basicAuth,
  firstGeneration,
  keyEntry,
  passwordEntry,
  sampleConfig,
} from '../inbound/sample-config.ts'

const peer = '192.0.2.7'
const keyedHashSecret = Buffer.alloc(32, 5)

interface Says {
  readonly clients?: EgressConfig['clients']
  readonly groups?: Readonly<Record<string, readonly string[]>>
  /** How many computations may run, and wait. */
  readonly queue?: readonly [concurrency: number, queue: number]
}

/** Clock and counts of a scene; the gate holds computations back. */
interface Scene {
  readonly config: Config
  readonly clients: Clients
  /** The clients of a later generation, in which these definitions are new. */
  reload(definitions: readonly Definition[]): Clients
  wallMs: number
  computations: number
  gate: Promise<unknown>
  readonly results: PasswordCheckResult[]
}

function configOf(definitions: readonly Definition[], says: Says): Config {
  const egress = { clients: says.clients } as EgressConfig
  return { ...sampleConfig(definitions, says.groups ?? {}, {}), egress }
}

function createScene(definitions: readonly Definition[], says: Says = {}): Scene {
  const names = definitions.map(({ name }) => name)
  const config = configOf(definitions, { clients: names, ...says })
  const [concurrency, queue] = says.queue ?? [2, 100]
  const state = { wallMs: 1000, computations: 0, gate: Promise.resolve() as Promise<unknown> }
  const results: PasswordCheckResult[] = []
  const checker = new PasswordChecker({
    settings: { concurrency, queue, cache: 100, cacheTtlMs: 60_000 },
    secret: keyedHashSecret,
    nowMs: () => scene.wallMs,
    monotonicMs: () => 0,
    onResult: (result) => results.push(result),
    verify: async (hash, password) => {
      scene.computations += 1
      await scene.gate
      return verifyPassword(hash, password)
    },
  })
  const load = (loaded: Config, definitionGenerations: ReadonlyMap<string, number>): Clients => {
    const services = { checker, keyedHashSecret, definitionGenerations, nowMs: () => scene.wallMs }
    const clients = createClients(loaded, services)
    if (clients === undefined) throw new Error('egress.clients was given')
    return clients
  }
  const scene: Scene = Object.assign(state, {
    config,
    results,
    clients: load(config, firstGeneration(config)),
    reload: (changed: readonly Definition[]) =>
      load(
        configOf(changed, { clients: changed.map(({ name }) => name) }),
        new Map(changed.map(({ name }) => [name, 2])),
      ),
  })
  return scene
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`

/** In a line: who it is, or why not. */
function tell(verdict: ClientVerdict): string {
  if (verdict.kind !== 'client') return verdict.kind
  const { definition = '?', label = '?', identity = '?' } = verdict.client ?? {}
  return `${definition}/${label} is ${identity}`
}

/** A verdict that is there at once. */
function now({ clients }: Scene, value: string | undefined): string {
  const verdict = clients.verify(value, peer)
  if (verdict instanceof Promise) throw new Error('a plain secret is compared at once')
  return tell(verdict)
}

const ask = async ({ clients }: Scene, pair: string, from = peer): Promise<string> =>
  tell(await clients.verify(basic(pair), from))

const hashed = async (text: string, label = '') =>
  passwordEntry(await createScryptHash(text, { logN: 1 }), { label })

t.test('where egress asks nobody there are no clients', async (t) => {
  const services = {
    checker: new PasswordChecker({
      settings: { concurrency: 1, queue: 1, cache: 1, cacheTtlMs: 1 },
      secret: keyedHashSecret,
      nowMs: () => 0,
      monotonicMs: () => 0,
    }),
    keyedHashSecret,
    definitionGenerations: new Map<string, number>(),
    nowMs: () => 0,
  }
  const says = (clients: EgressConfig['clients']) =>
    createClients(configOf([apiKey('app', [keyEntry('k')])], { clients }), services)
  t.equal(says(undefined), undefined)
  t.equal(says('none'), undefined)
  t.equal(createClients({ ...sampleConfig([], {}, {}), egress: undefined }, services), undefined)
  const nobody = says([])
  t.not(nobody, undefined, 'an empty list asks everybody, and knows nobody')
  t.same(nobody?.verify(basic('app:k'), peer), { kind: 'refused' })
})

t.test('a basic_auth client says its username, an api_key client its name', async (t) => {
  const scene = createScene([
    basicAuth('batch', [passwordEntry('p:w', { label: 'old' }), passwordEntry('pässwörd')], {
      username: 'batch-üser',
      identity: 'the batch',
    }),
    apiKey('app', [keyEntry('k1', { label: 'a' }), keyEntry('k2', { label: 'b' })], {
      identity: 'the app',
    }),
  ])
  t.equal(now(scene, basic('batch-üser:pässwörd')), 'batch/ is the batch')
  t.equal(now(scene, basic('batch-üser:p:w')), 'batch/old is the batch', 'the first colon splits')
  t.equal(now(scene, basic('app:k1')), 'app/a is the app')
  t.equal(now(scene, basic('app:k2')), 'app/b is the app')
  t.equal(now(scene, basic('batch:pässwörd')), 'refused', 'the name is no username')
  t.equal(now(scene, basic('app:pässwörd')), 'refused')
  t.equal(now(scene, basic('batch-üser:k1')), 'refused')
})

t.test('nothing, another scheme and what is not quite Basic are refused', async (t) => {
  const scene = createScene([
    basicAuth('batch', [passwordEntry('pw')]),
    apiKey('app', [keyEntry('k')]),
  ])
  const value = basic('batch:pw')
  t.equal(now(scene, value), 'batch/ is batch')
  const encoded = value.slice('Basic '.length)
  const refused = [undefined, '', 'Basic', 'Basic ', `Bearer ${encoded}`, encoded, `${value} x`]
  refused.push(`${value},${value}`, `Basic ${encoded.replace('=', '')}`, basic('batch'), basic(':'))
  refused.push(basic('batch:'), basic(':pw'), basic('batch:pw\0'), basic('BATCH:pw'), basic('app:'))
  for (const each of refused) t.equal(now(scene, each), 'refused', each ?? 'no header')
})

t.test('whoever is defined but not listed is refused with the right secret', async (t) => {
  const definitions = [
    basicAuth('batch', [passwordEntry('pw')]),
    basicAuth('other', [passwordEntry('pw2')]),
    apiKey('app', [keyEntry('k')]),
    apiKey('stranger', [keyEntry('k2')]),
  ]
  const scene = createScene(definitions, {
    clients: ['batch', 'apps'],
    groups: { apps: ['app'], others: ['other', 'stranger'] },
  })
  t.equal(now(scene, basic('batch:pw')), 'batch/ is batch')
  t.equal(now(scene, basic('app:k')), 'app/ is app', 'a group means its members')
  t.equal(now(scene, basic('other:pw2')), 'refused')
  t.equal(now(scene, basic('stranger:k2')), 'refused')
  t.ok(scene.clients.has('batch'))
  t.ok(scene.clients.has('app'))
  for (const name of ['apps', 'other', 'stranger', 'nobody', '']) {
    t.notOk(scene.clients.has(name), name)
  }
})

t.test('names of groups and definitions are expanded, each definition once', async (t) => {
  const config = sampleConfig([], { all: ['a', 'b'], some: ['b', 'c'], none: [] }, {})
  t.same([...expandClients(['all', 'd', 'some', 'a', 'none'], config)], ['a', 'b', 'd', 'c'])
  t.same([...expandClients([], config)], [])
})

t.test('an inactive definition is refused, and knows no right secret', async (t) => {
  const off = { isActive: false }
  const scene = createScene([
    basicAuth('batch', [passwordEntry('pw')], off),
    basicAuth('slow', [await hashed('pw')], off),
    apiKey('app', [keyEntry('k')], off),
  ])
  t.equal(now(scene, basic('batch:pw')), 'refused')
  t.equal(await ask(scene, 'app:k'), 'refused')
  for (let round = 1; round <= 2; round++) {
    t.equal(await ask(scene, 'slow:pw'), 'refused')
    t.equal(scene.results.includes('hit'), false, 'it costs what a wrong one costs, each time')
  }
})

t.test('a secret counts from not_before until just before not_after', async (t) => {
  const life = { notBeforeMs: 1000, notAfterMs: 2000 }
  const scene = createScene([
    basicAuth('batch', [passwordEntry('pw', life)]),
    apiKey('app', [keyEntry('k', life)]),
  ])
  for (const [wallMs, isIn] of [
    [999, false],
    [1000, true],
    [1999, true],
    [2000, false],
    [1500, true],
  ] as const) {
    scene.wallMs = wallMs
    t.equal(now(scene, basic('batch:pw')), isIn ? 'batch/ is batch' : 'refused', `${wallMs}`)
    t.equal(now(scene, basic('app:k')), isIn ? 'app/ is app' : 'refused', `${wallMs}`)
  }
})

t.test('a key that is there twice counts while one of them lives', async (t) => {
  const scene = createScene([
    apiKey('app', [
      keyEntry('k', { label: 'old', notAfterMs: 500 }),
      keyEntry('k', { label: 'new', notBeforeMs: 900 }),
    ]),
  ])
  t.equal(now(scene, basic('app:k')), 'app/new is app')
  scene.wallMs = 499
  t.equal(now(scene, basic('app:k')), 'app/old is app')
  scene.wallMs = 700
  t.equal(now(scene, basic('app:k')), 'refused')
})

t.test(
  'who was let in may come again until its secret ends, or it is listed no more',
  async (t) => {
    const scene = createScene([apiKey('app', [keyEntry('k', { notAfterMs: 2000 })])])
    const verdict = scene.clients.verify(basic('app:k'), peer)
    if (verdict instanceof Promise || verdict.kind !== 'client' || verdict.client === undefined) {
      throw new Error('it is known')
    }
    const { client } = verdict
    t.equal(client.notAfterMs, 2000)
    t.ok(scene.clients.isStillOne(client))
    scene.wallMs = 1999
    t.ok(scene.clients.isStillOne(client))
    scene.wallMs = 2000
    t.notOk(scene.clients.isStillOne(client))
    t.ok(scene.clients.isStillOne({ ...client, notAfterMs: undefined }), 'one that never ends')
    const next = createScene([apiKey('other', [keyEntry('k')])])
    t.notOk(next.clients.isStillOne(client))
  },
)

t.test(
  'an api_key name that is somebody’s username too leaves both their own secret',
  async (t) => {
    const scene = createScene([
      apiKey('same', [keyEntry('k')]),
      basicAuth('batch', [passwordEntry('pw')], { username: 'same' }),
    ])
    t.equal(now(scene, basic('same:k')), 'same/ is same')
    t.equal(now(scene, basic('same:pw')), 'batch/ is batch')
    t.equal(now(scene, basic('same:x')), 'refused')
  },
)

t.test('a hashed password is checked off the path, then remembered', async (t) => {
  const scene = createScene([basicAuth('batch', [await hashed('pw', 'h')])])
  const first = scene.clients.verify(basic('batch:pw'), peer)
  t.type(first, Promise)
  t.equal(tell(await first), 'batch/h is batch')
  t.equal(now(scene, basic('batch:pw')), 'batch/h is batch', 'the second time at once')
  t.equal(await ask(scene, 'batch:x'), 'refused')
  t.equal(scene.computations, 2)
})

// Attack: the time of an answer tells which usernames there are.
t.test('an unknown username costs what a known one costs, and is never let in', async (t) => {
  const scene = createScene([basicAuth('batch', [await hashed('pw'), await hashed('pw2')])])
  t.equal(await ask(scene, 'batch:wrong'), 'refused')
  t.equal(scene.computations, 2)
  t.equal(await ask(scene, 'nobody:wrong'), 'refused')
  t.equal(scene.computations, 4)
  t.equal(await ask(scene, 'nobody:pw'), 'refused', 'not with the password of another either')
  t.equal(scene.computations, 6)
  await ask(scene, 'batch:pw')
  t.equal(await ask(scene, 'nobody:pw'), 'refused', 'nor when it is remembered')
})

t.test('an unknown username always meets the same decoy', async (t) => {
  const slow = basicAuth('slow', [await hashed('a'), await hashed('b'), await hashed('c')])
  const scene = createScene([slow, basicAuth('quick', [passwordEntry('pw')])])
  const costs = new Map<string, Set<number>>()
  for (let round = 0; round < 3; round++) {
    for (const name of ['u0', 'u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7']) {
      const before = scene.computations
      t.equal(await ask(scene, `${name}:x${round}`), 'refused')
      const cost = costs.get(name) ?? new Set()
      costs.set(name, cost.add(scene.computations - before))
    }
  }
  t.ok(
    [...costs.values()].every(({ size }) => size === 1),
    'asking again tells nothing',
  )
  const all = new Set([...costs.values()].flatMap((cost) => [...cost]))
  t.same([...all].sort(), [0, 3], 'names are spread over the accounts')
})

t.test('where only keys are known, an unknown name is refused at once', async (t) => {
  const scene = createScene([apiKey('app', [keyEntry('k')])])
  t.equal(now(scene, basic('nobody:k')), 'refused')
  t.equal(now(scene, basic('app:x')), 'refused')
})

t.test('checks that find no room are told so, whoever asks', async (t) => {
  const scene = createScene([basicAuth('batch', [await hashed('pw')])], { queue: [1, 1] })
  let open = (): void => undefined
  scene.gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const waiting = [ask(scene, 'batch:1'), ask(scene, 'batch:2')]
  for (const pair of ['batch:3', 'nobody:4']) {
    const verdict = await scene.clients.verify(basic(pair), peer)
    t.match(verdict, { kind: 'overloaded', retryAfterS: Number }, pair)
  }
  open()
  t.same(await Promise.all(waiting), ['refused', 'refused'])
  t.equal(await ask(scene, 'batch:pw'), 'batch/ is batch')
})

t.test('what was remembered of a definition is forgotten when it changes', async (t) => {
  const scene = createScene([basicAuth('batch', [await hashed('pw')])])
  t.equal(await ask(scene, 'batch:pw'), 'batch/ is batch')
  const clients = scene.reload([basicAuth('batch', [await hashed('new')])])
  t.equal(await ask({ ...scene, clients }, 'batch:pw'), 'refused')
  t.equal(await ask({ ...scene, clients }, 'batch:new'), 'batch/ is batch')
})
