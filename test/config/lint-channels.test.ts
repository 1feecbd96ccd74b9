/**
 * The attack: a channel lets `%2F` through, and `/api/admin%2Fusers` goes to the channel of `/api/*`
 * instead of the stricter one of `/api/admin/*`; the upstream decodes it and serves `/api/admin/users`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { loadConfiguration } from '../../src/config/load.ts'
import type { ChannelConfig } from '../../src/config/model.ts'
import { createChannelTable } from '../../src/inbound/channels.ts'

interface Loaded {
  readonly warnings: readonly string[]
  readonly channels: readonly ChannelConfig[]
}

/** What is written for `loose` and `strict`, beside definitions `a`, `b` and the group `ab` of both. */
async function load(t: Test, loose: object, strict: object, inbound: object = {}): Promise<Loaded> {
  const file = join(t.testdir({}), 'sidegate.yaml')
  const secret = '0123456789abcdef0123456789abcdef'
  const text = JSON.stringify({
    inbound: { listen: '127.0.0.1:8000', upstream: 'http://127.0.0.1:8080', ...inbound },
    security: ['a', 'b'].map((name) => ({ name, type: 'api_key', key: `${secret}-${name}` })),
    groups: [{ name: 'ab', members: ['a', 'b'] }],
    channels: [
      { name: 'loose', ...loose },
      { name: 'strict', ...strict },
    ],
  })
  writeFileSync(file, text, { mode: 0o600 })
  const result = await loadConfiguration({
    paths: [file],
    env: {},
    fingerprintKey: Buffer.alloc(32),
    nowMs: 0,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  const warnings = result.warnings
    .filter((each) => each.problem.includes('walked around'))
    .map((each) => each.path)
  return { warnings, channels: result.config.channels }
}

function findChannel(channels: readonly ChannelConfig[], path: string): string {
  const entries = channels.map((channel) => ({ channel, value: channel.name }))
  const match = createChannelTable(entries, { caseInsensitive: false }).find(
    'h.example',
    path,
    'GET',
  )
  return 'value' in match ? match.value : match.kind
}

const ALL = ['encoded_slashes', 'empty_segments', 'path_parameters', 'double_encoding'] as const

t.test('each spelling that reaches the looser channel is warned about', async (t) => {
  const rows: [loose: string, strict: string, setting: (typeof ALL)[number], spelling: string][] = [
    ['/api/*', '/api/admin/*', 'encoded_slashes', '/api/admin%2Fx'],
    ['/api/*', '/api/admin/*', 'empty_segments', '/api//admin/x'],
    ['/api/*', '/api/admin/*', 'path_parameters', '/api/admin;x/x'],
    ['/api/*', '/api/admin/*', 'double_encoding', '/api/%2561dmin/x'],
    ['/*', '/admin', 'encoded_slashes', '/admin%2F'],
    ['/*', '/{tenant}/admin', 'path_parameters', '/x/admin;x'],
    ['/*', '/{tenant}', 'empty_segments', '//x'],
    ['/*', '/{tenant}/{user}', 'encoded_slashes', '/x%2Fx'],
    ['/{tenant}', '/admin/users/all', 'encoded_slashes', '/admin%2Fusers%2Fall'],
    ['/{tenant}/files/*', '/admin/*', 'path_parameters', '/admin;x/files/x'],
    ['/{tenant}/*', '/admin/x/*', 'empty_segments', '/admin//x/x'],
  ] // prettier-ignore
  for (const [loose, strict, setting, spelling] of rows) {
    const { warnings, channels } = await load(
      t,
      { path: loose, security: 'none', [setting]: true },
      { path: strict, security: 'a' },
    )
    t.strictSame(warnings, [`channels.0.${setting}`], `${loose} beside ${strict}`)
    t.equal(findChannel(channels, spelling), 'loose', `${spelling} does go there`)
  }
})

t.test('what no spelling turns into the other is not warned about', async (t) => {
  const all = Object.fromEntries(ALL.map((setting) => [setting, true]))
  const rows: [loose: string, strict: string][] = [
    ['/api/admin/*', '/api/*'],
    ['/api/*', '/internal/*'],
    ['/api/*', '/api'],
    ['/public/*', '/{tenant}/admin'],
    ['/api', '/api/admin'],
    ['/{tenant}/files', '/admin/users'],
  ]
  for (const [loose, strict] of rows) {
    const { warnings } = await load(
      t,
      { path: loose, security: 'none', ...all },
      { path: strict, security: 'a' },
    )
    t.strictSame(warnings, [], `${loose} beside ${strict}`)
  }
  const { warnings } = await load(
    t,
    { path: '/*', security: 'none' },
    { path: '/a', security: 'a' },
  )
  t.strictSame(warnings, [], 'nor a channel that allows none')
  const single = { path: '/{tenant}/*', security: 'none', empty_segments: true }
  const beside = await load(t, single, { path: '/admin/*', security: 'a' })
  t.strictSame(beside.warnings, [], 'an empty segment is no {name}')
})

t.test('a channel is stricter if it refuses somebody whom the other lets in', async (t) => {
  const rows: [loose: object, strict: object, isWarned: boolean][] = [
    [{ security: 'none' }, { security: 'a' }, true],
    [{ security: 'a' }, { security: 'none' }, false],
    [{ security: 'a' }, { security: 'a' }, false],
    [{ security: 'a' }, { security: ['a', 'b'] }, false],
    [{ security: ['a', 'b'] }, { security: 'a' }, true],
    [{ security: 'a' }, { groups: ['ab'] }, false],
    [{ groups: ['ab'] }, { security: 'a' }, true],
    [{ groups: ['ab'] }, { security: ['a', 'b'] }, false],
    [{ groups: ['ab'] }, { groups: ['ab'] }, false],
    [{ security: 'none' }, { security: 'none', is_active: false }, true],
    [{ security: 'none', is_active: false }, { security: 'a' }, false],
  ]
  for (const [loose, strict, isWarned] of rows) {
    const { warnings } = await load(
      t,
      { path: '/*', path_parameters: true, ...loose },
      { path: '/admin/*', ...strict },
    )
    t.equal(warnings.length === 1, isWarned, JSON.stringify([loose, strict]))
  }
})

t.test('host, method and upstream must be such that one stands beside the other', async (t) => {
  const rows: [loose: object, strict: object, isWarned: boolean][] = [
    [{}, { host: 'a.example' }, true],
    [{ host: 'a.example' }, {}, false],
    [{ host: '*.example' }, { host: 'a.example' }, true],
    [{ host: 'b.example' }, { host: 'a.example' }, false],
    [{ path: '/public/*' }, { path: '/{tenant}/admin', host: 'a.example' }, true],
    [{ methods: ['OPTIONS'] }, {}, false],
    [{ methods: ['GET'] }, { methods: ['POST'] }, false],
    [{ methods: ['GET'] }, { methods: ['GET', 'POST'] }, true],
    [{ upstream: 'http://127.0.0.1:9999' }, {}, false],
    [{ upstream: 'http://other.example:8080' }, {}, false],
    [{ upstream: 'http://localhost:8080' }, {}, true],
    [{ upstream: 'unix:/run/a.sock' }, {}, false],
    [{ upstream: 'unix:/run/a.sock' }, { upstream: 'unix:/run/a.sock' }, true],
  ]
  for (const [loose, strict, isWarned] of rows) {
    const { warnings } = await load(
      t,
      { path: '/*', path_parameters: true, security: 'none', ...loose },
      { path: '/admin/*', security: 'a', ...strict },
    )
    t.equal(warnings.length === 1, isWarned, JSON.stringify([loose, strict]))
  }
})

t.test('letter case counts as it does for requests', async (t) => {
  for (const isInsensitive of [true, false]) {
    const { warnings } = await load(
      t,
      { path: '/API/*', security: 'none', path_parameters: true },
      { path: '/api/admin', security: 'a' },
      { case_insensitive_paths: isInsensitive },
    )
    t.equal(warnings.length === 1, isInsensitive)
  }
})
