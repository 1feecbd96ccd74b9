import { inspect } from 'node:util'
import t from 'tap'
import type { Definition, NtlmDefinition } from '../../src/config/model.ts'
import { createInjector } from '../../src/egress/injector.ts'
import type { Credential, GetToken, Injector } from '../../src/egress/injector.ts'
import { createScryptHash, sha256Hex } from '../../src/credentials/hash.ts'
import type { KeyEntry } from '../../src/credentials/entries.ts'
import { SidegateError } from '../../src/errors.ts'
import { Token } from '../../src/oauth/token.ts'
import { Secret } from '../../src/secret.ts'
import { apiKey, basicAuth, keyEntry, passwordEntry } from '../inbound/sample-config.ts'
import { sampleDefinition } from '../oauth/sample-definition.ts'

const noToken: GetToken = () => {
  throw new Error('this type has no tokens')
}

/** A clock that a test sets. */
const clock = { nowMs: 1000 }

function create(definition: Definition, getToken = noToken): Injector {
  const injector = createInjector(definition, getToken, () => clock.nowMs)
  if (injector === undefined) throw new Error(`nothing for ${definition.type}`)
  return injector
}

/** What is picked at once, or the code of the refusal. */
function pick(injector: Injector, nowMs = 1000): Credential | string {
  clock.nowMs = nowMs
  try {
    const credential = injector.obtain(undefined)
    if (credential instanceof Promise) throw new Error('it was not there at once')
    return credential
  } catch (error) {
    if (!(error instanceof SidegateError)) throw error
    return error.code
  }
}

/** The label of what is picked, or the code of the refusal. */
function pickLabel(injector: Injector, nowMs: number): string {
  const picked = pick(injector, nowMs)
  return typeof picked === 'string' ? picked : picked.label
}

function createToken(text: string): Token {
  const origin = { rejected: () => Promise.resolve(undefined) }
  const life = { askedAtMs: 0, receivedAtMs: 0, lifeMs: 1000 }
  return new Token({ accessToken: text, origin, key: '', ...life })
}

const hashOnly = (label: string): KeyEntry => ({
  ...keyEntry('x', { label }),
  key: undefined,
  digest: Buffer.from(sha256Hex('x'), 'hex'),
})

t.test('basic_auth is one Authorization header, in UTF-8', async (t) => {
  const definition = basicAuth('crm', [passwordEntry('pässwörd:€')], { username: 'müller' })
  const injector = create(definition)
  t.equal(injector.definition, definition)
  t.same(injector.slots, ['authorization'])
  t.notOk(injector.takesScopes)
  t.same(pick(injector), {
    headers: [
      'Authorization',
      `Basic ${Buffer.from('müller:pässwörd:€', 'utf8').toString('base64')}`,
    ],
    label: '',
    token: undefined,
  })
})

t.test('an api_key is the header of its definition, as it is written, with its key', async (t) => {
  const injector = create(apiKey('maps', [keyEntry('k\xe9y+/==')], { header: 'X-Maps-KEY' }))
  t.same(injector.slots, ['x-maps-key'], 'the slot is compared in lower case')
  t.notOk(injector.takesScopes)
  t.same(pick(injector), { headers: ['X-Maps-KEY', 'k\xe9y+/=='], label: '', token: undefined })
})

t.test('a warm request only picks: the very same value each time', async (t) => {
  for (const definition of [
    basicAuth('crm', [passwordEntry('one'), passwordEntry('two', { label: 'b' })]),
    apiKey('maps', [keyEntry('one'), keyEntry('two', { label: 'b' })]),
  ]) {
    const injector = create(definition)
    t.equal(pick(injector), pick(injector), definition.type)
  }
})

t.test('of several in a rotation the last that is valid now is sent', async (t) => {
  const lives = [
    { label: 'old' },
    { label: 'now', notAfterMs: 2000 },
    { label: 'next', notBeforeMs: 1500, notAfterMs: 3000 },
    { label: 'later', notBeforeMs: 5000 },
  ]
  const expectations: readonly (readonly [nowMs: number, label: string])[] = [
    [0, 'now'],
    [1499, 'now'],
    [1500, 'next'],
    [2999, 'next'],
    [3000, 'old'],
    [4999, 'old'],
    [5000, 'later'],
    [100, 'now'],
  ]
  for (const definition of [
    basicAuth(
      'crm',
      lives.map((life) => passwordEntry(`p-${life.label}`, life)),
    ),
    apiKey(
      'maps',
      lives.map((life) => keyEntry(`p-${life.label}`, life)),
    ),
  ]) {
    const injector = create(definition)
    for (const [nowMs, label] of expectations) {
      const picked = pick(injector, nowMs)
      t.match(picked, { label }, `${definition.type} at ${nowMs}`)
      const [, value = ''] = (picked as Credential).headers
      const text = value.startsWith('Basic ')
        ? Buffer.from(value.slice(6), 'base64').toString().replace('crm:', '')
        : value
      t.equal(text, `p-${label}`, 'label and secret belong together')
    }
  }
})

