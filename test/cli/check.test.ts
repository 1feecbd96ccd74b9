import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createFolder, runCli } from './run-cli.ts'

const base = `
inbound: { listen: 127.0.0.1:8000, upstream: http://127.0.0.1:8080 }
security:
  - { name: crm, type: basic_auth, username: crm, password: "\${env:CRM_PASSWORD}" }
`
const good = `${base}channels:\n  - { name: api, path: /api/*, security: crm }\n`
const bad = `${base}channels:
  - { name: api, path: /api/*, security: crn }
  - { name: open, path: /x, securty: none }
`
const env = { CRM_PASSWORD: 'correct horse battery staple' }

t.test('a valid configuration is summed up, with exit code 0', async (t) => {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'sidegate.yaml'), good, { mode: 0o600 })
  const { code, stdout, stderr } = await runCli(['check'], { cwd, env })
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(
    stdout,
    /^valid: 1 security definition, 0 groups, 1 channel, 0 outgoing connections, 1 file\n/,
  )
  t.match(stdout, /^ {2}inbound {2}127\.0\.0\.1:8000$/m)
  t.match(stdout, /^ {2}admin {4}127\.0\.0\.1:9901$/m)
})

t.test('every problem is a line of FILE:LINE:COL PATH: problem, with exit code 1', async (t) => {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'sidegate.yaml'), bad, { mode: 0o600 })
  const { code, stdout } = await runCli(['check'], { cwd, env })
  t.equal(code, 1)
  t.match(stdout, /^sidegate\.yaml:6:\d+ channels\.0\.security\S*: .*"crn".*"crm"/m)
  t.match(stdout, /^sidegate\.yaml:7:\d+ channels\.1\S*: .*securty/m)
  t.match(stdout, /^not valid: [2-9] problems, \d+ warnings?$/m)
  t.notMatch(stdout, env.CRM_PASSWORD)
})

t.test('warnings say that they are, and do not fail', async (t) => {
  const cwd = await createFolder(t)
  const weak = `${good.replace('channels:', '  - { name: weak, type: api_key, key: short }\nchannels:')}  - { name: weak, path: /w, security: weak }\n`
  await writeFile(join(cwd, 'sidegate.yaml'), weak, { mode: 0o600 })
  const { code, stdout } = await runCli(['check'], { cwd, env })
  t.equal(code, 0, stdout)
  t.match(stdout, /^sidegate\.yaml:\d+:\d+ security\.1\S*: warning: .*128 bit/m)
  t.match(stdout, /^valid: /m)
})

t.test('--json says the same to programs', async (t) => {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'bad.yaml'), bad, { mode: 0o600 })
  await writeFile(join(cwd, 'good.yaml'), good, { mode: 0o600 })
  const failed = await runCli(['check', '--json', '-c', 'bad.yaml'], { cwd, env })
  t.equal(failed.code, 1)
  t.match(JSON.parse(failed.stdout), {
    valid: false,
    problems: [{ file: 'bad.yaml', line: 6, path: /^channels\.0/ }, { line: 7 }],
  })
  const passed = await runCli(['check', '--json', '-c', 'good.yaml'], { cwd, env })
  t.equal(passed.code, 0)
  t.match(JSON.parse(passed.stdout), { valid: true, problems: [], summary: { channels: 1 } })
})

t.test('several files are one configuration', async (t) => {
  const cwd = await createFolder(t)
  const [head = '', tail = ''] = good.split('channels:')
  await writeFile(join(cwd, 'a.yaml'), head, { mode: 0o600 })
  await writeFile(join(cwd, 'b.yaml'), `channels:${tail}`, { mode: 0o600 })
  const { code, stdout } = await runCli(['check', '-c', 'a.yaml', '-c', 'b.yaml'], { cwd, env })
  t.equal(code, 0, stdout)
  t.match(stdout, /2 files/)
})

t.test('a missing configuration is a problem, not a stack', async (t) => {
  const cwd = await createFolder(t)
  const { code, stdout, stderr } = await runCli(['check', '-c', 'nothing.yaml'], { cwd })
  t.equal(code, 1)
  t.match(stdout, /nothing\.yaml: /)
  t.notMatch(stdout + stderr, /^ {4}at /m)
})

t.test('a module that lacks what is needed is a problem at its place', async (t) => {
  const cwd = await createFolder(t)
  const egress = `egress: { listen: 127.0.0.1:3128 }
outgoing: [{ name: files, url: 'https://files.example', security: own }]
`
  const text = good.replace(
    /^security:\n/m,
    `security:\n  - { name: own, type: custom, module: scheme.mjs, headers: [X-Own] }\n`,
  )
  const check = async (module: string) => {
    await writeFile(join(cwd, 'scheme.mjs'), module)
    await writeFile(join(cwd, 'sidegate.yaml'), text + egress, { mode: 0o600 })
    return runCli(['check'], { cwd, env })
  }
  const fine = await check('export const prepare = () => ({ headers: {} })\n')
  t.equal(fine.code, 0, fine.stdout)
  const cases: [module: string, problem: RegExp][] = [
    ['export const authenticate = () => null\n', /exports no function prepare, and outgoing/],
    ['export const prepare = 1\n', /exports prepare as number, wanted a function/],
    ['export const prepare = (\n', /cannot be loaded: found SyntaxError/],
    ["import 'nothing-of-this-name'\n", /cannot be loaded: found Error.*nothing-of-this-name/],
    ['process.exit(0)\n', /cannot be loaded: the module ended its thread/],
  ]
  for (const [module, problem] of cases) {
    const { code, stdout } = await check(module)
    t.equal(code, 1, module)
    t.match(stdout, problem)
    t.match(stdout, /sidegate\.yaml:\d+:\d+.*security\.0\.module/)
  }
})
