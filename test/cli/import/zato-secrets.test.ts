// No secret of the input is ever written or told, and variables never stand for two things.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { importRefused, importWhole, named } from './import-run.ts'

t.test(
  'secrets of the file, of --env-file and of the environment stay where they are',
  async (t) => {
    const text = `
security:
  - { name: a, type: basic_auth, username: a, password: canary-1-literal }
  - { name: b, type: apikey, password: "\${B_KEY}" }
  - { name: c, type: bearer_token, username: c, password: Zato_Enmasse_Env.C_SECRET, auth_endpoint: "https://i.example.com/t",
      extra_fields: ["assertion=canary-4-field"] }
  - { name: d, type: bearer_token, static_token: canary-5-token, is_static_token: true }
  - { name: e, type: ntlm, username: 'D\\e', password: "canary-6-\${NOT_WHOLE}" }
  - { name: f, type: jwt, password: canary-7-foreign }
channel_rest:
  - { name: open, service: s, url_path: /open, security: a }
`
    const files = { 'zato.ini': 'C_SECRET = canary-3-env-file\n' }
    const env = { B_KEY: 'canary-2-environment' }
    const options = { files, env, args: ['--env-file', 'zato.ini', '--out', 'out.yaml'] }
    const { stderr, folder } = await importWhole(t, text, {
      ...options,
      args: options.args.slice(0, 2),
    })
    t.notMatch(stderr, /canary/)
    const written = await readFile(join(folder, 'written.yaml'), 'utf8')
    t.notMatch(written, /canary/)
    t.match(stderr, /B_KEY: the key of "b"; its value is known to the environment or --env-file/)
    t.match(stderr, /A_PASSWORD: the password of "a"; it stands here in the file/)
    const { stderr: refusal } = await importRefused(
      t,
      `${text}  - { name: p, service: s, url_path: /p }\n`,
      options,
    )
    t.notMatch(refusal, /canary/)
  },
)

t.test('values that are not the secret are told for what they are', async (t) => {
  const { stderr } = await importWhole(
    t,
    `
security:
  - { name: a, type: apikey, password: gAAAAABcanary }
  - { name: b, type: apikey, password: Missing_KEY_0a1b2c }
  - { name: c, type: apikey, password: Zato-Auto-Password-0a1b2c }
`,
  )
  t.match(stderr, /A_KEY: .* the file has it encrypted by Zato/)
  t.match(stderr, /B_KEY: .* its variable was missing when Zato imported it/)
  t.match(stderr, /C_KEY: .* a random one that nobody knows/)
  t.notMatch(stderr, /canary|0a1b2c/)
})

t.test('a password that Zato read as true or false is told', async (t) => {
  const text = 'security:\n  - { name: a, type: basic_auth, username: a, password: "${A}" }\n'
  const files = { 'zato.ini': 'A=yes\n' }
  const { stderr } = await importWhole(t, text, { files, args: ['--env-file', 'zato.ini'] })
  t.match(stderr, 'Zato reads words such as yes and 1 as true or false, in passwords too')
})

t.test('names that make one variable get two', async (t) => {
  const { config } = await importWhole(
    t,
    `
security:
  - { name: a-b, type: basic_auth, username: u1, password: one }
  - { name: a.b, type: basic_auth, username: u2, password: two }
  - { name: c, type: basic_auth, username: u3, password: "\${A_B_PASSWORD}" }
  - { name: d, type: basic_auth, username: u4, password: "\${my-var}" }
  - { name: e, type: basic_auth, username: u5, password: "\${my.var}" }
`,
  )
  const variables = config.security?.map(({ password }) => password)
  t.same(variables, [
    '${env:A_B_PASSWORD_2}',
    '${env:A_B_PASSWORD_3}',
    '${env:A_B_PASSWORD}',
    '${env:my_var}',
    '${env:my_var_2}',
  ])
})

t.test('what looks like a reference in a foreign file is text', async (t) => {
  const { config, stdout } = await importWhole(
    t,
    'security:\n  - { name: a, type: basic_auth, username: "x${HOME}$${HOME}", realm: "${file:/etc/passwd}r$${env:HOME}" }\n',
  )
  const { username, realm } = named(config.security, 'a')
  t.equal(username, 'x$${HOME}$$${HOME}')
  t.equal(realm, '$${file:/etc/passwd}r$$${env:HOME}')
  t.notMatch(stdout, /(?<!\$)\$\{file/)
})

t.test(
  'what must be known to import is looked up, and a missing variable is a problem',
  async (t) => {
    const text = `
security:
  - { name: "\${NAME}", type: basic_auth, username: "\${USER_OF_A}", password: "\${P}" }
channel_rest:
  - { name: c, service: s, url_path: Zato_Enmasse_Env.PLACE, security: crm }
`
    const files = { 'zato.ini': '# ours\n[a]\nNAME: "crm"\n; x\n[b]\nPLACE = /orders\n' }
    const { config } = await importWhole(t, text, { files, args: ['--env-file', 'zato.ini'] })
    t.match(named(config.security, 'crm'), { username: '${env:USER_OF_A}', password: '${env:P}' })
    t.match(named(config.channels, 'c'), { path: '/orders', security: 'crm' })
    const { stderr } = await importRefused(t, text, { env: { NAME: 'crm' } })
    t.match(stderr, /url_path is the variable "PLACE", which has to be known here/)
  },
)

t.test('a faulty line of --env-file is told by its number alone', async (t) => {
  const files = { 'zato.ini': 'A=1\nhunter2\n' }
  const text = 'security:\n  - { name: a, type: apikey }\n'
  const { stderr } = await importRefused(t, text, { files, args: ['--env-file', 'zato.ini'] })
  t.equal(stderr, 'sidegate import: zato.ini:2:1: neither NAME=value, a [section] nor a comment\n')
})

t.test('two keys that are one in the environment are refused, without the key', async (t) => {
  const text = `
security:
  - { name: a, type: apikey, password: "\${A}" }
  - { name: b, type: apikey, password: hunter2-the-same-key }
channel_rest:
  - { name: c, service: s, url_path: /c, security: a }
  - { name: d, service: s, url_path: /d, security: b }
`
  const { stderr } = await importRefused(t, text, { env: { A: 'hunter2-the-same-key' } })
  t.match(stderr, /security "b": the key is that of "a" too/)
  t.notMatch(stderr, 'hunter2')
})

t.test('a password in the place of another setting is not repeated', async (t) => {
  const text = `
security:
  - { name: a, type: basic_auth, username: "a:hunter2" }
`
  const { stderr } = await importRefused(t, text)
  t.match(stderr, /security "a" username: wanted a username without colon/)
  t.notMatch(stderr, 'hunter2')
})
