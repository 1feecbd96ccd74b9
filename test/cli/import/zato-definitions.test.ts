// Definitions, groups and outgoing connections: what they are here, and what exports do not tell.
import t from 'tap'
import { importRefused, importWhole, named } from './import-run.ts'

const bearer = (settings: string) =>
  `security:\n  - { name: idp, username: me, password: "\${IDP}", ${settings} }\n`
const token = 'type: bearer_token, auth_endpoint: "https://idp.example.com/token"'

t.test('the example of the documentation becomes what one would write by hand', async (t) => {
  const { config } = await importWhole(
    t,
    `
security:
  - {name: partner-a, type: basic_auth, username: partner-a, password: "\${PARTNER_A}", realm: orders}
  - {name: partner-b, type: apikey, header: X-Key, password: "\${PARTNER_B}"}
  - {name: crm-oauth, type: bearer_token, username: my-client, password: "\${CRM_SECRET}",
     auth_endpoint: https://idp.example.com/token, scopes: "read write", extra_fields: ["audience=crm"], data_format: form}
groups:
  - {name: partners, members: [partner-a, partner-b]}
channel_rest:
  - {name: orders, service: orders.get, url_path: "/orders/{id}", groups: [partners]}
outgoing_rest:
  - {name: crm, host: https://crm.example.com, url_path: /v1, security: crm-oauth}
`,
  )
  t.strictSame(config, {
    inbound: { listen: '127.0.0.1:8000', upstream: 'http://127.0.0.1:8080' },
    egress: { listen: '127.0.0.1:3128' },
    security: [
      {
        name: 'partner-a',
        type: 'basic_auth',
        username: 'partner-a',
        password: '${env:PARTNER_A}',
        realm: 'orders',
      },
      { name: 'partner-b', type: 'api_key', header: 'X-Key', key: '${env:PARTNER_B}' },
      {
        name: 'crm-oauth',
        type: 'bearer_token',
        username: 'my-client',
        password: '${env:CRM_SECRET}',
        auth_server_url: 'https://idp.example.com/token',
        scopes: ['read', 'write'],
        extra_fields: { audience: 'crm' },
      },
    ],
    groups: [{ name: 'partners', members: ['partner-a', 'partner-b'] }],
    channels: [{ name: 'orders', path: '/orders/*', groups: ['partners'] }],
    outgoing: [{ name: 'crm', url: 'https://crm.example.com/v1', security: 'crm-oauth' }],
  })
})

t.test('trap 1: what exports leave out is told for each definition', async (t) => {
  const { stderr, config } = await importWhole(
    t,
    `
security:
  - { name: a, type: basic_auth, username: a }
  - { name: b, type: apikey }
  - { name: c, type: bearer_token, username: c, auth_endpoint: "https://idp.example.com/t" }
  - { name: d, type: bearer_token, is_static_token: true }
`,
  )
  t.match(stderr, /realm of "a":/)
  t.match(stderr, /header of "b": "X-API-Key" is taken/)
  t.match(stderr, /scopes of "c": none are asked for/)
  t.match(stderr, /data_format of "c": form is taken/)
  t.match(stderr, /static_prefix of "d": "Bearer" is taken/)
  t.match(
    stderr,
    /A_PASSWORD: the password of "a"; the file has none \(exports never do\), Zato has it/,
  )
  t.match(stderr, /D_TOKEN: the token of "d"; the file has none/)
  t.equal(named(config.security, 'a')['password'], '${env:A_PASSWORD}')
  t.equal(named(config.security, 'd')['key'], 'Bearer ${env:D_TOKEN}')
})

t.test('the header of API keys is that of the server where --env-file says so', async (t) => {
  const text = 'security:\n  - { name: b, type: apikey }\n'
  const files = { 'zato.ini': '[env]\nZato_API_Key_Name = X-Our-Key\n' }
  const { config } = await importWhole(t, text, { files, args: ['--env-file', 'zato.ini'] })
  t.equal(named(config.security, 'b')['header'], 'X-Our-Key')
})

