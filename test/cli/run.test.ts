import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findProgram } from '../harness/sidegate-process.ts'
import { type CliOptions, createFolder, runCli } from './run-cli.ts'

const CONFIG = `
egress:
  listen: [unix:egress.sock, 0.0.0.0:3128]
  ca: { cert: ca.pem, key: ca-key.pem }
security:
  - { name: crm, type: basic_auth, username: crm, password: "x-\${env:CRM_PASSWORD}-\${env:CRM_SALT}" }
outgoing:
  - { name: a, url: https://api.example.com, security: crm, https: intercept }
`

/** A folder with a configuration and, where it names one, its authority. */
async function createWorld(t: Test, config = CONFIG): Promise<string> {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'sidegate.yaml'), config)
  if (config.includes('ca.pem')) await runCli(['ca', 'init', '--host', 'api.example.com'], { cwd })
  return cwd
}

const withoutCa = CONFIG.replace(/^ {2}ca: .*$/m, '')

/** The environment that a command sees. */
async function readEnvironment(args: readonly string[], options: CliOptions) {
  const script = 'process.stdout.write(JSON.stringify(process.env))'
  const run = await runCli(['run', ...args, '--', process.execPath, '-e', script], options)
  if (run.code !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout) as Record<string, string | undefined>
}

t.test('the command sees the proxy in every spelling, and loopback without it', async (t) => {
  const env = await readEnvironment([], { cwd: await createWorld(t, withoutCa) })
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) {
    t.equal(env[name], 'http://127.0.0.1:3128', name)
    t.equal(env[name.toLowerCase()], env[name])
  }
  t.equal(env['NO_PROXY'], 'localhost,127.0.0.1,::1,.localhost')
  t.equal(env['no_proxy'], env['NO_PROXY'])
  t.equal(env['NODE_USE_ENV_PROXY'], '1')
  t.match(env['JAVA_TOOL_OPTIONS'], '-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=3128')
  t.match(env['JAVA_TOOL_OPTIONS'], '-Dhttp.nonProxyHosts=localhost|127.*|[::1]|*.localhost')
})

t.test('an own NO_PROXY does not lead around the gate, own Java options stay', async (t) => {
  const env = { NO_PROXY: 'api.example.com', https_proxy: 'http://b', JAVA_TOOL_OPTIONS: '-Da=b' }
  const seen = await readEnvironment([], { cwd: await createWorld(t, withoutCa), env })
  t.equal(seen['NO_PROXY'], 'localhost,127.0.0.1,::1,.localhost')
  t.equal(seen['https_proxy'], 'http://127.0.0.1:3128')
  t.match(seen['JAVA_TOOL_OPTIONS'], /^-Da=b -Dhttp\./)
})

t.test('the command sees no variable that the configuration reads, and all others', async (t) => {
  const env = { CRM_PASSWORD: 'hush', CRM_SALT: 'quiet', OTHER: 'loud', EMPTY: '' }
  const seen = await readEnvironment([], { cwd: await createWorld(t), env })
  t.notMatch(JSON.stringify(seen), /hush|quiet|CRM_/)
  t.equal(seen['OTHER'], 'loud')
  t.equal(seen['EMPTY'], '')
})

t.test('a configuration that reads PATH does not take it away', async (t) => {
  const cwd = await createWorld(t, withoutCa.replace('CRM_SALT', 'PATH'))
  t.equal((await readEnvironment([], { cwd }))['PATH'], process.env['PATH'])
})

t.test('the secrets need not be there at all', async (t) => {
  const cwd = await createWorld(t, CONFIG.replace('${env:CRM_SALT}', '${file:/no/such/file}'))
  t.equal((await runCli(['run', '--', 'true'], { cwd })).code, 0)
})

