import t from 'tap'
import type { Definition } from '../../src/config/model.ts'
import { sha256Hex } from '../../src/credentials/hash.ts'
import {
  createCredentialIndex,
  isAccepted,
  type CredentialIndex,
  type KeyOwner,
} from '../../src/inbound/credential-index.ts'
import {
  apiKey,
  basicAuth,
  firstGeneration,
  keyEntry,
  passwordEntry,
  sampleConfig,
  type ChannelSays,
} from './sample-config.ts'

const secret = Buffer.alloc(32, 3)

function build(
  definitions: readonly Definition[],
  groups: Readonly<Record<string, readonly string[]>>,
  channels: Readonly<Record<string, ChannelSays>>,
): Promise<CredentialIndex> {
  const config = sampleConfig(definitions, groups, channels)
  return createCredentialIndex(config, firstGeneration(config), secret)
}

function findKey(index: CredentialIndex, channel: string, header: string, key: string) {
  const digest = index.digestKey(Buffer.from(sha256Hex(key), 'hex'))
  return index.channels.get(channel)?.slots.get(header)?.keys?.find(digest)
}

const crm = basicAuth('crm', [passwordEntry('p')], { realm: 'CRM' })
const erp = basicAuth('erp', [passwordEntry('p')], { isActive: false })
const mobile = apiKey('mobile', [keyEntry('m1'), keyEntry('m2')])
const legacy = apiKey('legacy', [keyEntry('l')], { header: 'X-Legacy', isActive: false })
const outgoing = basicAuth('outgoing', [passwordEntry('p')])
const outgoingKey = apiKey('outgoing-key', [keyEntry('o')], { header: 'X-Out' })
const all = [crm, erp, mobile, legacy, outgoing, outgoingKey]

t.test(
  'it holds what channels reach, directly or by group, active or not, and no more',
  async (t) => {
    const index = await build(
      all,
      { apps: ['mobile', 'legacy'], unused: ['outgoing', 'crm'] },
      {
        a: { security: ['crm'] },
        b: { groups: ['apps'] },
        off: { security: ['erp'], isActive: false },
      },
    )
    t.same([...index.accounts.keys()].sort(), ['crm', 'erp'])
    t.equal(findKey(index, 'b', 'x-api-key', 'm1')?.definition, mobile)
    t.equal(findKey(index, 'b', 'x-api-key', 'm2')?.definition, mobile)
    t.equal(findKey(index, 'b', 'x-legacy', 'l')?.definition, legacy)
    t.equal(findKey(index, 'b', 'x-api-key', 'l'), undefined, 'a key counts in its own header only')
    t.equal(findKey(index, 'b', 'x-api-key', 'o'), undefined)
    t.same([...index.channels.keys()], ['a', 'b', 'off'])
  },
)

t.test('headers of active definitions, and both Authorizations, may come once', async (t) => {
  const index = await build(all, {}, { a: { security: ['mobile', 'legacy'] } })
  t.same([...index.watchedHeaders].sort(), ['authorization', 'proxy-authorization', 'x-api-key'])
})

t.test('a principal has all its groups, sorted, those on no channel too', async (t) => {
  const groups = { z: ['crm', 'mobile'], b: ['mobile', 'crm', 'crm'], a: ['erp'], B: ['crm'] }
  const index = await build(all, groups, { x: { groups: ['z'], security: ['erp'] } })
  t.same(index.accounts.get('crm')?.groups, ['B', 'b', 'z'])
  t.same(findKey(index, 'x', 'x-api-key', 'm1')?.groups, ['b', 'z'])
  t.same(index.accounts.get('erp')?.groups, ['a'])
})

t.test('equal lists of groups are one array, however many definitions', async (t) => {
  const keys = Array.from({ length: 600 }, (_, n) => apiKey(`k${n}`, [keyEntry(`key ${n}`)]))
  const names = keys.map(({ name }) => name)
  const index = await build(keys, { g: names, h: names }, { x: { groups: ['g'] } })
  const lists = new Set(keys.map((_, n) => findKey(index, 'x', 'x-api-key', `key ${n}`)?.groups))
  t.same([...lists], [['g', 'h']])
})

t.test('a channel accepts what it names and what is in its groups', async (t) => {
  const index = await build(
    all,
    { g: ['mobile', 'erp'], other: ['legacy'] },
    {
      x: { security: ['crm'], groups: ['g'] },
      y: { security: ['mobile'] },
      z: { groups: ['other'] },
    },
  )
  const crmAccount = index.accounts.get('crm')
  const erpAccount = index.accounts.get('erp')
  const owner: KeyOwner | undefined = findKey(index, 'x', 'x-api-key', 'm1')
  const accepted = [...index.channels.values()].map((channel) =>
    [crmAccount, erpAccount, owner].map((one) => one !== undefined && isAccepted(channel, one)),
  )
  t.same(accepted, [
    [true, true, true],
    [false, false, true],
    [false, false, false],
  ])
})

