import t from 'tap'
import { PasswordChecker, type CheckerSettings } from '../../src/credentials/checker.ts'
import { createBcryptHash, createScryptHash, verifyPassword } from '../../src/credentials/hash.ts'
import { NonceMemory } from '../../src/hmac/nonces.ts'
import { NO_BODY } from '../../src/http/whole-body.ts'
import { createAuthenticate } from '../../src/inbound/authenticate.ts'
import { createCredentialIndex } from '../../src/inbound/credential-index.ts'
import type { Verdict } from '../../src/inbound/principal.ts'
import {
  apiKey,
  basicAuth,
  firstGeneration,
  keyEntry,
  passwordEntry,
  sampleConfig,
} from './sample-config.ts'

const NOW = 1_800_000_000_000
const ended = { notAfterMs: NOW }
const secret = Buffer.alloc(32, 5)

const scryptHash = await createScryptHash('s-right', { logN: 1 })
const oldHash = await createScryptHash('s-old', { logN: 1 })
const bcryptHash = await createBcryptHash('y'.repeat(72), { cost: 4 })

const definitions = [
  basicAuth('plain', [
    passwordEntry('p-right', { label: 'new' }),
    passwordEntry('p-old', { label: 'old', ...ended }),
    passwordEntry('p-early', { label: 'early', notBeforeMs: NOW + 1 }),
  ]),
  basicAuth('pässword', [passwordEntry('grün😀')], { identity: 'green' }),
  basicAuth('slow', [
    passwordEntry(scryptHash, { label: 'new' }),
    passwordEntry(oldHash, { label: 'old', ...ended }),
  ]),
  basicAuth('bcrypt', [passwordEntry(bcryptHash)]),
  basicAuth('dead', [passwordEntry(oldHash, ended)]),
  basicAuth('off', [passwordEntry('o-right')], { isActive: false }),
  basicAuth('slow-off', [passwordEntry(scryptHash)], { isActive: false }),
  basicAuth('elsewhere', [passwordEntry('e-right')]),
  basicAuth('elsewhere-off', [passwordEntry('e-right')], { isActive: false }),
  basicAuth('outgoing', [passwordEntry('g-right')]),
  apiKey('mobile', [
    keyEntry('k-right', { label: 'new' }),
    keyEntry('k-old', { label: 'old', ...ended }),
  ]),
  apiKey('twice', [
    keyEntry('k-twice', { label: 'old', ...ended }),
    keyEntry('k-twice', { label: 'new' }),
    keyEntry('k-twice', { label: 'older', ...ended }),
  ]),
  apiKey('latin', [keyEntry('k-é')]),
  apiKey('k-off', [keyEntry('off-right')], { isActive: false }),
  apiKey('k-elsewhere', [keyEntry('elsewhere-right')]),
  apiKey('other-header', [keyEntry('h-right')], { header: 'X-Other' }),
  apiKey('token', [keyEntry('Token t-right'), keyEntry('Basic t-right')], {
    header: 'Authorization',
  }),
]

const config = sampleConfig(
  definitions,
  {
    staff: ['plain', 'pässword', 'slow', 'bcrypt', 'dead', 'off', 'slow-off'],
    apps: ['mobile', 'twice', 'latin', 'k-off', 'slow'],
  },
  {
    both: { groups: ['staff', 'apps'] },
    basic: { groups: ['staff'] },
    keys: { security: ['mobile', 'latin'] },
    elsewhere: { security: ['elsewhere', 'elsewhere-off', 'k-elsewhere', 'other-header'] },
    shared: { security: ['plain', 'token'] },
    bare: { security: ['token'] },
    open: { security: 'none' },
    nothing: { security: [] },
  },
)

