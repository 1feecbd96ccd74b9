import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { checkAuthority } from '../../src/tls/check-authority.ts'
import { parseCertificates } from '../../src/tls/roots.ts'
import { createFolder, runCli } from './run-cli.ts'

const EGRESS = `
egress:
  listen: 127.0.0.1:3128
security:
  - { name: crm, type: basic_auth, username: crm, password: "\${env:CRM_PASSWORD}" }
outgoing:
`
const CA = 'egress: { ca: { cert: tls/ca.pem, key: tls/ca-key.pem } }\n'

const outgoing = (name: string, url: string, rest = '') =>
  `  - { name: ${name}, url: "${url}", security: none${rest} }\n`

const intercepted =
  EGRESS +
  outgoing('a', 'https://api.example.com/v1', ', https: intercept') +
  outgoing('b', 'https://*.wild.example.com', ', https: intercept') +
  outgoing('c', 'https://tunnel.example.com', ', https: tunnel') +
  outgoing('d', 'http://plain.example.com') +
  outgoing('e', 'https://silent.example.com')

/** What is wrong with the authority in a folder. */
async function check(folder: string, hosts: readonly string[]) {
  const cert = await readFile(join(folder, 'ca.pem'), 'utf8')
  const key = await readFile(join(folder, 'ca-key.pem'), 'utf8')
  return checkAuthority(cert, key, hosts, Date.now())
}

t.test(
  'ca init makes an authority before there is one, without the secrets, and check accepts it',
  async (t) => {
    const cwd = await createFolder(t)
    await writeFile(join(cwd, 'sidegate.yaml'), intercepted)
    const env = { CRM_PASSWORD: 'a long password of somebody' }
    t.match((await runCli(['check'], { cwd, env })).stdout, 'https: intercept needs egress.ca')
    const { code, stdout, stderr } = await runCli(['ca', 'init', '--out', 'tls'], { cwd })
    t.equal(code, 0, stderr)
    t.match(stdout, 'Wrote tls/ca.pem and tls/ca-key.pem')
    t.match(stdout, /cert: "tls\/ca\.pem"\n +key: "tls\/ca-key\.pem"/)
    await writeFile(join(cwd, 'ca.yaml'), CA)
    const args = ['check', '-c', 'sidegate.yaml', '-c', 'ca.yaml']
    const checked = await runCli(args, { cwd, env })
    t.equal(checked.code, 0, checked.stdout)
  },
)

t.test('it may issue for the intercepted hosts and no other', async (t) => {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'sidegate.yaml'), intercepted)
  await runCli(['ca', 'init'], { cwd })
  t.same(await check(cwd, ['api.example.com', '*.wild.example.com']), [])
  const others = ['tunnel.example.com', 'plain.example.com', 'silent.example.com', '10.0.0.1']
  t.equal((await check(cwd, others)).length, 4)
})

t.test(
  'where nothing says intercept it is for all https hosts but tunnels and NAME forms',
  async (t) => {
    const cwd = await createFolder(t)
    const text =
      EGRESS +
      outgoing('a', 'https://a.example.com') +
      outgoing('b', 'https://b.example.com', ', match: name') +
      outgoing('c', 'https://c.example.com', ', https: tunnel')
    await writeFile(join(cwd, 'sidegate.yaml'), text)
    t.equal((await runCli(['ca', 'init'], { cwd })).code, 0)
    t.same(await check(cwd, ['a.example.com']), [])
    t.equal((await check(cwd, ['b.example.com', 'c.example.com'])).length, 2)
  },
)

t.test('hosts can be given without a configuration', async (t) => {
  const cwd = await createFolder(t)
  const args = ['ca', 'init', '--host', 'API.example.com.', '--host', '10.0.0.1', '--days', '2']
  const { code, stdout } = await runCli(args, { cwd })
  t.equal(code, 0)
  t.match(stdout, `cert: "${cwd}/ca.pem"`, 'a path that is right in every configuration')
  t.same(await check(cwd, ['api.example.com', '10.0.0.1']), [])
  const { validTo } = new X509Certificate(await readFile(join(cwd, 'ca.pem')))
  t.ok(Math.abs(Date.parse(validTo) - Date.now() - 2 * 86_400_000) < 60_000)
})