t.test('slots are the headers of what is accepted, active or not', async (t) => {
  const both = apiKey('both', [keyEntry('b')], { header: 'Authorization' })
  const index = await build(
    [...all, both],
    { g: ['legacy', 'mobile'] },
    {
      basic: { security: ['erp'] },
      keys: { groups: ['g'] },
      shared: { security: ['crm', 'both'] },
      bare: { security: ['both'] },
      open: { security: 'none' },
    },
  )
  const slots = [...index.channels.values()].map(({ slots }) =>
    [...slots.values()].map(
      (s) => `${s.name} ${s.acceptsBasic ? 'basic' : ''} ${s.keys?.size ?? ''}`,
    ),
  )
  t.same(slots, [
    ['authorization basic '],
    ['x-legacy  1', 'x-api-key  2'],
    ['authorization basic 1'],
    ['authorization  1'],
    [],
  ])
  t.same(
    [...index.channels.values()].map(({ isOpen }) => isOpen),
    [false, false, false, false, true],
  )
})

t.test('none together with groups is not open', async (t) => {
  const index = await build(all, { g: ['crm'] }, { x: { security: 'none', groups: ['g'] } })
  t.equal(index.channels.get('x')?.isOpen, false)
})

t.test(
  'the realm is the channel’s, else that of the only Basic definition, else its name',
  async (t) => {
    const index = await build(
      all,
      { g: ['crm', 'mobile'] },
      {
        own: { security: ['crm'], realm: 'Own' },
        one: { security: ['crm'], groups: ['g'] },
        two: { security: ['crm', 'erp'], groups: ['g'] },
        plain: { security: ['erp'] },
        keys: { security: ['mobile'] },
      },
    )
    const realms = [...index.channels.values()].map(({ challenges }) =>
      challenges.filter((_, place) => place % 2 === 1),
    )
    t.same(realms, [
      ['Basic realm="Own", charset="UTF-8"'],
      ['ApiKey realm="CRM"', 'Basic realm="CRM", charset="UTF-8"'],
      ['ApiKey realm="two"', 'Basic realm="two", charset="UTF-8"'],
      ['Basic realm="plain", charset="UTF-8"'],
      ['ApiKey realm="keys"'],
    ])
  },
)

t.test('a decoy is an account that depends on the username alone', async (t) => {
  const index = await build(all, {}, { x: { security: ['crm', 'erp'] } })
  const decoys = Array.from({ length: 64 }, (_, n) => index.findDecoy(`user ${n}`))
  t.same(new Set(decoys.map((decoy) => decoy?.definition.name)), new Set(['crm', 'erp']))
  t.same(
    decoys,
    Array.from({ length: 64 }, (_, n) => index.findDecoy(`user ${n}`)),
  )
  const keysOnly = await build(all, {}, { x: { security: ['mobile'] } })
  t.equal(keysOnly.findDecoy('user'), undefined)
})

t.test('what the loader should have refused is no index', async (t) => {
  const twin = basicAuth('twin', [passwordEntry('q')], { username: 'crm' })
  const thief = apiKey('thief', [keyEntry('m2')], { header: 'x-api-KEY' })
  const cases: readonly (readonly [RegExp, ChannelSays])[] = [
    [/"twin" has the username of "crm"/, { security: ['crm', 'twin'] }],
    [/"thief" has a key of "mobile"/, { security: ['mobile', 'thief'] }],
    [/no definition "ghost"/, { security: ['ghost'] }],
    [/no group "ghosts"/, { groups: ['ghosts'] }],
  ]
  for (const [message, says] of cases) {
    await t.rejects(build([...all, twin, thief], {}, { x: says }), message)
  }
  const config = sampleConfig(all, {}, { x: { security: ['crm'] } })
  await t.rejects(createCredentialIndex(config, new Map(), secret), /"crm" has no generation/)
})

t.test('a key that one definition has twice is no fault', async (t) => {
  const rotated = apiKey('r', [keyEntry('k', { label: '1' }), keyEntry('k', { label: '2' })])
  const index = await build([rotated], {}, { x: { security: ['r'] } })
  t.equal(findKey(index, 'x', 'x-api-key', 'k')?.definition, rotated)
})

t.test('many keys are indexed in slices: others get their turns', async (t) => {
  const count = 10_000
  const keys = Array.from({ length: count }, (_, n) => apiKey(`k${n}`, [keyEntry(`key ${n}`)]))
  const names = keys.map(({ name }) => name)
  let turns = 0
  let isBuilt = false
  const takeTurn = (): void => {
    turns++
    if (!isBuilt) setImmediate(takeTurn)
  }
  setImmediate(takeTurn)
  const index = await build(keys, { g: names }, { x: { groups: ['g'] } })
  isBuilt = true
  t.ok(turns >= count / 256, `${turns} turns`)
  t.equal(findKey(index, 'x', 'x-api-key', 'key 9999')?.definition.name, 'k9999')
})