t.test('trap 4: an outgoing connection with an unknown definition is switched off', async (t) => {
  const { config, stderr } = await importWhole(
    t,
    `
security:
  - { name: kerberos, type: spnego, principal: x }
outgoing_rest:
  - { name: a, host: https://a.example.com, security: absent }
  - { name: b, host: https://b.example.com, security_name: kerberos }
  - { name: c, host: https://c.example.com }
`,
  )
  t.match(named(config.outgoing, 'a'), { security: 'none', is_active: false })
  t.match(named(config.outgoing, 'b'), { security: 'none', is_active: false })
  t.strictSame(named(config.outgoing, 'c'), {
    name: 'c',
    url: 'https://c.example.com',
    security: 'none',
  })
  t.match(stderr, /outgoing "a": "absent" is in none of the files; switched off/)
  t.match(stderr, /"kerberos" of type "spnego": Kerberos is not spoken/)
})

t.test('trap 6: passwords of a file may be older on the server, and NTLM has none', async (t) => {
  const { stderr, config } = await importWhole(
    t,
    `
security:
  - { name: a, type: basic_auth, username: a, password: from-the-file }
  - { name: win, type: ntlm, username: 'CORP\\svc', password: "\${WIN}" }
  - { name: local, type: ntlm, username: svc, password: "\${LOCAL}" }
outgoing_rest:
  - { name: x, host: https://x.example.com, security: win }
`,
  )
  t.match(stderr, 'a server that knew the definition before kept its older one')
  t.match(stderr, '"win": an NTLM definition that was imported has no password in Zato')
  t.match(named(config.security, 'win'), { username: 'CORP\\svc', password: '${env:WIN}' })
  t.match(named(config.security, 'local'), { username: 'svc', domain: '.' })
})

t.test(
  'trap 7: what stands in two files is one or refused, never one over the other',
  async (t) => {
    const text = 'include: [b.yaml]\nsecurity:\n  - { name: a, type: basic_auth, username: a }\n'
    const files = { 'b.yaml': 'security:\n  - { name: a, type: basic_auth, username: b }\n' }
    const { stderr } = await importRefused(t, text, { files })
    t.match(stderr, /security "a": defined a second time, the first time at b\.yaml:2:5/)
  },
)

t.test('trap 8: oauth is Bearer of 3.2 where it has a token server, else OAuth 1.0', async (t) => {
  const { config, stderr } = await importWhole(
    t,
    `
def_sec:
  - { name: new, type: oauth, username: a, auth_server_url: "https://idp.example.com/t", scopes: [x, y] }
  - { name: old, type: oauth, username: b }
outconn_plain_http:
  - { name: o, host: https://o.example.com, security_name: new }
`,
  )
  t.match(named(config.security, 'new'), {
    type: 'bearer_token',
    scopes: ['x', 'y'],
    data_format: 'json',
  })
  t.match(stderr, '"old" of type "oauth"')
  t.equal(named(config.outgoing, 'o')['security'], 'new')
})

t.test('extra fields are text, overwrite nothing, and hide what may be secret', async (t) => {
  const { config, stderr } = await importWhole(
    t,
    bearer(
      `${token}, extra_fields: "audience=crm;resource=https://x\\npin=hunter2-pin\\nscope=a b;grant_type=password;version=007;# no"`,
    ),
  )
  t.match(named(config.security, 'idp'), {
    scopes: ['a', 'b'],
    grant_type: 'password',
    extra_fields: {
      audience: 'crm',
      resource: 'https://x',
      pin: '${env:IDP_PIN}',
      version: '007',
    },
  })
  t.match(stderr, 'the extra field "scope" overwrote a setting')
  t.match(stderr, 'its guess at the type of the extra field "version"')
  t.notMatch(stderr, 'hunter2-pin')
  const faulty = await importRefused(t, bearer(`${token}, extra_fields: [hunter2-line]`))
  t.match(faulty.stderr, 'a line of extra_fields is not key=value')
  t.notMatch(faulty.stderr, 'hunter2-line')
})

