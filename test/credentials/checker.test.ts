import t from 'tap'
import {
  digestPlainPasswords,
  PasswordChecker,
  type Account,
  type CheckerSettings,
  type PasswordCheckResult,
  type PasswordOutcome,
} from '../../src/credentials/checker.ts'
import type { PasswordEntry } from '../../src/credentials/entries.ts'
import {
  createBcryptHash,
  createScryptHash,
  parsePasswordHash,
  verifyPassword,
} from '../../src/credentials/hash.ts'
import { KeyedHash } from '../../src/credentials/keyed-hash.ts'
import { Secret } from '../../src/secret.ts'

const secret = Buffer.alloc(32, 9)
const keyedHash = new KeyedHash(secret)
const address = '192.0.2.1'

type Life = Partial<Pick<PasswordEntry, 'notBeforeMs' | 'notAfterMs'>>

function plain(label: string, password: string, life: Life = {}): PasswordEntry {
  const lived = { notBeforeMs: undefined, notAfterMs: undefined, ...life }
  return { label, source: 'literal', password: new Secret(password), hash: undefined, ...lived }
}

async function hashed(label: string, password: string, life: Life = {}): Promise<PasswordEntry> {
  const hash = parsePasswordHash(await createScryptHash(password, { logN: 1 }))
  const lived = { notBeforeMs: undefined, notAfterMs: undefined, ...life }
  return { label, source: 'hash', password: undefined, hash, ...lived }
}

function createAccount(name: string, passwords: readonly PasswordEntry[], generation = 1): Account {
  const plainDigests = digestPlainPasswords(passwords, keyedHash)
  return { definition: { name, passwords }, generation, plainDigests }
}

/** A checker whose clocks stand still and whose computations are counted, and can be held back. */
function createScene(settings: Partial<CheckerSettings> = {}) {
  const scene = {
    wallMs: 1_000_000,
    monotonicMs: 0,
    computations: 0,
    running: 0,
    mostRunning: 0,
    order: [] as string[],
    results: [] as PasswordCheckResult[],
    failures: [] as unknown[],
    /** Set it to hold computations back until it resolves. */
    gate: Promise.resolve(),
  }
  const checker = new PasswordChecker({
    settings: { concurrency: 2, queue: 128, cache: 100, cacheTtlMs: 60_000, ...settings },
    secret,
    nowMs: () => scene.wallMs,
    monotonicMs: () => scene.monotonicMs,
    onResult: (result) => scene.results.push(result),
    onFailure: (error) => scene.failures.push(error),
    verify: async (hash, password) => {
      scene.computations++
      scene.order.push(password.toString())
      scene.mostRunning = Math.max(scene.mostRunning, ++scene.running)
      await scene.gate
      scene.running--
      return await verifyPassword(hash, password)
    },
  })
  const check = (account: Account, password: string, client = address, isActive = true) =>
    checker.check(account, Buffer.from(password), client, isActive)
  const checkDecoy = (account: Account, username: string, password: string) =>
    checker.checkDecoy(account, username, Buffer.from(password), address)
  return { scene, checker, check, checkDecoy }
}

function tell(outcome: PasswordOutcome): string {
  return 'entry' in outcome ? `${outcome.kind} ${outcome.entry.label}` : outcome.kind
}

t.test('plain passwords are judged at once, hashed ones later', async (t) => {
  const { check, scene } = createScene()
  const account = createAccount('a', [plain('one', 'secret')])
  t.match(check(account, 'secret'), { kind: 'match', entry: { label: 'one' } })
  for (const wrong of ['', 'secre', 'secret\0', 'secrets', 'SECRET']) {
    t.same(check(account, wrong), { kind: 'wrong' }, JSON.stringify(wrong))
  }
  t.equal(scene.computations, 0)
  const slow = check(createAccount('b', [await hashed('one', 'secret')]), 'secret')
  t.type(slow, Promise)
  t.equal(tell(await slow), 'match one')
})

t.test('of several entries any live one will do; a dead one only says so', async (t) => {
  const passwords = [
    plain('plain-old', 'p0', { notAfterMs: 1_000_000 }),
    plain('plain', 'p1'),
    await hashed('hashed-old', 'h0', { notAfterMs: 1_000_000 }),
    await hashed('hashed', 'h1', { notAfterMs: 1_000_001 }),
    await hashed('hashed-new', 'h2', { notBeforeMs: 1_000_001 }),
    plain('same-old', 'same', { notAfterMs: 1 }),
    await hashed('same', 'same'),
  ]
  const { check } = createScene()
  const account = createAccount('a', passwords)
  const wanted = [
    ['p0', 'expired plain-old'],
    ['p1', 'match plain'],
    ['h0', 'expired hashed-old'],
    ['h1', 'match hashed'],
    ['h2', 'expired hashed-new'],
    ['same', 'match same'],
    ['nope', 'wrong'],
  ]
  for (const [password = '', outcome] of wanted) {
    t.equal(tell(await check(account, password)), outcome, password)
  }
})

