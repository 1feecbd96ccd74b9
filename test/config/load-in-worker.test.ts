import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import t from 'tap'
import { loadInWorker } from '../../src/config/load-in-worker.ts'
import { loadConfiguration } from '../../src/config/load.ts'
import type { LoadOptions, LoadResult } from '../../src/config/load.ts'
import { Secret } from '../../src/secret.ts'

const BCRYPT = '$2b$10$abcdefghijklmnopqrstuuHc8XF2zmaVnSo7fU5ccQ9hFkCK0.4Jq'

const YAML = `
inbound:
  listen: 127.0.0.1:0
  upstream: http://127.0.0.1:8080
  trusted_proxies: [10.0.0.0/8, unix]
egress:
  listen: 127.0.0.1:0
security:
  - name: crm
    type: basic_auth
    username: crm
    password: \${env:CRM_PASSWORD}
  - name: partner
    type: basic_auth
    username: partner
    passwords:
      - { label: "2026", password_hash: "${BCRYPT}", not_after: 2027-01-31T00:00:00Z }
      - { label: "2027", password: "\${file:partner.secret}" }
  - name: mobile
    type: api_key
    key: a-key-that-is-long-enough-and-random
    groups: [everybody]
  - name: salesforce
    type: bearer_token
    username: my-client-id
    password: \${env:SF_SECRET}
    auth_server_url: https://auth.example.com/oauth2/token
    extra_fields: { audience: https://api.example.com }
groups:
  - name: partners
    members: [partner, mobile]
  - name: everybody
    keys_file: keys.txt
channels:
  - name: orders
    path: /api/orders/*
    methods: [GET, POST]
    security: crm
    groups: [partners]
  - name: health
    path: /healthz
    security: none
outgoing:
  - name: sf
    url: https://api.example.com/v1
    security: salesforce
    match: name
`

function makeOptions(path: string): LoadOptions {
  return {
    paths: [path],
    env: { CRM_PASSWORD: 'a long password', SF_SECRET: 'a client secret' },
    fingerprintKey: Buffer.alloc(32, 7),
    nowMs: Date.UTC(2026, 10, 23),
  }
}

function makeKeys(count: number): string {
  const lines: string[] = []
  for (let i = 0; i < count; i++) {
    lines.push(`caller-${i} sha256:${createHash('sha256').update(`key ${i}`).digest('hex')}`)
  }
  return lines.join('\n')
}

/** Secrets laid open, so that results can be compared. */
function lay(value: unknown): unknown {
  if (value instanceof Secret) return ['a secret', value.reveal(), value.source]
  if (Buffer.isBuffer(value)) return ['a buffer', value.toString('hex')]
  if (Array.isArray(value)) return value.map(lay)
  if (value instanceof Map) {
    return [...(value as Map<unknown, unknown>)].map(([key, item]) => [key, lay(item)])
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([key, item]) => [key, lay(item)])
}

function problemsOf(result: LoadResult): string[] {
  return 'problems' in result ? result.problems.map(({ problem }) => problem) : []
}

t.test('the result is the one of a direct load, secrets and hashes included', async (t) => {
  const dir = t.testdir({
    'sidegate.yaml': YAML,
    'partner.secret': 'a partner password\n',
    'keys.txt': makeKeys(2500),
  })
  const options = makeOptions(join(dir, 'sidegate.yaml'))
  const direct = await loadConfiguration(options)
  t.same(problemsOf(direct), [])
  const result = await loadInWorker(options)
  t.strictSame(lay(result), lay(direct))
  t.ok('config' in result)
  if (!('config' in result)) return
  const mobile = result.config.definitions.get('mobile')
  t.ok(mobile?.type === 'api_key' && Buffer.isBuffer(mobile.keys[0]?.digest))
  t.equal(result.config.groups.get('everybody')?.length, 2501)
  t.equal(options.env['CRM_PASSWORD'], 'a long password', 'the options are left alone')
  t.equal(options.fingerprintKey.length, 32)
})

t.test('problems are those of a direct load, however many', async (t) => {
  const dir = t.testdir({
    'sidegate.yaml': YAML.replace('security: crm', 'security: nobody').replace('{ audience', '{ a'),
    'keys.txt': 'not a key line at all\n'.repeat(5000),
  })
  const options = makeOptions(join(dir, 'sidegate.yaml'))
  const direct = await loadConfiguration(options)
  t.not(problemsOf(direct).length, 0)
  t.strictSame(lay(await loadInWorker(options)), lay(direct))
})

t.test('no configuration at all is a problem too', async (t) => {
  const options = makeOptions(join(t.testdir({}), 'missing.yaml'))
  t.strictSame(lay(await loadInWorker(options)), lay(await loadConfiguration(options)))
})

