import t from 'tap'
import { runCli } from './run-cli.ts'

const wrong: readonly [args: readonly string[], message: RegExp][] = [
  [[], /zato or htpasswd is missing/],
  [['zatto', 'x'], /unknown "zatto"; did you mean "zato"\?/],
  [['kong', 'x'], /unknown "kong", wanted zato or htpasswd/],
  [['zato'], /FILE is missing/],
  [['htpasswd'], /FILE is missing/],
  [['htpasswd', 'a', 'b'], /unexpected argument "b"/],
  [['zato', 'a', '--force'], /--force belongs to --out/],
  [['htpasswd', 'a', '--confirm-public'], /--confirm-public belongs to "import zato"/],
  [['htpasswd', 'a', '--upstream', 'http://x'], /--upstream belongs to "import zato"/],
]

for (const [args, message] of wrong) {
  t.test(`a wrong line is told: import ${args.join(' ')}`, async (t) => {
    const { code, stdout, stderr } = await runCli(['import', ...args])
    t.equal(code, 2)
    t.equal(stdout, '')
    t.match(stderr, message)
  })
}

t.test('files that cannot be read are told in one line', async (t) => {
  for (const source of ['zato', 'htpasswd']) {
    const { code, stderr } = await runCli(['import', source, 'no-such-file'])
    t.equal(code, 1)
    t.equal(stderr, 'sidegate import: no-such-file: no such file\n')
  }
  t.match((await runCli(['import', 'zato', 'test'])).stderr, /test: a folder, wanted a file/)
})

t.test('an --upstream that is no URL is told without what it holds', async (t) => {
  const { fixture, url } = { fixture: 'package.json', url: 'http://me:hunter2@localhost' }
  const { code, stderr } = await runCli(['import', 'zato', fixture, '--upstream', url])
  t.not(code, 0)
  t.notMatch(stderr, 'hunter2')
})