t.test('a URL with a query is not written, one with a password is refused', async (t) => {
  const url = 'https://idp.example.com/token?code=hunter2'
  const { config, stderr, stdout } = await importWhole(
    t,
    bearer(`type: bearer_token, auth_endpoint: "${url}"`),
  )
  t.equal(named(config.security, 'idp')['auth_server_url'], '${env:IDP_AUTH_SERVER_URL}')
  t.notMatch(stdout + stderr, 'hunter2')
  const userinfo = 'https://me:hunter2@idp.example.com/token'
  const refused = await importRefused(t, bearer(`type: bearer_token, auth_endpoint: "${userinfo}"`))
  t.match(refused.stderr, 'wanted a URL without userinfo')
  t.notMatch(refused.stderr, 'hunter2')
})

t.test('tokens of callers cannot be checked: told, and not written', async (t) => {
  const { stderr, config } = await importWhole(
    t,
    bearer('type: bearer_token, issuer: "https://i.example.com", audience: a') +
      '  - { name: x, type: basic_auth, username: x }\n',
  )
  t.match(stderr, '"idp": checking the tokens of callers')
  t.same(
    config.security?.map(({ name }) => name),
    ['x'],
  )
})

t.test('cleartext goes on, and is said out loud', async (t) => {
  const { config, stderr } = await importWhole(
    t,
    `
security:
  - { name: idp, type: bearer_token, username: a, auth_endpoint: "http://idp.internal/t" }
  - { name: key, type: apikey, password: "\${KEY}" }
outgoing_rest:
  - { name: o, host: "http://api.internal:8080/", url_path: /v1, security: key, tls_verify: false, max_retries: 3, timeout: 30 }
  - { name: p, host: "http://127.0.0.1:8080", security: key }
`,
  )
  t.equal(named(config.security, 'idp')['allow_plaintext'], true)
  t.strictSame(named(config.outgoing, 'o'), {
    name: 'o',
    url: 'http://api.internal:8080/v1',
    security: 'key',
    allow_plaintext: true,
    timeouts: { first_byte: '30s' },
  })
  t.equal(named(config.outgoing, 'p')['allow_plaintext'], undefined)
  t.match(stderr, /its secret goes to "idp\.internal" in cleartext/)
  t.match(stderr, /outgoing "o": its credential travels in cleartext/)
  t.match(stderr, /outgoing "o": calls are not retried/)
  t.match(stderr, /outgoing "o": certificates are verified now/)
})

t.test('paths of outgoing connections', async (t) => {
  const { config, stderr } = await importWhole(
    t,
    `
outgoing_rest:
  - { name: a, host: "https://a.example.com/base/", url_path: "/users/{id}/posts" }
  - { name: b, host: https://b.example.com, url_path: "/x?key=hunter2" }
  - { name: c, host: https://same.example.com, url_path: /x }
  - { name: d, host: "https://same.example.com:443", url_path: /x/ }
  - { name: e, host: "https://me:hunter2@e.example.com" }
  - { name: f, host: "\${F_HOST}", url_path: /v1 }
`,
  )
  t.match(named(config.outgoing, 'a'), {
    url: 'https://a.example.com/base/users',
    paths: ['/base/users/{id}/posts'],
  })
  t.equal(named(config.outgoing, 'b')['url'], 'https://b.example.com/x')
  t.equal(named(config.outgoing, 'c')['match'], 'name')
  t.equal(named(config.outgoing, 'd')['match'], 'name')
  t.strictSame(named(config.outgoing, 'e'), {})
  t.equal(named(config.outgoing, 'f')['url'], '${env:F_HOST}/v1')
  t.match(stderr, 'outgoing "b": the query of its url_path is left out')
  t.match(
    stderr,
    'outgoing "e": its host: wanted a URL without userinfo (user:password@); left out',
  )
  t.notMatch(stderr, 'hunter2')
})