t.test('every refusal of an account costs the same, an unknown username too', async (t) => {
  const passwords = [
    await hashed('new', 'new'),
    plain('plain', 'plain'),
    plain('plain-old', 'plain-old', { notAfterMs: 1 }),
    await hashed('old', 'old', { notAfterMs: 1 }),
    await hashed('older', 'older', { notAfterMs: 1 }),
  ]
  const account = createAccount('a', passwords)
  const dead = createAccount('dead', passwords.slice(3))
  const cost = async (ask: (scene: ReturnType<typeof createScene>) => unknown): Promise<number> => {
    const scene = createScene()
    await ask(scene)
    return scene.scene.computations
  }
  t.equal(await cost(({ check }) => check(account, 'wrong')), 3, 'wrong')
  t.equal(await cost(({ check }) => check(account, 'old')), 3, 'expired')
  t.equal(await cost(({ check }) => check(account, 'older')), 3, 'expired')
  t.equal(await cost(({ check }) => check(account, 'plain-old')), 3, 'expired, not hashed')
  for (const password of ['wrong', 'new', 'old', 'plain']) {
    const inactive = await cost(({ check }) => check(account, password, address, false))
    t.equal(inactive, 3, `inactive, ${password}`)
    const unknown = await cost(({ checkDecoy }) => checkDecoy(account, 'nobody', password))
    t.equal(unknown, 3, `unknown username, ${password}`)
  }
  t.equal(await cost(({ check }) => check(dead, 'wrong')), 2, 'nothing live')
  t.equal(await cost(({ check }) => check(account, 'new')), 1, 'only a success may be quick')
  const reversed = createAccount('reversed', passwords.toReversed())
  t.equal(await cost(({ check }) => check(reversed, 'new')), 1, 'in whatever order they are listed')
})

t.test('an unknown username is never let in, whatever the password of its decoy', async (t) => {
  const { check, checkDecoy, scene } = createScene()
  const account = createAccount('a', [plain('plain', 'p'), await hashed('hashed', 'h')])
  await check(account, 'h')
  const before = scene.computations
  for (const password of ['p', 'h', 'x']) {
    t.same(await checkDecoy(account, 'nobody', password), { kind: 'wrong' })
  }
  t.equal(scene.computations, before + 3, 'not even the cache makes it quick')
  t.same(checkDecoy(createAccount('b', [plain('', 'p')]), 'nobody', 'p'), { kind: 'wrong' })
  t.same(scene.results, ['match', 'wrong', 'wrong', 'wrong'])
})

t.test('an inactive definition neither uses nor fills the cache', async (t) => {
  const { check, scene } = createScene()
  const account = createAccount('a', [await hashed('', 'h')])
  t.equal(tell(await check(account, 'h', address, false)), 'match ')
  t.equal(tell(await check(account, 'h', address, false)), 'match ')
  t.equal(scene.computations, 2)
})

t.test('a success is remembered for its time, at once and without a computation', async (t) => {
  const { check, scene } = createScene({ cacheTtlMs: 60_000 })
  const account = createAccount('a', [await hashed('first', 'x'), await hashed('second', 'h')])
  await check(account, 'h')
  t.equal(scene.computations, 2)
  scene.monotonicMs = 59_999
  t.match(check(account, 'h'), { kind: 'match', entry: { label: 'second' } })
  t.type(check(account, 'H'), Promise, 'for this password only')
  scene.monotonicMs = 60_000
  t.type(check(account, 'h'), Promise)
  t.same(scene.results.slice(0, 2), ['match', 'hit'])
})

t.test('nothing is remembered past not_after, nor before not_before', async (t) => {
  const { check, scene } = createScene()
  const life = { notBeforeMs: 1_000_000, notAfterMs: 1_000_500 }
  const account = createAccount('a', [await hashed('', 'h', life)])
  await check(account, 'h')
  scene.wallMs = 1_000_499
  t.match(check(account, 'h'), { kind: 'match' })
  scene.wallMs = 1_000_500
  const late = check(account, 'h')
  t.type(late, Promise)
  t.equal(tell(await late), 'expired ')
  scene.wallMs = 999_999
  t.equal(tell(await check(account, 'h')), 'expired ', 'a clock that was set back')
})

t.test('an entry that ends while its check waits is expired', async (t) => {
  const { check, scene } = createScene()
  const account = createAccount('a', [await hashed('', 'h', { notAfterMs: 1_000_001 })])
  const outcome = check(account, 'h')
  scene.wallMs = 1_000_001
  t.equal(tell(await outcome), 'expired ')
  t.same(scene.results, ['expired'])
  scene.wallMs = 1_000_000
  t.type(check(account, 'h'), Promise, 'and was not remembered')
})

