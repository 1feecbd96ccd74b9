import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadConfiguration } from '../../src/config/load.ts'
import { parsePasswordHash, verifyPassword } from '../../src/credentials/hash.ts'
import { runCli } from './run-cli.ts'

const secret = 'correct horse battery stäple'

t.test('stdin becomes a scrypt hash with ln=15; one line break is cut', async (t) => {
  for (const stdin of [secret, `${secret}\n`, `${secret}\r\n`]) {
    const { code, stdout, stderr } = await runCli(['hash'], { stdin })
    t.equal(code, 0)
    t.equal(stderr, '')
    t.match(stdout, /^\$scrypt\$ln=15,r=8,p=1\$[^$]+\$[^$]+\n$/)
    t.equal(await verifyPassword(parsePasswordHash(stdout.trim()), secret), true)
  }
})

t.test('--bcrypt and --sha256 give those', async (t) => {
  const bcrypt = await runCli(['hash', '--bcrypt'], { stdin: secret })
  t.equal(await verifyPassword(parsePasswordHash(bcrypt.stdout.trim()), secret), true)
  const key = 'k'.repeat(32)
  const digest = createHash('sha256').update(key).digest('hex')
  t.same(await runCli(['hash', '--sha256'], { stdin: `${key}\n` }), {
    code: 0,
    stdout: `sha256:${digest}\n`,
    stderr: '',
  })
})

t.test('--sha256 and the loader make the same of a key', async (t) => {
  const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index))
  const key = printable.join('')
  const { stdout } = await runCli(['hash', '--sha256'], { stdin: key })
  const file = join(t.testdir({}), 'sidegate.yaml')
  const security = [
    { name: 'plain', type: 'api_key', key: '${env:KEY}' },
    { name: 'hashed', type: 'api_key', key_hash: stdout.trim() },
  ]
  await writeFile(file, JSON.stringify({ security }), { mode: 0o600 })
  const fingerprintKey = Buffer.alloc(32)
  const result = await loadConfiguration({
    paths: [file],
    env: { KEY: key },
    fingerprintKey,
    nowMs: 0,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  const [plain, hashed] = ['plain', 'hashed'].map((name) => {
    const definition = result.config.definitions.get(name)
    return definition?.type === 'api_key' ? definition.keys[0]?.digest.toString('hex') : undefined
  })
  t.ok(plain)
  t.equal(plain, hashed)
})

t.test('a short key is hashed with a warning', async (t) => {
  const { code, stderr } = await runCli(['hash', '--sha256'], { stdin: 'short' })
  t.equal(code, 0)
  t.match(stderr, /^warning: this key is short/)
})

const refused: readonly [claim: string, args: string[], stdin: string | Buffer, message: RegExp][] =
  [
    ['an empty secret', [], '', /the secret is empty/],
    ['a line break alone', [], '\n', /the secret is empty/],
    ['two lines', [], 'a\nb\n', /line break or control character/],
    ['a second line break', [], 'a\n\n', /line break or control character/],
    ['a NUL', [], 'a\0', /control character/],
    ['what is not UTF-8', [], Buffer.from([0xff, 0xfe]), /not valid UTF-8/],
    ['more than bcrypt can take', ['--bcrypt'], 'x'.repeat(73), /72 bytes/],
    ['a key that clients spell in several ways', ['--sha256'], `${'k'.repeat(32)}ü`, /of ASCII/],
    [
      'a key with a character that no header can hold',
      ['--sha256'],
      `${'k'.repeat(32)}日`,
      /of ASCII/,
    ],
    ['a key with a blank at its end', ['--sha256'], `${'k'.repeat(32)} \n`, /ends with a blank/],
    ['a key with a blank at its beginning', ['--sha256'], ` ${'k'.repeat(32)}`, /begins/],
    ['a flood', [], 'x'.repeat(70_000), /64 KiB/],
  ]

for (const [claim, args, stdin, message] of refused) {
  t.test(`${claim} is refused`, async (t) => {
    const { code, stdout, stderr } = await runCli(['hash', ...args], { stdin })
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, message)
    t.equal(stderr.split('\n').length, 2, 'one line, no stack')
  })
}

t.test('a secret on the command line is refused and not repeated', async (t) => {
  for (const args of [['hunter2'], ['--', 'hunter2'], ['--hunter2'], ['--sha256', 'hunter2']]) {
    const { code, stdout, stderr } = await runCli(['hash', ...args], { stdin: secret })
    t.equal(code, 2)
    t.equal(stdout, '')
    t.notMatch(stderr, 'hunter2')
  }
})