t.test('the CA variables name a bundle that is private and gone afterwards', async (t) => {
  const cwd = await createWorld(t)
  const temporary = await createFolder(t)
  const script = `
    const { readFileSync, statSync } = require('node:fs')
    const { dirname } = require('node:path')
    const names = 'NODE_EXTRA_CA_CERTS SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE PIP_CERT GIT_SSL_CAINFO AWS_CA_BUNDLE DENO_CERT CARGO_HTTP_CAINFO'
    const paths = new Set(names.split(' ').map((name) => process.env[name]))
    const [path] = paths
    const mode = (p) => (statSync(p).mode & 0o777).toString(8)
    const java = /trustStore=([^"]+)"/.exec(process.env.JAVA_TOOL_OPTIONS)[1]
    console.log(JSON.stringify({
      paths: paths.size, file: mode(path), folder: mode(dirname(path)), java: mode(java),
      holdsOurs: readFileSync(path, 'utf8').includes(readFileSync('ca.pem', 'utf8').trim()),
      count: readFileSync(path, 'utf8').split('BEGIN').length,
    }))`
  const args = ['run', '--', process.execPath, '-e', script]
  const { code, stdout, stderr } = await runCli(args, { cwd, env: { TMPDIR: temporary } })
  t.equal(code, 0, stderr)
  const { count, ...seen } = JSON.parse(stdout) as Record<string, unknown>
  t.same(seen, { paths: 1, file: '600', folder: '700', java: '600', holdsOurs: true })
  t.ok(Number(count) > 50, 'the roots of the system are in it')
  t.same(await readdir(temporary), [])
})

t.test('without egress.ca the CA variables are left alone', async (t) => {
  const cwd = await createWorld(t, withoutCa)
  const env = await readEnvironment([], { cwd, env: { PIP_CERT: '/mine' } })
  t.equal(env['PIP_CERT'], '/mine')
  t.equal(env['SSL_CERT_FILE'], undefined)
  t.notMatch(env['JAVA_TOOL_OPTIONS'], 'trustStore')
})

t.test('the exit code is that of the command', async (t) => {
  const cwd = await createWorld(t)
  const cases: readonly (readonly [command: readonly string[], code: number])[] = [
    [['sh', '-c', 'exit 0'], 0],
    [['sh', '-c', 'exit 37'], 37],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['sh', '-c', 'kill -KILL $$'], 137],
    [['no-such-command'], 127],
    [[join(cwd, 'ca.pem')], 126],
  ]
  const temporary = await createFolder(t)
  for (const [command, code] of cases) {
    const run = await runCli(['run', '--', ...command], { cwd, env: { TMPDIR: temporary } })
    t.equal(run.code, code, command.join(' '))
    t.same(await readdir(temporary), [], 'nothing stays behind')
  }
})