t.test('where none is valid now the call is refused, and nothing secret is said', async (t) => {
  for (const definition of [
    basicAuth('crm', [passwordEntry('hunter22', { notBeforeMs: 10, notAfterMs: 20 })]),
    apiKey('maps', [keyEntry('hunter22', { notBeforeMs: 10, notAfterMs: 20 })]),
  ]) {
    const injector = create(definition)
    t.equal(pickLabel(injector, 9), 'definition_inactive')
    t.equal(pickLabel(injector, 10), '')
    t.equal(pickLabel(injector, 20), 'definition_inactive')
    clock.nowMs = 20
    try {
      void injector.obtain(undefined)
    } catch (error) {
      t.match(error, { code: 'definition_inactive', message: /not_before and not_after/ })
      t.notMatch(inspect(error, { depth: 9 }), /hunter22|aHVudGVyMjI|Y3JtOmh1bnRlcjIy/)
    }
  }
})

t.test('a hash cannot be sent: only what is known itself is', async (t) => {
  const hash = await createScryptHash('secret', { logN: 1 })
  const mixed = [passwordEntry('known', { label: 'a' }), passwordEntry(hash, { label: 'b' })]
  t.equal(pickLabel(create(basicAuth('crm', mixed)), 0), 'a')
  t.equal(pickLabel(create(basicAuth('crm', [passwordEntry(hash)])), 0), 'definition_inactive')
  const keys = [keyEntry('known', { label: 'a' }), hashOnly('b')]
  t.equal(pickLabel(create(apiKey('maps', keys)), 0), 'a')
  t.equal(pickLabel(create(apiKey('maps', [hashOnly('b')])), 0), 'definition_inactive')
})

t.test('a token that is there is there at once, with its source for a 401', async (t) => {
  const definition = sampleDefinition()
  const token = createToken('abc')
  const asked: unknown[] = []
  const injector = create(definition, (...args) => {
    asked.push(args)
    return token
  })
  t.same(injector.slots, ['authorization'])
  t.ok(injector.takesScopes)
  const credential = injector.obtain(['a', 'b'])
  t.same(credential, { headers: ['Authorization', 'Bearer abc'], label: '', token })
  t.equal((credential as Credential).token, token)
  t.same(asked, [[definition, ['a', 'b']]], 'the scopes of the call are handed on')
})

t.test('a token that must be waited for is waited for, and so is its failure', async (t) => {
  const token = createToken('abc')
  const waits = create(sampleDefinition(), () => Promise.resolve(token))
  const credential = waits.obtain(undefined)
  t.type(credential, Promise)
  t.same(await credential, { headers: ['Authorization', 'Bearer abc'], label: '', token })
  const failure = new SidegateError('token_unavailable', { retryAfterS: 3 })
  const fails = create(sampleDefinition(), () => Promise.reject(failure))
  await t.rejects(Promise.resolve(fails.obtain(undefined)), failure)
  const throws = create(sampleDefinition(), () => {
    throw failure
  })
  t.throws(() => throws.obtain(undefined), failure)
})

t.test('of ntlm no header leaves, but the app’s own gives way all the same', async (t) => {
  const definition: NtlmDefinition = {
    name: 'erp',
    type: 'ntlm',
    isActive: true,
    identity: 'erp',
    fingerprint: 'f1',
    username: 'svc',
    password: new Secret('hunter22'),
    domain: undefined,
    workstation: 'BOX',
  }
  const injector = create(definition)
  t.same(injector.slots, ['authorization'])
  t.notOk(injector.takesScopes)
  t.same(pick(injector), { headers: [], isOfConnection: true, label: '', token: undefined })
  t.equal(pick(injector), pick(injector))
})

t.test('no print of an injector shows a secret', async (t) => {
  const injector = create(sampleDefinition(), () => createToken('hunter22'))
  t.notMatch(inspect(injector, { depth: 9, showHidden: true }), /hunter22|client-secret/)
})
