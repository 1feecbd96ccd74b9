import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { ApiKeyDefinition, BearerTokenDefinition, Config } from '../../src/config/model.ts'
import { formatProblem, loadConfiguration } from '../../src/config/load.ts'
import type { LoadOptions, LoadResult } from '../../src/config/load.ts'
import type { HmacSettings } from '../../src/hmac/settings.ts'

const NOW_MS = Date.parse('2026-11-23T00:00:00Z')
const INBOUND = 'inbound: { listen: 127.0.0.1:8000, upstream: "http://127.0.0.1:8080" }\n'
const OPEN = 'channels: [{ name: all, security: none }]\n'

function write(folder: string, files: Record<string, string | Buffer>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
}

function load(paths: readonly string[], options: Partial<LoadOptions> = {}): Promise<LoadResult> {
  return loadConfiguration({
    paths,
    env: {},
    fingerprintKey: Buffer.alloc(32, 1),
    nowMs: NOW_MS,
    ...options,
  })
}

async function loadGood(paths: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Config> {
  const result = await load(paths, { env })
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'))
  return result.config
}

/** Problems without the folder of the test. */
async function loadBad(folder: string, paths: readonly string[]): Promise<string[]> {
  const result = await load(paths.map((path) => join(folder, path)))
  if (!('problems' in result)) throw new Error('has no problems')
  return result.problems.map((each) => formatProblem(each).replaceAll(`${folder}/`, ''))
}

void t.test('lists of several files are joined, maps are merged key by key', async (t) => {
  const folder = t.testdir({})
  write(folder, {
    'b.yml':
      'channels: [{ name: b, path: /b, security: none }]\ninbound: { timeouts: { connect: 1s } }\n',
    'a.yaml': `inbound: { listen: 127.0.0.1:8000, upstream: "http://127.0.0.1:1", timeouts: { header: 2s } }\nchannels: [{ name: a, path: /a, security: none }]\n`,
    'ignored.txt': 'no: yaml',
    '.hidden.yaml': 'no: yaml',
  })
  const config = await loadGood([folder])
  t.strictSame(
    config.channels.map((channel) => channel.name),
    ['a', 'b'],
    'in name order',
  )
  t.equal(config.inbound?.timeouts.connectMs, 1000)
  t.equal(config.inbound?.timeouts.headerMs, 2000)
  t.strictSame(config.directories, [folder])
  t.strictSame(config.files, [join(folder, 'a.yaml'), join(folder, 'b.yml')])
})

void t.test('what two files say differently is told with both places', async (t) => {
  const folder = t.testdir({})
  write(folder, {
    'a.yaml': `${INBOUND}log: { level: info }\n`,
    'b.yaml': `log: { level: debug, format: json }\n${OPEN}admin: none\n`,
    'c.yaml':
      'admin: { listen: 127.0.0.1:1 }\nchannels: [{ name: all, path: /x, security: nobody }]\n',
  })
  t.strictSame(await loadBad(folder, ['a.yaml', 'b.yaml', 'c.yaml']), [
    'b.yaml:1:8 log.level: given twice, the first time in a.yaml:2',
    'c.yaml:1:1 admin: given twice, the first time in b.yaml:3',
    'c.yaml:2:20 channels.0.name: the name "all" is taken (b.yaml:2)',
    'c.yaml:2:45 channels.0.security: there is no definition "nobody"',
  ])
})

void t.test('a file that is given twice, by itself and in its folder, is told', async (t) => {
  const folder = t.testdir({ 'a.yaml': INBOUND })
  t.strictSame(await loadBad(folder, ['.', 'a.yaml']), ['a.yaml: given twice'])
})

void t.test('a file that cannot be parsed hides no problem of the others', async (t) => {
  const folder = t.testdir({})
  write(folder, { 'a.yaml': 'inbound: [', 'b.yaml': 'channels: [{ nme: x, security: y }]\n' })
  const problems = await loadBad(folder, ['a.yaml', 'b.yaml'])
  t.strictSame(problems, [
    'a.yaml:1:11: a closing ] is missing',
    'b.yaml:1:12 channels.0.name: missing, wanted a name: 1 to 128 of A-Za-z0-9._-, starting with a letter or digit',
    'b.yaml:1:14 channels.0.nme: unknown key "nme", did you mean "name"?',
  ])
})

void t.test('what cannot be read as a configuration is told in plain words', async (t) => {
  const folder = t.testdir({ empty: {}, folder: { 'x.yaml': { 'not-a-file': '' } } })
  execFileSync('mkfifo', [join(folder, 'pipe')])
  symlinkSync('circle', join(folder, 'circle'))
  write(folder, {
    'utf16.yaml': Buffer.from('\uFEFFlog: {}\n', 'utf16le'),
    'utf16-bare.yaml': Buffer.from('log: {}\n', 'utf16le'),
    'utf16-be.yaml': Buffer.from('\uFEFFlog: {}\n', 'utf16le').swap16(),
    'latin1.yaml': Buffer.from('# one\n# \xe9\n', 'latin1'),
    'nothing.yaml': '',
  })
  const utf8 =
    'wanted UTF-8 (PowerShell: Out-File -Encoding utf8, Notepad: Save as, Encoding UTF-8)'
  const cases = [
    [
      'missing.yaml',
      'no such file, wanted a configuration; `sidegate init` writes one as sidegate.yaml',
    ],
    [
      'nothing.yaml/x.yaml',
      'cannot read the configuration: a part of its path is a file, not a folder',
    ],
    ['empty', 'no *.yaml and no *.yml in this folder, wanted at least one'],
    ['folder/x.yaml', 'no *.yaml and no *.yml in this folder, wanted at least one'],
    ['pipe', 'cannot read the configuration: a named pipe (FIFO), wanted a file'],
    ['circle', 'cannot read the configuration: its symbolic links lead in a circle'],
    ['utf16.yaml', `cannot read the configuration: saved as UTF-16 (little endian), ${utf8}`],
    ['utf16-bare.yaml', `cannot read the configuration: saved as UTF-16 (little endian), ${utf8}`],
    ['utf16-be.yaml', `cannot read the configuration: saved as UTF-16 (big endian), ${utf8}`],
    ['latin1.yaml', 'cannot read the configuration: not UTF-8 text (line 2), wanted UTF-8'],
    [
      'nothing.yaml',
      'without any section, wanted at least one of inbound, egress, admin, security, groups, channels, outgoing, log or shutdown',
    ],
  ] as const
  for (const [path, problem] of cases) {
    t.strictSame(await loadBad(folder, [path]), [`${path}: ${problem}`], path)
  }
  t.strictSame(await loadBad(folder, ['folder']), [
    'folder/x.yaml: cannot read the configuration: a folder, wanted a file',
  ])
  const device = await load(['/dev/null'])
  t.match(device, {
    problems: [{ problem: 'cannot read the configuration: a device, wanted a file' }],
  })
})

void t.test('a file that this user may not read is told with the user', async (t) => {
  if (process.getuid?.() === 0) {
    t.pass('root may read everything')
    return
  }
  const folder = t.testdir({ 'a.yaml': INBOUND })
  chmodSync(join(folder, 'a.yaml'), 0)
  const uid = process.getuid?.() ?? 0
  t.match(await loadBad(folder, ['a.yaml']), [new RegExp(`uid ${uid} may not read this file`)])
})

void t.test('a huge file is refused before it is read', async (t) => {
  const folder = t.testdir({})
  write(folder, { 'huge.yaml': Buffer.alloc(64 * 1024 * 1024 + 1, '#') })
  t.strictSame(await loadBad(folder, ['huge.yaml']), [
    'huge.yaml: cannot read the configuration: more than 64 MiB, which is too big',
  ])
})

// The composer of the YAML library recurses: at some thousand levels V8 ends the whole process.
void t.test('deep nesting is a problem, not the end of the process', async (t) => {
  const folder = t.testdir({})
  write(folder, {
    'flow.yaml': `a: ${'['.repeat(50_000)}`,
    'block.yaml': '- '.repeat(50_000),
    'maps.yaml': '{a: '.repeat(50_000),
  })
  for (const name of ['flow.yaml', 'block.yaml', 'maps.yaml']) {
    t.match(await loadBad(folder, [name]), [/nested deeper than 64 levels/], name)
  }
})

void t.test('a byte order mark and CRLF are fine, and lines are counted right', async (t) => {
  const folder = t.testdir({})
  const text = `\uFEFF${INBOUND}${OPEN}`.replaceAll('\n', '\r\n')
  write(folder, { 'good.yaml': text, 'bad.yaml': `${text}lgo: {}\r\n` })
  t.equal((await loadGood([join(folder, 'good.yaml')])).channels.length, 1)
  t.strictSame(await loadBad(folder, ['bad.yaml']), [
    'bad.yaml:3:1 lgo: unknown key "lgo", did you mean "log"?',
  ])
})

void t.test('a channel inherits what inbound says, and overrides it', async (t) => {
  const folder = t.testdir({})
  write(folder, {
    'a.yaml': `
inbound:
  listen: 127.0.0.1:8000
  upstream: https://up.example
  identity_header: X-User
  forward_identity: [type]
  forward_credentials: true
  allow_header_names: [X_A]
  upstream_host: upstream
  upstream_tls: { server_name: inner.example. }
  timeouts: { first_byte: 9s }
channels:
  - { name: a, path: /a, security: none }
  - name: b
    path: /b
    security: none
    upstream: http://[::1]:81
    identity_header: X-B
    forward_identity: []
    forward_credentials: false
    allow_header_names: []
    upstream_host: Host.example
    timeouts: { first_byte: 1s }
`,
  })
  const config = await loadGood([join(folder, 'a.yaml')])
  const [a, b] = config.channels
  t.match(a, {
    upstream: {
      address: { kind: 'tcp', scheme: 'https', host: 'up.example', port: 443 },
      authority: 'up.example',
      tls: { serverName: 'inner.example' },
    },
    identityHeader: 'X-User',
    forwardIdentity: ['type'],
    forwardCredentials: true,
    allowHeaderNames: ['X_A'],
    upstreamHost: 'upstream',
    timeouts: { firstByteMs: 9000, connectMs: 5000 },
  })
  t.match(b, {
    upstream: {
      address: { kind: 'tcp', scheme: 'http', host: '::1', port: 81 },
      authority: '[::1]:81',
      tls: undefined,
    },
    identityHeader: 'X-B',
    forwardCredentials: false,
    upstreamHost: { value: 'Host.example' },
    timeouts: { firstByteMs: 1000, connectMs: 5000 },
  })
  t.strictSame(b?.forwardIdentity, [])
  t.strictSame(b?.allowHeaderNames, [])
})

void t.test('outgoing connections and token servers inherit the parent proxy', async (t) => {
  const folder = t.testdir({})
  write(folder, {
    'a.yaml': `
egress:
  listen: 127.0.0.1:3128
  proxy: { url: "http://proxy:3128", no_proxy: [.Internal] }
  timeouts: { connect: 1s }
security:
  - { name: t, type: bearer_token, username: u, password: p, auth_server_url: "https://a.example/t" }
  - { name: u, type: bearer_token, username: u, password: p2, auth_server_url: "https://a.example/t", proxy: none }
outgoing:
  - { name: a, url: "https://a.example", security: t }
  - { name: b, url: "https://b.example", security: none, proxy: none, timeouts: { connect: 2s } }
  - { name: c, url: "https://c.example", security: none, proxy: { url: "http://other:1" } }
`,
  })
  const config = await loadGood([join(folder, 'a.yaml')])
  const [a, b, c] = config.outgoing
  t.match(a, {
    proxy: { url: 'http://proxy:3128', noProxy: ['.internal'] },
    timeouts: { connectMs: 1000 },
  })
  t.match(b, { proxy: 'none', timeouts: { connectMs: 2000 } })
  t.match(c, { proxy: { url: 'http://other:1' } })
  t.match(config.definitions.get('t'), { proxy: { url: 'http://proxy:3128' } })
  t.match(config.definitions.get('u'), { proxy: 'none' })
})

void t.test('admin is there unless it is switched off', async (t) => {
  const folder = t.testdir({ 'a.yaml': INBOUND, 'b.yaml': `${INBOUND}admin: none\n` })
  const config = await loadGood([join(folder, 'a.yaml')])
  t.strictSame(config.admin, {
    listen: { kind: 'tcp', host: '127.0.0.1', port: 9901 },
    probes: undefined,
  })
  t.equal((await loadGood([join(folder, 'b.yaml')])).admin, undefined)
})

void t.test('relative paths count from the folder of the file they stand in', async (t) => {
  // Not t.testdir: the path of a socket has at most 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'sidegate-'))
  t.teardown(() => {
    rmSync(folder, { recursive: true })
  })
  write(folder, {
    'main.yaml': `${INBOUND}channels: [{ name: a, groups: [g] }]\n`,
    'sub/more.yaml':
      'groups: [{ name: g, keys_file: keys.txt }]\nsecurity: [{ name: k, type: api_key, key: "${file:../secret}" }]\nadmin: { listen: "unix:run/a.sock" }\n',
    'sub/keys.txt': `caller sha256:${'ab'.repeat(32)}\n`,
    secret: '0123456789abcdef0123456789abcdef\r\n',
  })
  const config = await loadGood([join(folder, 'main.yaml'), join(folder, 'sub/more.yaml')])
  t.strictSame(config.groups.get('g'), ['caller'])
  t.match(config.definitions.get('caller'), {
    type: 'api_key',
    header: 'X-API-Key',
    identity: 'caller',
  })
  t.strictSame(config.admin?.listen, { kind: 'unix', path: join(folder, 'sub/run/a.sock') })
  const key = config.definitions.get('k') as ApiKeyDefinition
  t.equal(key.keys[0]?.key?.reveal(), '0123456789abcdef0123456789abcdef', 'one line break is cut')
  t.equal(key.keys[0]?.source, 'file:../secret')
  t.ok(config.files.includes(join(folder, 'secret')))
})

void t.test('all groups know their members, wherever membership is said', async (t) => {
  const folder = t.testdir({})
  write(folder, {
    'a.yaml': `${INBOUND}
security:
  - { name: a, type: basic_auth, username: user-a, password: p1, groups: [g, h] }
  - { name: b, type: basic_auth, username: user-b, password: p2, is_active: false }
groups:
  - { name: g, members: [b, a] }
  - { name: h }
channels: [{ name: all, groups: [g, h] }]
`,
  })
  const config = await loadGood([join(folder, 'a.yaml')])
  t.strictSame(
    [...config.groups],
    [
      ['g', ['b', 'a']],
      ['h', ['a']],
    ],
  )
  t.match(config.definitions.get('a'), { identity: 'user-a', isActive: true })
  t.match(config.definitions.get('b'), { isActive: false })
})

void t.test('numbers in maps of fields are sent as they are written', async (t) => {
  const config = await loadGood(['test/fixtures/config/good/every-definition.yaml'], {
    SECRET: '0123456789abcdef0123456789abcdef',
  })
  const token = config.definitions.get('token') as BearerTokenDefinition
  t.strictSame(token.extraFields, [
    ['audience', 'https://api.example.com'],
    ['number', '007'],
  ])
  const lines = config.definitions.get('assertion') as BearerTokenDefinition
  t.strictSame(lines.extraFields, [
    ['audience', 'x=y'],
    ['resource', 'z'],
  ])
  t.strictSame(token.allowedScopes, ['a', 'b', 'c'])
  const hmac = config.definitions.get('webhook')
  const settings = (hmac as { settings: HmacSettings }).settings
  t.strictSame(settings.stringToSign.slice(0, 2), [
    { kind: 'method' },
    { kind: 'literal', text: '.' },
  ])
  t.equal(settings.toleranceMs, 60_000)
})

void t.test(
  'fingerprints change with a definition, its secrets included, and with nothing else',
  async (t) => {
    const folder = t.testdir({})
    const path = join(folder, 'a.yaml')
    const text = (extra = ''): string =>
      `${INBOUND}security:\n  - { name: a, type: basic_auth, username: a, password: "\${env:A}"${extra} }\n  - { name: b, type: api_key, key: "\${file:key}" }\n`
    write(folder, { 'a.yaml': text(), key: 'x'.repeat(40) })
    const first = await loadGood([path], { A: 'one' })
    const again = await loadGood([path], { A: 'one', OTHER: 'x' })
    const changed = await loadGood([path], { A: 'two' })
    const fingerprint = (config: Config, name: string): string | undefined =>
      config.definitions.get(name)?.fingerprint
    t.equal(fingerprint(first, 'a'), fingerprint(again, 'a'))
    t.not(fingerprint(first, 'a'), fingerprint(changed, 'a'), 'another password')
    t.equal(fingerprint(first, 'b'), fingerprint(changed, 'b'), 'the other definition is the same')
    write(folder, { 'a.yaml': `# a comment\n${text()}` })
    t.equal(fingerprint(first, 'a'), fingerprint(await loadGood([path], { A: 'one' }), 'a'))
    write(folder, { 'a.yaml': text(', is_active: false') })
    t.not(fingerprint(first, 'a'), fingerprint(await loadGood([path], { A: 'one' }), 'a'), 'off')
    write(folder, { key: 'y'.repeat(40) })
    t.not(fingerprint(first, 'b'), fingerprint(await loadGood([path], { A: 'one' }), 'b'), 'file')
    const other = await load([path], { env: { A: 'one' }, fingerprintKey: Buffer.alloc(32, 2) })
    t.not(
      'config' in other && fingerprint(other.config, 'a'),
      fingerprint(first, 'a'),
      'another key',
    )
  },
)

void t.test('the content hash tells whether anything that was read has changed', async (t) => {
  const folder = t.testdir({})
  const text = `${INBOUND}${OPEN}security: [{ name: a, type: basic_auth, username: a, password: "\${env:A}" }]\ngroups: [{ name: g, keys_file: keys.txt }]\n`
  const keys = `caller sha256:${'ab'.repeat(32)}\n`
  write(folder, { 'conf/a.yaml': text, 'conf/keys.txt': keys })
  const hash = async (env: NodeJS.ProcessEnv): Promise<string> => {
    const result = await load([join(folder, 'conf')], { env })
    if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'))
    return result.contentHash
  }
  const first = await hash({ A: 'one' })
  t.equal(await hash({ A: 'one', UNUSED: 'x' }), first)
  t.not(await hash({ A: 'two' }), first, 'a variable')
  write(folder, { 'conf/keys.txt': `# more\n${keys}` })
  const second = await hash({ A: 'one' })
  t.not(second, first, 'a file of callers')
  write(folder, { 'conf/b.yaml': 'log: { level: debug }\n' })
  t.not(await hash({ A: 'one' }), second, 'a new file in the folder')
})

void t.test('a failure tells what to watch for the repair', async (t) => {
  const folder = t.testdir({})
  write(folder, {
    'conf/a.yaml': `${INBOUND}security: [{ name: a, type: basic_auth, username: a, password: "\${file:/nowhere/secret}" }]\n`,
  })
  const result = await load([join(folder, 'conf'), join(folder, 'missing.yaml')])
  t.match(result, {
    files: [join(folder, 'conf/a.yaml'), '/nowhere/secret', join(folder, 'missing.yaml')],
    directories: [join(folder, 'conf')],
  })
})

void t.test(
  'files that other users can read are warned about',
  { skip: process.platform === 'win32' },
  async (t) => {
    const folder = t.testdir({})
    write(folder, {
      'a.yaml': `${INBOUND}${OPEN}security: [{ name: a, type: basic_auth, username: a, password: "\${file:secret}" }, { name: b, type: basic_auth, username: b, password: literal }]\n`,
      secret: 'x',
    })
    const path = join(folder, 'a.yaml')
    const warn = async (): Promise<string[]> =>
      (await load([path])).warnings.map((each) => formatProblem(each).replace(`${folder}/`, ''))
    chmodSync(path, 0o600)
    chmodSync(join(folder, 'secret'), 0o600)
    t.strictSame(await warn(), [])
    chmodSync(path, 0o604)
    chmodSync(join(folder, 'secret'), 0o604)
    t.strictSame(await warn(), [
      'a.yaml:3:64 security.0.password: other users can read the file "secret"',
      'a.yaml:3:136: a secret in a file that other users can read',
    ])
    chmodSync(folder, 0o700)
    t.strictSame(await warn(), [], 'nobody else can enter the folder')
  },
)

void t.test('100,000 callers of a keys_file load without a problem', async (t) => {
  const folder = t.testdir({})
  const lines = Array.from(
    { length: 100_000 },
    (_, index) => `caller-${index} sha256:${index.toString(16).padStart(64, '0')}\n`,
  )
  write(folder, {
    'a.yaml': `${INBOUND}groups: [{ name: g, keys_file: keys.txt }]\nchannels: [{ name: a, groups: [g] }]\n`,
    'keys.txt': lines.join(''),
  })
  const config = await loadGood([join(folder, 'a.yaml')])
  t.equal(config.definitions.size, 100_000)
  t.equal(config.groups.get('g')?.length, 100_000)
})