t.test('loads side by side do not mix', async (t) => {
  const dir = t.testdir({
    'a.yaml': YAML,
    'b.yaml': YAML.replace('name: orders', 'name: deliveries'),
    'partner.secret': 'x-x-x-x-x-x-x-x-x-x',
    'keys.txt': makeKeys(1500),
  })
  const paths = ['a.yaml', 'b.yaml'].map((name) => join(dir, name))
  const results = await Promise.all(paths.map((path) => loadInWorker(makeOptions(path))))
  const names = results.map((result) =>
    'config' in result ? result.config.channels[0]?.name : problemsOf(result),
  )
  t.same(names, ['orders', 'deliveries'])
})

t.test('a thread that dies is a problem, and tells no secret', async (t) => {
  const rows: [name: string, code: string, problem: RegExp][] = [
    ['throws', 'throw new TypeError("the password is hunter2")', /failed: TypeError/],
    ['throws later', 'setTimeout(() => { throw new Error("hunter2") }, 1)', /failed: Error/],
    ['rejects', 'await Promise.reject(new RangeError("hunter2"))', /failed: RangeError/],
    ['throws no error', 'throw "hunter2"', /failed/],
    ['throws what has a wild name', 'const e = new Error("x"); e.name = "is hunter2"; throw e', /failed: Error/],
    ['ends', 'process.exit(3)', /ended early, with exit code 3/],
    ['has nothing to do', '', /ended early, with exit code 0/],
    ['does not compile', 'hunter2 hunter2', /failed: SyntaxError/],
    // In small pieces: Node 24 ends the whole process where a thread asks for much more at once.
    ['takes all memory', 'const a = []; for (;;) a.push({ n: a.length })', /ran out of memory/],
  ] // prettier-ignore
  for (const [name, code, problem] of rows) {
    const entry = new URL(`data:text/javascript,${encodeURIComponent(code)}`)
    const result = await loadInWorker(makeOptions('some/sidegate.yaml'), { entry, memoryMb: 32 })
    const [told, ...others] = problemsOf(result)
    t.match(told, problem, name)
    t.notMatch(told, /hunter2/)
    t.same(others, [])
    t.ok('files' in result && result.files[0]?.endsWith('/some/sidegate.yaml'), 'still watched')
  }
})

t.test('a thread that never answers is given up', async (t) => {
  const entry = new URL('data:text/javascript,setInterval(() => 0, 1000); for (;;);')
  const result = await loadInWorker(makeOptions('x.yaml'), { entry, timeoutMs: 300 })
  t.match(problemsOf(result), [/no result within 0.3 s/])
})

t.test('too little memory for a big configuration is a problem', async (t) => {
  const dir = t.testdir({ 'sidegate.yaml': YAML, 'partner.secret': 'x-x-x-x-x-x-x-x-x-x' })
  writeFileSync(join(dir, 'keys.txt'), makeKeys(100_000))
  const options = makeOptions(join(dir, 'sidegate.yaml'))
  t.match(problemsOf(await loadInWorker(options, { memoryMb: 16 })), [/ran out of memory/])
})

t.test('a big configuration arrives whole while the loop turns', async (t) => {
  const dir = t.testdir({ 'partner.secret': 'x-x-x-x-x-x-x-x-x-x' })
  const definitions: string[] = []
  const channels: string[] = []
  for (let i = 0; i < 20_000; i++) {
    definitions.push(
      `  - { name: big-${i}, type: basic_auth, username: big-${i}, password: a-long-password-${i} }`,
    )
  }
  for (let i = 0; i < 5000; i++) {
    channels.push(`  - { name: c-${i}, path: /c/${i}/*, security: [big-${i}, big-${i + 5000}] }`)
  }
  const text = YAML.replace('security:\n', `security:\n${definitions.join('\n')}\n`).replace(
    'channels:\n',
    `channels:\n${channels.join('\n')}\n`,
  )
  writeFileSync(join(dir, 'sidegate.yaml'), text)
  writeFileSync(join(dir, 'keys.txt'), makeKeys(100_000))
  const start = performance.now()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const result = await loadInWorker(makeOptions(join(dir, 'sidegate.yaml')))
  delay.disable()
  const tookMs = performance.now() - start
  t.comment(
    `${tookMs.toFixed(0)} ms, longest stall ${(delay.max / 1e6).toFixed(1)} ms, ` +
      `99.9 %: ${(delay.percentile(99.9) / 1e6).toFixed(1)} ms`,
  )
  t.same(problemsOf(result), [])
  if (!('config' in result)) return
  t.equal(result.config.definitions.size, 120_004)
  t.equal(result.config.groups.get('everybody')?.length, 100_001)
  t.equal(result.config.channels.length, 5002)
})