t.test('a failure is not remembered', async (t) => {
  const { check, scene } = createScene()
  const account = createAccount('a', [await hashed('', 'h')])
  await check(account, 'x')
  await check(account, 'x')
  t.equal(scene.computations, 2)
  t.same(scene.results, ['wrong', 'wrong'])
})

t.test('what was remembered dies with its generation', async (t) => {
  const { check, scene } = createScene()
  const passwords = [await hashed('', 'h')]
  await check(createAccount('a', passwords, 1), 'h')
  t.type(check(createAccount('a', passwords, 2), 'h'), Promise)
  t.match(check(createAccount('a', passwords, 1), 'h'), { kind: 'match' })
  t.match(check(createAccount('a', passwords, 1), 'h'), { kind: 'match' })
  t.type(check(createAccount('b', passwords, 1), 'h'), Promise, 'of another definition neither')
  t.equal(scene.results.filter((result) => result === 'hit').length, 2)
})

t.test('equal checks in flight are one, the wrong ones too', async (t) => {
  const { check, checkDecoy, scene } = createScene()
  const account = createAccount('a', [await hashed('', 'h')])
  const outcomes = await Promise.all([
    check(account, 'h'),
    check(account, 'h', '192.0.2.2'),
    check(account, 'x'),
    check(account, 'x'),
    checkDecoy(account, 'nobody', 'x'),
    checkDecoy(account, 'nobody', 'x'),
    checkDecoy(account, 'no one', 'x'),
  ])
  t.same(outcomes.map(tell), ['match ', 'match ', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong'])
  t.equal(scene.computations, 4, 'a decoy joins neither the real check nor another username')
  t.equal(scene.results.filter((result) => result === 'coalesced').length, 3)
  await check(account, 'x')
  t.equal(scene.computations, 5, 'what has landed is not joined')
})

t.test('checks wait their turn, fair by client, and a full queue refuses', async (t) => {
  const { check, scene } = createScene({ concurrency: 2, queue: 4 })
  const account = createAccount('a', [await hashed('', 'h')])
  let open = (): void => undefined
  scene.gate = new Promise((resolve) => {
    open = resolve
  })
  const flood = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7'].map((x) =>
    check(account, x, '::ffff:1.1.1.1'),
  )
  const good = check(account, 'h', '192.0.2.7')
  open()
  t.equal(tell(await good), 'match ')
  const outcomes = await Promise.all(flood.map(async (each) => tell(await each)))
  t.same(outcomes, ['wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'overloaded', 'overloaded'])
  t.equal(scene.order.indexOf('h'), 3, 'behind one of the flood, not behind all')
  t.equal(scene.mostRunning, 2)
  t.equal(scene.results.filter((result) => result === 'overloaded').length, 2)
})

t.test('a computation that breaks lets nobody in and blocks nobody', async (t) => {
  const results: string[] = []
  const failures: unknown[] = []
  const checker = new PasswordChecker({
    settings: { concurrency: 1, queue: 1, cache: 1, cacheTtlMs: 1 },
    secret,
    nowMs: () => 0,
    monotonicMs: () => 0,
    onResult: (result) => results.push(result),
    onFailure: (error) => failures.push(error),
    verify: () => Promise.reject(new Error('no memory')),
  })
  const account = createAccount('a', [await hashed('', 'h')])
  for (let round = 0; round < 3; round++) {
    const outcome = await checker.check(account, Buffer.from('h'), address, true)
    t.same(outcome, { kind: 'overloaded', retryAfterS: 1 })
  }
  t.same(results, ['failed', 'failed', 'failed'])
  t.match(failures[0], { message: 'no memory' })
})

t.test('bcrypt refuses more than 72 bytes, through the checker too', async (t) => {
  const hash = parsePasswordHash(await createBcryptHash('x'.repeat(72), { cost: 4 }))
  const entry = { ...plain('', 'unused'), password: undefined, hash }
  const checker = new PasswordChecker({
    settings: { concurrency: 2, queue: 1, cache: 1, cacheTtlMs: 1 },
    secret,
    nowMs: () => 0,
    monotonicMs: () => 0,
  })
  const account = createAccount('a', [entry])
  const check = async (length: number) =>
    tell(await checker.check(account, Buffer.alloc(length, 'x'), address, true))
  t.equal(await check(72), 'match ')
  t.equal(await check(73), 'wrong')
  t.equal(await check(71), 'wrong')
})

t.test('settings can change while the process lives', async (t) => {
  const { checker, check, scene } = createScene()
  const account = createAccount('a', [await hashed('', 'h')])
  await check(account, 'h')
  checker.configure({ concurrency: 1, queue: 0, cache: 5, cacheTtlMs: 1000 })
  t.match(check(account, 'h'), { kind: 'match' }, 'what was remembered stays')
  scene.monotonicMs = 1000
  t.type(check(account, 'h'), Promise, 'no longer than it now would')
  const outcome = await check(account, 'x')
  t.equal(tell(outcome), 'overloaded')
})
