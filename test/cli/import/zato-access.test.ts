// Who may call after an import: nobody who could not before, unless somebody said so.
import t from 'tap'
import { importRefused, importWhole, named } from './import-run.ts'

const security = `
security:
  - { name: crm, type: basic_auth, username: crm, password: "\${CRM}", realm: r }
  - { name: mobile, type: apikey, header: X-API-Key, password: "\${MOBILE}" }
  - { name: token, type: jwt, username: x, password: "\${JWT}" }
groups:
  - { name: partners, members: [crm, mobile] }
  - { name: nobody, members: [] }
  - { name: tokens, members: [token] }
  - { name: mixed, members: [token, mobile] }
channel_rest:
`
const channel = (settings: string) => `${security}  - { name: c, service: s, ${settings} }\n`

t.test(
  'trap 3: a route without security is refused, named, and written when confirmed',
  async (t) => {
    const text = channel('url_path: /open')
    const refused = await importRefused(t, text)
    t.match(
      refused.stderr,
      /Open to everybody, "security: none" \(--confirm-public\):\n {2}export\.yaml:12:5: channel "c" has neither/,
    )
    t.match(refused.stderr, /Nothing was written; where that is right: --confirm-public\n$/)
    const { config, stderr } = await importWhole(t, text, { args: ['--confirm-public'] })
    t.match(named(config.channels, 'c'), { path: '/open', security: 'none' })
    t.match(stderr, 'channel "c" has neither', 'said out loud all the same')
  },
)

for (const sentinel of ['zato-no-security', 'ZATO_NONE', '""', 'null']) {
  t.test(`trap 8: security: ${sentinel} is a public route`, async (t) => {
    const { stderr } = await importRefused(t, channel(`url_path: /a, security: ${sentinel}`))
    t.match(stderr, 'channel "c" has neither security nor groups')
  })
}

t.test('a flag for one thing confirms nothing else', async (t) => {
  const both = channel('url_path: /a, security: crm, groups: [partners]')
  t.match((await importRefused(t, both, { args: ['--confirm-public'] })).stderr, /--confirm-any\n$/)
  const open = channel('url_path: /a')
  t.match((await importRefused(t, open, { args: ['--confirm-any'] })).stderr, /--confirm-public\n$/)
})

t.test('both becomes any only when it is confirmed', async (t) => {
  const text = channel('url_path: /a, security: crm, groups: [mixed]')
  const refused = await importRefused(t, text)
  t.match(
    refused.stderr,
    /Both becomes any.*\n {2}export\.yaml:12:5: channel "c": definition "crm" and groups "mixed"/,
  )
  const { config } = await importWhole(t, text, { args: ['--confirm-any'] })
  t.match(named(config.channels, 'c'), { security: 'crm', groups: ['mixed'] })
})

t.test('a definition beside a group that never had members stands alone, as in Zato', async (t) => {
  const { config } = await importWhole(t, channel('url_path: /a, security: crm, groups: [nobody]'))
  t.strictSame(named(config.channels, 'c'), { name: 'c', path: '/a', security: 'crm' })
})

const closed: readonly [settings: string, why: RegExp][] = [
  ['security: token', /"token" is of a type that cannot call here/],
  ['security: absent', /"absent" is in none of the files/],
  ['security: zato.internal', /exports leave out what Zato calls its own/],
  ['groups: [nobody]', /its groups have no members that can call/],
  ['groups: [tokens]', /its groups have no members that can call/],
  ['groups: [absent]', /its groups have no members that can call/],
  ['security: crm, groups: [tokens]', /it asked for a group, too/],
  ['security: crm, groups: [absent]', /it asked for a group, too/],
  ['security: token, groups: [partners]', /"token" is of a type that cannot call here/],
]

for (const [settings, why] of closed) {
  t.test(`closed, in its place: ${settings}`, async (t) => {
    const { config, stderr } = await importWhole(t, channel(`url_path: /a, ${settings}`))
    const written = named(config.channels, 'c')
    t.match(written, { path: '/a', security: 'closed-by-import', is_active: false })
    t.match(stderr, why)
    const placeholder = named(config.security, 'closed-by-import')
    t.match(placeholder, { type: 'api_key', is_active: false })
    t.match(placeholder['key_hash'], /^sha256:[0-9a-f]{64}$/)
  })
}

