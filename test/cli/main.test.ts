import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { commands } from '../../src/cli/commands.ts'
import { version } from '../../src/version.ts'
import { findProgram } from '../harness/sidegate-process.ts'
import { runCli } from './run-cli.ts'

const names = Object.keys(commands)

t.test('help names every command and goes to stdout', async (t) => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await runCli(args)
    t.equal(code, 0)
    t.equal(stderr, '')
    for (const name of names) t.match(stdout, new RegExp(`^  ${name} +\\S`, 'm'))
    t.notOk(stdout.includes('\u001b'), 'no colours into a pipe')
  }
})

t.test('without a command the help goes to stderr, with exit code 2', async (t) => {
  const { code, stdout, stderr } = await runCli([])
  t.equal(code, 2)
  t.equal(stdout, '')
  t.match(stderr, /^Usage: sidegate COMMAND/m)
})

for (const name of names) {
  t.test(`${name} --help shows usage, options and examples, whatever else is asked`, async (t) => {
    const { code, stdout, stderr } = await runCli([name, '--nonsense', '--help'])
    t.equal(code, 0)
    t.equal(stderr, '')
    t.match(stdout, new RegExp(`^Usage: sidegate ${name}`))
    t.match(stdout, /^Options:$/m)
    t.match(stdout, /^Examples:\n {2}\S/m)
    t.ok(
      stdout.split('\n').every((line) => line.length <= 100),
      'no line is longer than 100 characters',
    )
  })

  t.test(`${name} names the nearest option and exits with 2`, async (t) => {
    const { code, stdout, stderr } = await runCli([name, '--verison'])
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, new RegExp(`^sidegate ${name}: unknown option`))
    t.equal(stderr.split('\n').length, 2, 'one line')
  })
}

t.test('the version is the same everywhere', async (t) => {
  for (const args of [['--version'], ['-V'], ['check', '--version'], ['hash', '-V']]) {
    t.same(await runCli(args), { code: 0, stdout: `${version}\n`, stderr: '' })
  }
})

t.test('a misspelt command names the nearest one', async (t) => {
  const { code, stdout, stderr } = await runCli(['chekc'])
  t.equal(code, 2)
  t.equal(stdout, '')
  t.equal(
    stderr,
    'sidegate: unknown command "chekc"; did you mean "check"? (try "sidegate --help")\n',
  )
})

t.test('names of object properties are no commands', async (t) => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    t.equal((await runCli([name])).code, 2)
  }
})

t.test('a reader that leaves early is no error', async (t) => {
  const child = spawn(process.execPath, [findProgram(), '--help'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 0)
  t.equal(stderr, '')
})
