// The fixtures were made by Debian's htpasswd (apache2-utils); the passwords are NAME-password.
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { parsePasswordHash, verifyPassword } from '../../../src/credentials/hash.ts'
import { createFolder, runCli } from '../run-cli.ts'
import { checkWritten, named, type WrittenConfig } from './import-run.ts'

const fixtures = join('test', 'cli', 'import', 'fixtures', 'htpasswd')

const importFile = (path: string, ...args: string[]) =>
  runCli(['import', 'htpasswd', path, ...args])

t.test('bcrypt hashes are kept as they are, and let in who they let in before', async (t) => {
  const folder = await createFolder(t)
  const { code, stdout, stderr } = await importFile(join(fixtures, 'bcrypt.htpasswd'))
  t.equal(code, 0, stderr)
  const config = parse(stdout) as WrittenConfig
  t.same(Object.keys(config), ['security'])
  const original = await readFile(join(fixtures, 'bcrypt.htpasswd'), 'utf8')
  const hashes = original.split('\n').flatMap((line) => line.split(':')[1] ?? [])
  t.same(
    config.security?.map((entry) => entry['password_hash']),
    hashes,
  )
  const anna = String(named(config.security, 'anna')['password_hash'])
  t.equal(await verifyPassword(parsePasswordHash(anna), 'anna-password'), true)
  t.equal(await verifyPassword(parsePasswordHash(anna), 'ben-password'), false)
  t.match(await checkWritten(t, folder, stdout), 'valid: 3 security definitions')
})

t.test('names are fitted, usernames stay', async (t) => {
  const { stdout, stderr } = await importFile(join(fixtures, 'bcrypt.htpasswd'))
  const { security } = parse(stdout) as WrittenConfig
  t.match(named(security, 'ben-example.com'), { username: 'ben@example.com' })
  t.match(named(security, 'Jurgen-Gro')['username'], 'Jürgen Groß')
  t.match(stderr, 'user "ben@example.com" is the definition "ben-example.com"')
})

const refused: readonly [file: string, line: number, why: RegExp][] = [
  ['apr1', 1, /apr1 is a fast hash \(MD5\) and weak/],
  ['sha', 1, /\{SHA\} is a fast hash, without salt, and weak/],
  ['crypt', 1, /crypt sees 8 characters only and is weak/],
  ['sha256', 1, /sha-crypt is not among the hashes/],
  ['sha512', 1, /sha-crypt is not among the hashes/],
  ['plain', 1, /a password in plain text, perhaps/],
  ['mixed', 2, /apr1 is a fast hash/],
  ['cost-15', 1, /wanted a cost of 4 to 14/],
]

for (const [name, line, why] of refused) {
  t.test(`${name} is refused with a word on why, and nothing is written`, async (t) => {
    const path = join(fixtures, `${name}.htpasswd`)
    const { code, stdout, stderr } = await importFile(path)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, `${path}:${line}:1: `)
    t.match(stderr, why)
    if (name !== 'cost-15') t.match(stderr, 'ask for a new password, and htpasswd -B')
    const stored = (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .at(line - 1)
      ?.split(':')[1]
    t.notOk(stderr.includes(stored ?? ''), 'what stands there is not repeated')
  })
}

const bcrypt = '$2y$04$abcdefghijklmnopqrstuuDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD'
const texts: readonly [name: string, text: string, why: RegExp][] = [
  ['an empty file', '\n# nobody\n', /without any user, wanted lines USER:HASH/],
  ['a line without colon', 'hunter2\n', /:1:1: found no colon/],
  ['no user', `:${bcrypt}\n`, /:1:1: found no user before the colon/],
  ['no hash', 'anna:\n', /:1:1: no hash behind the colon/],
  ['a user twice', `anna:${bcrypt}\nanna:${bcrypt}\n`, /:2:1: the user stands at .*:1:1 already/],
  ['a cut hash', `anna:${bcrypt.slice(0, 40)}\n`, /:1:1: parse a bcrypt hash/],
  ['a control character', `an\u0007na:${bcrypt}\n`, /:1:1: a control character in the user/],
  ['too much', `anna:${bcrypt}\n`.repeat(20_000), /more than 1 MiB, .*htpasswd_file of a group/],
  ['many faults', 'hunter2\n'.repeat(50), /30 more lines are faulty/],
]

for (const [name, text, why] of texts) {
  t.test(`${name} is told`, async (t) => {
    const folder = await createFolder(t)
    await writeFile(join(folder, 'users'), text)
    const { code, stdout, stderr } = await importFile(join(folder, 'users'))
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, why)
    t.notMatch(stderr, 'hunter2')
  })
}

t.test('comments, CRLF and the third field of nginx are fine', async (t) => {
  const folder = await createFolder(t)
  await writeFile(
    join(folder, 'users'),
    `# ours\r\nanna:${bcrypt}:the boss\r\n\r\nłódź:${bcrypt}\r\n`,
  )
  const { code, stdout, stderr } = await importFile(join(folder, 'users'))
  t.equal(code, 0, stderr)
  const { security } = parse(stdout) as WrittenConfig
  t.equal(named(security, 'anna')['password_hash'], bcrypt)
  t.match(
    security?.[1],
    { username: 'łódź', identity: 'odz' },
    'a header cannot carry the username',
  )
  await checkWritten(t, folder, stdout)
})

t.test('--out never overwrites without --force', async (t) => {
  const folder = await createFolder(t)
  const out = join(folder, 'users.yaml')
  const path = join(fixtures, 'bcrypt.htpasswd')
  await writeFile(out, 'mine')
  t.equal((await importFile(path, '--out', out)).code, 1)
  t.equal(await readFile(out, 'utf8'), 'mine')
  t.equal((await importFile(join(fixtures, 'apr1.htpasswd'), '--out', out, '--force')).code, 1)
  t.equal(await readFile(out, 'utf8'), 'mine', 'a refusal writes nothing')
  t.equal((await importFile(path, '--out', out, '--force')).code, 0)
  t.match(await readFile(out, 'utf8'), 'password_hash')
  t.same(await readdir(folder), ['users.yaml'])
})
