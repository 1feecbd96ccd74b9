import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { sha256Hex } from '../../src/credentials/hash.ts'
import { parsePasswordHash, verifyPassword } from '../../src/credentials/hash.ts'
import { createFolder, runCli } from './run-cli.ts'

/** Variables that the YAML of the other types names. */
const env = {
  A_B_SECRET: 'secret-from-env',
  A_B_PASSWORD: 'secret-from-env',
  A_B_KEY: 'secret-from-env-0123456789-0123456789',
}

for (const type of ['basic_auth', 'api_key', 'bearer_token', 'ntlm', 'hmac', 'session']) {
  t.test(`generate ${type} prints a file that check accepts`, async (t) => {
    const folder = await createFolder(t)
    const made = await runCli(['generate', type, 'a-b'])
    t.equal(made.code, 0)
    await writeFile(join(folder, 'made.yaml'), made.stdout, { mode: 0o600 })
    const checked = await runCli(['check', '--config', folder], { env })
    t.equal(checked.code, 0, checked.stdout + checked.stderr)
    t.notMatch(checked.stdout, /warning/)
  })
}

t.test('a custom definition names its module, which check wants to see', async (t) => {
  const { code, stdout } = await runCli(['generate', 'custom', 'a-b'])
  t.equal(code, 0)
  t.match(stdout, /module: \.\/schemes\/my-scheme\.mjs/)
})

t.test('the password is on stderr once and only its hash on stdout', async (t) => {
  const { stdout, stderr } = await runCli(['generate', 'basic_auth', 'crm'])
  const password = stderr.trim().split('\n').at(-1) ?? ''
  t.match(password, /^[A-Za-z0-9_-]{32}$/)
  t.equal(stderr.split(password).length, 2, 'once')
  t.notOk(stdout.includes(password))
  const hash = /password_hash: "([^"]+)"/.exec(stdout)?.[1] ?? ''
  t.equal(await verifyPassword(parsePasswordHash(hash), password), true)
})

t.test('an API key has 256 random bits, and only its hash is on stdout', async (t) => {
  const { stdout, stderr } = await runCli(['generate', 'api_key', 'mobile'])
  const key = stderr.trim().split('\n').at(-1) ?? ''
  t.match(key, /^sg_[A-Za-z0-9_-]{43}$/)
  t.notOk(stdout.includes(key))
  t.match(stdout, `key_hash: sha256:${sha256Hex(key)}`)
  const again = await runCli(['generate', 'api_key', 'mobile'])
  t.not(again.stderr, stderr)
})

t.test('names that YAML would misread are quoted', async (t) => {
  const { stdout } = await runCli(['generate', 'api_key', 'true'])
  t.match(stdout, '  - name: "true"\n')
})

const faults: readonly [args: string[], message: RegExp][] = [
  [[], /TYPE is missing/],
  [['basic_auth'], /NAME is missing/],
  [['basic_aut', 'x'], /unknown type "basic_aut"; did you mean "basic_auth"\?/],
  [['oauth', 'x'], /one of basic_auth, api_key, /],
  [['api_key', 'a b'], /name "a b": 1 to 128 of/],
  [['api_key', '.a'], /a letter or digit first/],
  [['api_key', 'a', 'b'], /unexpected argument "b"/],
]

for (const [args, message] of faults) {
  t.test(`a wrong line is told: generate ${args.join(' ')}`, async (t) => {
    const { code, stdout, stderr } = await runCli(['generate', ...args])
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, message)
  })
}