/** Authenticates as `NAME: value` lines say; hash computations and uses are counted. */
async function createScene(settings: Partial<CheckerSettings> = {}) {
  const index = await createCredentialIndex(config, firstGeneration(config), secret)
  const scene = { computations: 0, used: [] as unknown[][] }
  const checker = new PasswordChecker({
    settings: { concurrency: 2, queue: 128, cache: 100, cacheTtlMs: 60_000, ...settings },
    secret,
    nowMs: () => NOW,
    monotonicMs: () => 0,
    verify: (hash, password) => {
      scene.computations++
      return verifyPassword(hash, password)
    },
  })
  const authenticate = createAuthenticate({
    index,
    checker,
    nowMs: () => NOW,
    readBody: () => NO_BODY,
    noncesOf: () => new NonceMemory(),
    schemeOf: () => {
      throw new Error('no module is asked here')
    },
    onUsed: (...use) => scene.used.push(use),
  })
  const ask = (channel: string, ...lines: readonly string[]): Verdict | Promise<Verdict> => {
    const headers = lines.flatMap((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
    const names = headers.filter((_, place) => place % 2 === 0).map((name) => name.toLowerCase())
    const access = index.channels.get(channel)
    if (access === undefined) throw new Error(`no channel ${channel}`)
    const exchange = {
      ...{ headers, names, method: 'GET', target: '/', host: 'h', body: undefined },
      ...{ onGone: undefined, bytesIn: 0, bytesTaken: 0, isBodyComplete: true },
      sendContinue: () => undefined,
    }
    return authenticate(exchange, access, '192.0.2.1')
  }
  return { scene, ask }
}

function basic(username: string, password: string): string {
  return `Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function tell(verdict: Verdict): string {
  if (verdict.kind === 'open') return 'open'
  if (verdict.kind === 'principal') {
    const { definition, label } = verdict.principal
    return ['in', definition, label].join(' ').trim()
  }
  const { code, reason, definition, label } = verdict
  return [code, reason, definition, label].join(' ').trim()
}

const MISSING = 'unauthorized missing'
const MALFORMED = 'unauthorized malformed'
const UNKNOWN = 'unauthorized unknown'
const AMBIGUOUS = 'ambiguous_credentials ambiguous'

const verdicts: readonly (readonly [string, string, readonly string[], string])[] = [
  ['an open channel looks at nothing', 'open', [basic('plain', 'x'), 'X-API-Key: x'], 'open'],
  [
    'a channel that accepts nothing lets nobody in',
    'nothing',
    [basic('plain', 'p-right')],
    MISSING,
  ],
  ['no header', 'both', [], MISSING],
  ['other headers', 'both', ['Cookie: a=b', 'Proxy-Authorization: Basic eDp5'], MISSING],

  ['a plain password', 'both', [basic('plain', 'p-right')], 'in plain new'],
  [
    'a header in any case',
    'both',
    [basic('plain', 'p-right').toUpperCase().slice(0, 13) + basic('plain', 'p-right').slice(13)],
    'in plain new',
  ],
  ['UTF-8', 'both', [basic('pässword', 'grün😀')], 'in pässword'],
  ['a hashed password', 'both', [basic('slow', 's-right')], 'in slow new'],
  ['72 bytes of bcrypt', 'both', [basic('bcrypt', 'y'.repeat(72))], 'in bcrypt'],
  ['73 bytes of bcrypt', 'both', [basic('bcrypt', 'y'.repeat(73))], 'unauthorized wrong bcrypt'],
  ['a wrong password', 'both', [basic('plain', 'p-wrong')], 'unauthorized wrong plain'],
  ['the beginning of a password', 'both', [basic('plain', 'p-righ')], 'unauthorized wrong plain'],
  ['an empty password', 'both', [basic('plain', '')], 'unauthorized wrong plain'],
  ['a wrong hashed password', 'both', [basic('slow', 's-wrong')], 'unauthorized wrong slow'],
  ['a NUL behind a plain password', 'both', [basic('plain', 'p-right\0')], MALFORMED],
  ['a NUL behind a hashed password', 'both', [basic('slow', 's-right\0')], MALFORMED],
  ['an unknown username', 'both', [basic('nobody', 'p-right')], UNKNOWN],
  ['a username in another case', 'both', [basic('Plain', 'p-right')], UNKNOWN],
  ['a username that objects have', 'both', [basic('__proto__', 'x')], UNKNOWN],
  ['the username of an outgoing definition', 'both', [basic('outgoing', 'g-right')], UNKNOWN],
  ['an expired password', 'both', [basic('plain', 'p-old')], 'unauthorized expired plain old'],
  [
    'a password before its time',
    'both',
    [basic('plain', 'p-early')],
    'unauthorized expired plain early',
  ],
  ['an expired hashed password', 'both', [basic('slow', 's-old')], 'unauthorized expired slow old'],
  [
    'an account without a live password',
    'both',
    [basic('dead', 's-old')],
    'unauthorized expired dead',
  ],
  ['its wrong password', 'both', [basic('dead', 'x')], 'unauthorized wrong dead'],
  ['an inactive definition', 'both', [basic('off', 'o-right')], 'unauthorized inactive off'],
  ['its wrong password', 'both', [basic('off', 'x')], 'unauthorized wrong off'],
  [
    'an inactive hashed definition',
    'both',
    [basic('slow-off', 's-right')],
    'unauthorized inactive slow-off',
  ],
  [
    'a caller of another channel',
    'both',
    [basic('elsewhere', 'e-right')],
    'forbidden not_allowed elsewhere',
  ],
  ['his wrong password', 'both', [basic('elsewhere', 'x')], 'unauthorized wrong elsewhere'],
  [
    'an inactive one of another channel',
    'both',
    [basic('elsewhere-off', 'e-right')],
    'unauthorized inactive elsewhere-off',
  ],

  ['an empty Authorization', 'both', ['Authorization:'], MALFORMED],
  ['Bearer where Basic is wanted', 'basic', ['Authorization: Bearer abc'], MALFORMED],
  ['Basic without anything', 'basic', ['Authorization: Basic'], MALFORMED],
  ['broken base64', 'basic', ['Authorization: Basic dTpw='], MALFORMED],
  ['Authorization where only keys are wanted', 'keys', ['Authorization: Bearer abc'], MISSING],
  ['Basic where only keys are wanted', 'keys', [basic('plain', 'p-right')], MISSING],
  [
    'Basic beside a key where only keys are wanted',
    'keys',
    [basic('plain', 'x'), 'X-API-Key: k-right'],
    'in mobile new',
  ],

  ['a key', 'both', ['X-API-Key: k-right'], 'in mobile new'],
  ['a header name in any case', 'both', ['x-api-KEY: k-right'], 'in mobile new'],
  ['a key in Latin-1 bytes', 'both', ['X-API-Key: k-é'], 'in latin'],
  ['a key that is there twice, once live', 'both', ['X-API-Key: k-twice'], 'in twice new'],
  ['an unknown key', 'both', ['X-API-Key: k-wrong'], UNKNOWN],
  ['the beginning of a key', 'both', ['X-API-Key: k-righ'], UNKNOWN],
  ['a NUL behind a key', 'both', ['X-API-Key: k-right\0'], UNKNOWN],
  ['a key in another header', 'both', ['X-API-Key: h-right'], UNKNOWN],
  ['an empty key', 'both', ['X-API-Key:'], MALFORMED],
  ['an expired key', 'both', ['X-API-Key: k-old'], 'unauthorized expired mobile old'],
  ['an inactive key', 'both', ['X-API-Key: off-right'], 'unauthorized inactive k-off'],
  [
    'a key of another channel',
    'both',
    ['X-API-Key: elsewhere-right'],
    'forbidden not_allowed k-elsewhere',
  ],
  ['a header that only other channels read', 'both', ['X-Other: h-right'], MISSING],
  ['a right one beside it', 'both', ['X-Other: nonsense', 'X-API-Key: k-right'], 'in mobile new'],

  [
    'two credentials, both right',
    'both',
    [basic('plain', 'p-right'), 'X-API-Key: k-right'],
    AMBIGUOUS,
  ],
  [
    'two credentials, the first wrong',
    'both',
    [basic('plain', 'x'), 'X-API-Key: k-right'],
    AMBIGUOUS,
  ],
  ['a right one and an empty header', 'both', [basic('plain', 'p-right'), 'X-API-Key:'], AMBIGUOUS],
  ['an empty header and a right one', 'both', ['Authorization:', 'X-API-Key: k-right'], AMBIGUOUS],
  ['two headers of keys', 'elsewhere', ['X-Other: h-right', 'X-API-Key: k-right'], AMBIGUOUS],
  ['one header twice', 'both', ['X-API-Key: k-right', 'x-api-key: k-right'], AMBIGUOUS],

  ['a shared header: Basic', 'shared', [basic('plain', 'p-right')], 'in plain new'],
  ['a shared header: a key', 'shared', ['Authorization: Token t-right'], 'in token'],
  ['a shared header: another scheme', 'shared', ['Authorization: Bearer x'], UNKNOWN],
  [
    'a shared header: what says Basic is never a key',
    'shared',
    ['Authorization: Basic t-right'],
    MALFORMED,
  ],
  ['a key in Authorization', 'bare', ['Authorization: Token t-right'], 'in token'],
  [
    'a key that says Basic where only keys are',
    'bare',
    ['Authorization: Basic t-right'],
    'in token',
  ],
  ['Basic of another channel where only keys are', 'bare', [basic('plain', 'p-right')], UNKNOWN],
]

t.test('verdicts', async (t) => {
  const { ask } = await createScene()
  for (const [name, channel, lines, wanted] of verdicts) {
    const label = `${name} (${channel})`
    t.equal(tell(await ask(channel, ...lines)), wanted, label)
    // What is remembered, and what was in flight, changes no verdict.
    t.equal(tell(await ask(channel, ...lines)), wanted, `${label}, again`)
  }
})

t.test(
  'a principal carries what the upstream is told, and the slot that was consumed',
  async (t) => {
    const { ask } = await createScene()
    t.same(ask('both', basic('pässword', 'grün😀')), {
      kind: 'principal',
      principal: {
        definition: 'pässword',
        type: 'basic_auth',
        identity: 'green',
        groups: ['staff'],
        label: '',
      },
      slot: 'authorization',
    })
    t.match(await ask('both', basic('slow', 's-right')), {
      principal: { groups: ['apps', 'staff'] },
    })
    t.match(ask('keys', 'X-API-KEY: k-right'), {
      principal: { type: 'api_key', identity: 'mobile', groups: ['apps'] },
      slot: 'x-api-key',
    })
  },
)

t.test('only a slow hash makes anybody wait, and only once', async (t) => {
  const { ask, scene } = await createScene()
  const quick = [
    ['open'],
    ['both'],
    ['both', 'X-API-Key: k-right'],
    ['both', 'X-API-Key: k-wrong'],
    ['both', basic('plain', 'p-right')],
    ['both', basic('plain', 'p-wrong')],
    ['both', 'Authorization: x'],
  ]
  for (const [channel = '', ...lines] of quick) {
    t.notOk(ask(channel, ...lines) instanceof Promise, lines.join())
  }
  t.equal(scene.computations, 0)
  t.ok(ask('both', basic('slow', 's-right')) instanceof Promise)
  await ask('both', basic('slow', 's-right'))
  t.notOk(ask('basic', basic('slow', 's-right')) instanceof Promise, 'on other channels too')
  t.equal(scene.computations, 1)
})

t.test('whoever is let in is noted as a use of that secret, nobody else is', async (t) => {
  const { ask, scene } = await createScene()
  await ask('both', basic('slow', 's-right'))
  await ask('both', basic('slow', 's-right'))
  await ask('both', 'X-API-Key: k-right')
  for (const [, channel, lines, wanted] of verdicts) {
    if (!wanted.startsWith('in ')) await ask(channel, ...lines)
  }
  t.same(scene.used, [
    ['slow', 'new', NOW],
    ['slow', 'new', NOW],
    ['mobile', 'new', NOW],
  ])
})

t.test('an unknown user takes the same path as a wrong password of some known one', async (t) => {
  const { ask, scene } = await createScene()
  const costOf = async (username: string): Promise<number> => {
    const before = scene.computations
    await ask('both', basic(username, `wrong for ${username}`))
    return scene.computations - before
  }
  const known = new Set<number>()
  for (const name of ['plain', 'slow', 'bcrypt', 'dead', 'off', 'slow-off']) {
    known.add(await costOf(name))
  }
  const unknown = new Set<number>()
  for (let n = 0; n < 64; n++) {
    const cost = await costOf(`nobody ${n}`)
    unknown.add(cost)
    t.equal(await costOf(`nobody ${n}`), cost, 'the same name costs the same again')
  }
  t.same([...unknown].sort(), [...known].sort())
})

t.test('the right password of an inactive definition is no quicker the second time', async (t) => {
  const { ask, scene } = await createScene()
  for (const wanted of [1, 2, 3]) {
    t.equal(tell(await ask('both', basic('slow-off', 's-right'))), 'unauthorized inactive slow-off')
    t.equal(scene.computations, wanted)
  }
})

t.test('a full queue is 503 with Retry-After, for known and unknown users alike', async (t) => {
  const { ask } = await createScene({ concurrency: 1, queue: 0 })
  const running = ask('both', basic('slow', 's-right'))
  const overloaded = {
    kind: 'refused',
    code: 'overloaded',
    reason: undefined,
    definition: '',
    label: '',
    retryAfterS: 1,
  }
  t.same(await ask('both', basic('slow', 'x')), overloaded)
  const unknown = await Promise.all(
    Array.from({ length: 16 }, async (_, n) => await ask('both', basic(`nobody ${n}`, 'x'))),
  )
  t.match(
    unknown.find((verdict) => verdict.kind === 'refused' && verdict.code === 'overloaded'),
    overloaded,
  )
  t.equal(tell(await running), 'in slow new')
})

t.test('no refusal repeats what was presented', async (t) => {
  const { ask } = await createScene()
  for (const [name, channel, lines] of verdicts) {
    const text = JSON.stringify(await ask(channel, ...lines))
    t.notMatch(text, /-right|-wrong|Token|nobody|grün/, name)
  }
})