t.test('groups that become empty are told, and are not written', async (t) => {
  const { config, stderr } = await importWhole(t, channel('url_path: /a, groups: [mixed, tokens]'))
  t.same(
    config.groups?.map(({ name }) => name),
    ['partners', 'mixed'],
  )
  t.strictSame(named(config.groups, 'mixed'), { name: 'mixed', members: ['mobile'] })
  t.match(
    stderr,
    /group "nobody" has no members \(in Zato 3 a route with only an empty group was open/,
  )
  t.match(stderr, /group "tokens" has none left/)
  t.match(stderr, /member "token" of group "mixed" cannot call here/)
})

t.test('trap 8: older spellings protect, and trap 9: Zato 4 made them public', async (t) => {
  const old = `
def_sec:
  - { name: crm, type: basic_auth, username: crm, password: "\${CRM}" }
security_groups:
  - { name: partners, members: [crm] }
channel_plain_http:
  - { name: a, service_name: s, url_path: /a, security_name: crm }
  - { name: b, service_name: s, url_path: /b, sec_name: crm }
  - { name: c, service_name: s, url_path: /c, sec_def: crm }
  - { name: d, service_name: s, url_path: /d, security_groups: [partners] }
`
  const { config, stderr } = await importWhole(t, old)
  for (const name of ['a', 'b', 'c']) t.equal(named(config.channels, name)['security'], 'crm')
  t.same(named(config.channels, 'd')['groups'], ['partners'])
  for (const key of ['security_name', 'sec_name', 'sec_def', 'security_groups']) {
    t.match(stderr, `Zato 4 reads no ${key} and made such a route public`)
  }
})

t.test('two spellings that name two definitions are refused', async (t) => {
  const { stderr } = await importRefused(t, channel('url_path: /a, security: crm, sec_def: mobile'))
  t.match(stderr, 'names several definitions, wanted one')
})

t.test('a misspelt security is told beside the public route that it makes', async (t) => {
  const { stderr } = await importRefused(t, channel('url_path: /a, securty: crm'))
  t.match(stderr, /the key "securty" is not known.*"security"/)
  t.match(stderr, 'channel "c" has neither security nor groups')
})

t.test('what Zato did not check, is_active of a definition, is checked from now on', async (t) => {
  const text = `
security:
  - { name: crm, type: basic_auth, username: crm, password: x, is_active: false }
channel_rest:
  - { name: a, service: s, url_path: /a, security: crm, is_active: off }
`
  const { config, stderr } = await importWhole(t, text)
  t.equal(named(config.security, 'crm')['is_active'], false)
  t.equal(named(config.channels, 'a')['is_active'], false)
  t.match(
    stderr,
    /Switched off:\n.*definition "crm": Zato let it in all the same.*\n.*channel "a": answers 404/,
  )
})

t.test('keys in several headers of one group: Zato took one of them', async (t) => {
  const text = `
security:
  - { name: a, type: apikey, header: X-A, password: "\${A}" }
  - { name: b, type: apikey, header: X-B, password: "\${B}" }
groups:
  - { name: g, members: [a, b] }
channel_rest:
  - { name: c, service: s, url_path: /c, groups: [g] }
`
  t.match((await importRefused(t, text)).stderr, /keys in several headers \("x-a", "x-b"\)/)
})

const limits: readonly [settings: string, isRefused: boolean][] = [
  ['rate_limiting: [{ time_range: [{ is_all_day: true, rate: 5, burst: 5 }] }]', false],
  ['rate_limiting: [{ cidr_list: [10.0.0.0/8], time_range: [{ disallowed: true }] }]', true],
  ['quota_tier: gold', false],
  ['quota_tier: walled', true],
  ['rate_limit_def: "*=100/m", is_rate_limit_active: true', false],
  ['rate_limit_def: "10.0.0.1=100/m", is_rate_limit_active: true', true],
  ['rate_limit_def: "10.0.0.1=100/m", is_rate_limit_active: false', false],
]

for (const [settings, isRefused] of limits) {
  t.test(
    `${isRefused ? 'shuts addresses out, refused' : 'is lost and told'}: ${settings}`,
    async (t) => {
      const tiers = `
quota_tier:
  - { name: gold, rules: [{ time_range: [{ rate: 5 }] }] }
  - { name: walled, rules: [{ cidr_list: [1.2.3.4], time_range: [{ disallowed: yes }] }] }
`
      const text = channel(`url_path: /a, security: crm, ${settings}`) + tiers
      if (isRefused) t.match((await importRefused(t, text)).stderr, 'shut addresses out')
      else {
        const isOff = settings.includes('active: false')
        t.equal(/Rate limits that are lost/.test((await importWhole(t, text)).stderr), !isOff)
      }
    },
  )
}
