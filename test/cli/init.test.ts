import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createFolder, runCli } from './run-cli.ts'

t.test('init writes a file that check accepts without a warning', async (t) => {
  const cwd = await createFolder(t)
  const { code, stdout, stderr } = await runCli(['init'], { cwd })
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(stdout, /^Wrote sidegate\.yaml\./)
  t.equal((await stat(join(cwd, 'sidegate.yaml'))).mode & 0o777, 0o600)
  const checked = await runCli(['check'], { cwd })
  t.equal(checked.code, 0, checked.stdout + checked.stderr)
  t.notMatch(checked.stdout, /warning/)
  t.match(checked.stdout, /valid: 2 security definitions, 1 group, 2 channels/)
})

t.test('the secrets are printed once, and the file holds only their hashes', async (t) => {
  const cwd = await createFolder(t)
  const { stdout } = await runCli(['init'], { cwd })
  const text = await readFile(join(cwd, 'sidegate.yaml'), 'utf8')
  const password = /password of crm +(\S+)/.exec(stdout)?.[1] ?? ''
  const key = /API key of mobile +(\S+)/.exec(stdout)?.[1] ?? ''
  t.ok(password.length >= 22 && key.length >= 22)
  t.notOk(text.includes(password))
  t.notOk(text.includes(key))
  t.match(stdout, `curl -i -u crm:${password} http://127.0.0.1:8000/api/hello`)
})

t.test('an existing file is left as it is', async (t) => {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'sidegate.yaml'), 'mine')
  const { code, stdout, stderr } = await runCli(['init'], { cwd })
  t.equal(code, 1)
  t.equal(stdout, '')
  t.equal(stderr, 'sidegate init: "sidegate.yaml" exists and is left as it is\n')
  t.equal(await readFile(join(cwd, 'sidegate.yaml'), 'utf8'), 'mine')
})

t.test('another place, another service', async (t) => {
  const cwd = await createFolder(t)
  const args = ['init', 'x.yaml', '--upstream', 'unix:/run/app.sock', '--listen', '0.0.0.0:81']
  const { code, stdout } = await runCli(args, { cwd })
  t.equal(code, 0)
  t.match(stdout, 'sidegate serve --config x.yaml')
  t.match(stdout, 'http://127.0.0.1:81/api/hello')
  const checked = await runCli(['check', '-c', 'x.yaml'], { cwd })
  t.equal(checked.code, 0, checked.stdout + checked.stderr)
  t.match(checked.stdout, 'inbound  0.0.0.0:81')
})

t.test('what is wrong is told in one line', async (t) => {
  const cwd = await createFolder(t)
  const missing = await runCli(['init', 'no/such/folder.yaml'], { cwd })
  t.equal(missing.code, 1)
  t.match(missing.stderr, /^sidegate init: ENOENT/)
  t.equal(missing.stderr.split('\n').length, 2)
  t.equal((await runCli(['init', '--upstream', 'localhost'], { cwd })).code, 2)
  t.equal((await runCli(['init', 'a.yaml', 'b.yaml'], { cwd })).code, 2)
})