t.test(
  'names are fitted, collisions numbered, references follow, and all of it is told',
  async (t) => {
    const { config, stderr } = await importWhole(
      t,
      `
security:
  - { name: "Zürich API", type: apikey, password: "\${A}" }
  - { name: "Zurich-API", type: apikey, password: "\${B}" }
  - { name: "Zurich API", type: apikey, password: "\${C}" }
  - { name: "中文", type: apikey, password: "\${D}" }
  - { name: none, type: apikey, password: "\${E}" }
groups:
  - { name: "Zurich API", members: ["Zürich API", "中文", none] }
channel_rest:
  - { name: "my orders", service: s, url_path: /a, security: "Zurich API" }
  - { name: "my-orders", service: s, url_path: /b, groups: ["Zurich API"] }
`,
    )
    const names = config.security?.map(({ name }) => name)
    t.same(names, ['Zurich-API-2', 'Zurich-API', 'Zurich-API-3', 'definition', 'none-2'])
    t.same(config.groups, [
      { name: 'Zurich-API-4', members: ['Zurich-API-2', 'definition', 'none-2'] },
    ])
    t.match(named(config.channels, 'my-orders-2'), { path: '/a', security: 'Zurich-API-3' })
    t.match(named(config.channels, 'my-orders'), { path: '/b', groups: ['Zurich-API-4'] })
    t.match(stderr, 'definition "Zürich API" is "Zurich-API-2"')
    t.match(stderr, 'group "Zurich API" is "Zurich-API-4"')
    t.match(stderr, 'channel "my orders" is "my-orders-2"')
  },
)

t.test('a username that is the name of a key does not become its identity', async (t) => {
  const { config, stderr } = await importWhole(
    t,
    `
security:
  - { name: mobile, type: apikey, password: "\${A}" }
  - { name: app, type: basic_auth, username: mobile, password: "\${B}" }
  - { name: lodz, type: basic_auth, username: łódź, password: "\${C}" }
channel_rest:
  - { name: a, service: s, url_path: /a, security: mobile }
  - { name: b, service: s, url_path: /b, security: app }
  - { name: c, service: s, url_path: /c, security: lodz }
`,
  )
  t.equal(named(config.security, 'app')['identity'], 'app')
  t.equal(named(config.security, 'lodz')['identity'], 'lodz')
  t.match(
    stderr,
    /"app": what the upstream would be told is told of another caller too; it is told "app"/,
  )
})

t.test('trap 10: what means nothing here is told and does not refuse', async (t) => {
  const { stderr } = await importWhole(
    t,
    `
security:
  - { name: a, type: basic_auth, username: a }
channel_rest:
  - { name: c, service: s, url_path: /c, security: a, should_include_in_openapi: true, response_cache: {}, gateway_service_list: x }
`,
  )
  for (const key of ['should_include_in_openapi', 'response_cache', 'gateway_service_list']) {
    t.match(stderr, `channel_rest: ${key} (1 times) means nothing here`)
  }
})

for (const [type, word] of [
  ['mtls', 'client_ca'],
  ['tls_channel_sec', 'client_ca'],
  ['jwt', 'custom module'],
  ['wss', 'custom module'],
  ['vault_conn_sec', 'custom module'],
  ['tech_acc', 'api_key'],
  ['anything', ''],
] as const) {
  t.test(`type ${type} has no counterpart and is told`, async (t) => {
    const text = `security:\n  - { name: x, type: ${type} }\n  - { name: y, type: apikey }\n`
    const { stderr, config } = await importWhole(t, text)
    t.match(stderr, new RegExp(`"x" of type "${type}".*${word}`))
    t.equal(config.security?.length, 1)
  })
}