t.test('streams and arguments pass through as they are', async (t) => {
  const cwd = await createWorld(t, withoutCa)
  const args = ['run', '--', 'sh', '-c', 'cat; echo "$@" >&2', 'sh', '--help', '--', '-c', 'a b']
  const run = await runCli(args, { cwd, stdin: 'in' })
  t.same(run, { code: 0, stdout: 'in', stderr: '--help -- -c a b\n' })
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) {
  t.test(`${signal} goes on to the command, whose end is waited for`, async (t) => {
    const cwd = await createWorld(t)
    const temporary = await createFolder(t)
    const script = `
      process.on('${signal}', () => setTimeout(() => { console.log('told'); process.exit(9) }, 100))
      setTimeout(() => process.exit(1), 5000)
      console.log('up')`
    const args = [findProgram(), 'run', '--', process.execPath, '-e', script]
    const child = spawn(process.execPath, args, {
      cwd,
      env: { PATH: process.env['PATH'], TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (output === '') child.kill(signal)
      output += text
    })
    const [code] = (await once(child, 'close')) as [number | null]
    t.equal(code, 9)
    t.equal(output, 'up\ntold\n')
    t.same(await readdir(temporary), [])
  })
}

t.test(
  'egress.clients asks for a user, whose password comes from the environment alone',
  async (t) => {
    const cwd = await createWorld(t, withoutCa.replace('egress:', 'egress:\n  clients: [crm]'))
    const bare = await runCli(['run', '--', 'true'], { cwd })
    t.equal(bare.code, 1)
    t.match(bare.stderr, /egress\.clients asks who calls, wanted --proxy-user USER/)
    const half = await runCli(['run', '--proxy-user', 'crm', '--', 'true'], { cwd })
    t.equal(half.code, 1)
    t.match(half.stderr, /SIDEGATE_PROXY_PASSWORD is not set/)
    const env = { SIDEGATE_PROXY_PASSWORD: 'a:b@c/d%' }
    const seen = await readEnvironment(['--proxy-user', 'crm x'], { cwd, env })
    t.equal(seen['https_proxy'], 'http://crm%20x:a%3Ab%40c%2Fd%25@127.0.0.1:3128')
    t.equal(seen['SIDEGATE_PROXY_PASSWORD'], undefined)
    t.notMatch(seen['JAVA_TOOL_OPTIONS'], 'crm')
  },
)

t.test('the address is that of the first TCP listener', async (t) => {
  const cases: readonly (readonly [listen: string, url: string])[] = [
    ['127.0.0.1:80', 'http://127.0.0.1:80'],
    ['"[::]:3129"', 'http://[::1]:3129'],
    ['egress.internal:3128', 'http://egress.internal:3128'],
    ['{ address: 127.0.0.1:1, tls: { cert: a, key: b } }', 'https://127.0.0.1:1'],
    ['[unix:a, 127.0.0.1:2, 127.0.0.1:3]', 'http://127.0.0.1:2'],
  ]
  for (const [listen, url] of cases) {
    const cwd = await createWorld(t, `egress: { listen: ${listen}, clients: none }\n`)
    t.equal((await readEnvironment([], { cwd }))['HTTP_PROXY'], url, listen)
  }
})

t.test('where there is no proxy to name the command is not run', async (t) => {
  const cases: readonly (readonly [config: string, text: RegExp])[] = [
    ['inbound: { listen: 127.0.0.1:0 }', /the configuration has no egress/],
    ['egress: { listen: unix:a }', /unix sockets alone/],
    ['egress: { listen: 127.0.0.1:0 }', /port 0/],
    ['egress: { listen: nonsense }', /egress\.listen: wanted HOST:PORT/],
    ['egress: { listen: "${env:NO_SUCH}" }', /"NO_SUCH" is not set/],
    ['egress: {}', /egress\.listen: is missing/],
    [CONFIG.replace('ca.pem', 'gone.pem'), /gone\.pem/],
  ]
  for (const [config, text] of cases) {
    const cwd = await createFolder(t)
    await writeFile(join(cwd, 'sidegate.yaml'), `${config}\n`)
    const run = await runCli(['run', '--', 'echo', 'ran'], { cwd })
    t.equal(run.code, 1, config)
    t.match(run.stderr, text)
    t.equal(run.stdout, '')
    t.equal(run.stderr.split('\n').length, 2, run.stderr)
  }
})

t.test('a command without -- is a matter of usage', async (t) => {
  const cwd = await createWorld(t, withoutCa)
  const cases: readonly (readonly [args: readonly string[], text: RegExp])[] = [
    [[], /CMD is missing/],
    [['--'], /CMD is missing/],
    [['echo', 'ran'], /unexpected argument "echo", wanted -- before the command/],
    [['echo', '--', 'ran'], /unexpected argument "echo"/],
    [['--proxy-user', 'a:b', '--', 'true'], /a name without ":"/],
  ]
  for (const [args, text] of cases) {
    const { code, stdout, stderr } = await runCli(['run', ...args], { cwd })
    t.equal(code, 2, args.join(' '))
    t.match(stderr, text)
    t.equal(stdout, '')
  }
})