t.test('the key is for its owner alone, and is not printed', async (t) => {
  const cwd = await createFolder(t)
  const { stdout } = await runCli(['ca', 'init', '--host', 'a.example.com'], { cwd })
  t.equal((await stat(join(cwd, 'ca-key.pem'))).mode & 0o777, 0o600)
  t.equal((await stat(join(cwd, 'ca.pem'))).mode & 0o777, 0o644)
  const key = await readFile(join(cwd, 'ca-key.pem'), 'utf8')
  t.equal(createPrivateKey(key).asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.notOk(stdout.includes(key.split('\n')[1] ?? ''))
})

t.test('ca init never overwrites, whichever file is there, and leaves no half', async (t) => {
  for (const name of ['ca.pem', 'ca-key.pem']) {
    const cwd = await createFolder(t)
    await writeFile(join(cwd, name), 'mine')
    const { code, stdout, stderr } = await runCli(['ca', 'init', '--host', 'a.example'], { cwd })
    t.equal(code, 1)
    t.equal(stdout, '')
    t.equal(stderr, `sidegate ca: "${name}" exists and is left as it is\n`)
    t.same(await readdir(cwd), [name])
    t.equal(await readFile(join(cwd, name), 'utf8'), 'mine')
  }
})

t.test('what is wrong is told in one line', async (t) => {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'none.yaml'), EGRESS + outgoing('a', 'http://a.example.com'))
  await writeFile(join(cwd, 'url.yaml'), EGRESS + outgoing('a', 'ftp://a.example.com'))
  await writeFile(join(cwd, 'unset.yaml'), EGRESS + outgoing('a', '${env:NO_SUCH_URL}'))
  await writeFile(join(cwd, 'yaml.yaml'), 'egress: [')
  const cases: readonly (readonly [args: readonly string[], code: number, text: RegExp])[] = [
    [[], 2, /init or bundle is missing/],
    [['inti'], 2, /did you mean "init"/],
    [['init', 'x'], 2, /unexpected argument "x"/],
    [['init', '--days', '0'], 2, /1 to 36500/],
    [['init', '--host', 'https://a'], 2, /wanted a host name/],
    [['init', '--host', 'a', '-c', 'b'], 2, /one of them/],
    [['bundle', '--host', 'a'], 2, /belongs to/],
    [['init'], 1, /cannot be read.*no such file/],
    [['init', '-c', 'none.yaml'], 1, /no outgoing connection to intercept/],
    [['init', '-c', 'url.yaml'], 1, /url\.yaml:\d+:\d+ outgoing\.0\.url: wanted a URL/],
    [['init', '-c', 'unset.yaml'], 1, /"NO_SUCH_URL" is not set/],
    [['init', '-c', 'yaml.yaml'], 1, /yaml\.yaml:1/],
  ]
  for (const [args, code, text] of cases) {
    const run = await runCli(['ca', ...args], { cwd })
    t.equal(run.code, code, args.join(' '))
    t.match(run.stderr, text)
    t.equal(run.stderr.split('\n').length, 2, run.stderr)
  }
})

t.test('ca bundle holds the roots, those of outgoing connections and ours', async (t) => {
  const cwd = await createFolder(t)
  await mkdir(join(cwd, 'tls'))
  await runCli(['ca', 'init', '--host', 'internal.example', '--out', 'internal'], { cwd })
  await runCli(['ca', 'init', '--host', 'api.example.com', '--out', 'tls'], { cwd })
  const tls = ', tls: { ca: internal/ca.pem }'
  await writeFile(join(cwd, 'a.yaml'), EGRESS + outgoing('a', 'https://internal.example', tls))
  await writeFile(join(cwd, 'b.yaml'), CA)
  const args = ['ca', 'bundle', '-c', 'a.yaml', '-c', 'b.yaml']
  const { code, stdout, stderr } = await runCli(args, { cwd })
  t.equal(code, 0)
  t.equal(stderr, '')
  const found = parseCertificates(stdout).map((certificate) => certificate.fingerprint256)
  t.ok(found.length > 50)
  t.equal(new Set(found).size, found.length)
  for (const folder of ['internal', 'tls']) {
    const own = new X509Certificate(await readFile(join(cwd, folder, 'ca.pem')))
    t.ok(found.includes(own.fingerprint256), folder)
  }
  t.notMatch(stdout, 'PRIVATE')
  for (let i = 0; i < 2; i++) {
    const written = await runCli([...args, '--out', 'bundle.pem'], { cwd })
    t.equal(written.stdout, `Wrote bundle.pem: ${found.length} certificates.\n`)
    t.equal(await readFile(join(cwd, 'bundle.pem'), 'utf8'), stdout, 'made anew each time')
  }
  t.notOk((await readdir(cwd)).some((name) => name.endsWith('.tmp')))
})

t.test('a bundle without our own authority is refused, others are a warning', async (t) => {
  const cwd = await createFolder(t)
  const tls = ', tls: { ca: gone.pem }'
  await writeFile(join(cwd, 'a.yaml'), EGRESS + outgoing('a', 'https://internal.example', tls))
  const warned = await runCli(['ca', 'bundle', '-c', 'a.yaml'], { cwd })
  t.equal(warned.code, 0)
  t.match(warned.stderr, /^sidegate ca: warning: the file ".*gone\.pem" cannot be read\n$/)
  await writeFile(join(cwd, 'b.yaml'), CA)
  const refused = await runCli(['ca', 'bundle', '-c', 'a.yaml', '-c', 'b.yaml'], { cwd })
  t.equal(refused.code, 1)
  t.match(refused.stderr, /^sidegate ca: ENOENT.*tls\/ca\.pem'\n$/)
  t.equal(refused.stdout, '')
})
