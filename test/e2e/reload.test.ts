/** The configuration changes while Sidegate runs: what takes effect, what is refused, what stays. */
import { mkdir, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventually } from '../harness/eventually.ts'
import { host } from '../harness/hostile-gate.ts'
import { RawClient } from '../harness/raw-client.ts'
import { RecordingUpstream, answer } from '../harness/recording-upstream.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'

const KEY = 'reload-key-0123456789abcdef0123456789'
const NEXT_KEY = 'reload-key-fedcba9876543210fedcba9876'

interface Definition {
  readonly name: string
  readonly [setting: string]: unknown
}

interface Parts {
  readonly security: readonly Definition[]
  readonly channels: readonly Definition[]
  readonly groups?: readonly Definition[]
  readonly inbound?: object
}

const standard: Parts = {
  security: [{ name: 'app', type: 'api_key', key: '${file:key.txt}' }],
  channels: [
    { name: 'protected', path: '/p/*', security: 'app' },
    { name: 'open', path: '/o/*', security: 'none' },
  ],
}

t.setTimeout(120_000)

const upstream = await RecordingUpstream.listen(t)

function config(parts: Parts): string {
  return JSON.stringify({
    inbound: { listen: '127.0.0.1:0', upstream: upstream.url, ...parts.inbound },
    admin: { listen: '127.0.0.1:0' },
    shutdown: { drain_delay: '0s', drain_timeout: '2s' },
    security: parts.security,
    ...(parts.groups !== undefined && { groups: parts.groups }),
    channels: parts.channels,
  })
}

function start(t: Test, parts = standard, files: Record<string, string> = {}) {
  return SidegateProcess.start(t, { config: config(parts), files: { 'key.txt': KEY, ...files } })
}

/** The status of a GET. */
async function ask(t: Test, sidegate: SidegateProcess, path: string, lines = ''): Promise<number> {
  const client = await RawClient.connect(t, sidegate.port('inbound'))
  const { status } = await client.request(`GET ${path} HTTP/1.1\r\n${host}${lines}\r\n`)
  client.destroy()
  return status
}

const withKey = (key: string) => `X-API-Key: ${key}\r\n`

async function generation(sidegate: SidegateProcess): Promise<number> {
  return Number((await sidegate.status())['generation'])
}

/** Waits until a generation of at least this number is loaded. */
function reached(sidegate: SidegateProcess, number: number): Promise<true> {
  const ask = async () => ((await generation(sidegate)) >= number ? true : undefined)
  return eventually(`generation ${number}`, ask, 20_000)
}

t.test('a change of the YAML takes effect by itself', async (t) => {
  const sidegate = await start(t)
  t.equal(await generation(sidegate), 1)
  t.equal(await ask(t, sidegate, '/new/x'), 404)
  const more = [...standard.channels, { name: 'new', path: '/new/*', security: 'none' }]
  await sidegate.write('sidegate.yaml', config({ ...standard, channels: more }))
  await reached(sidegate, 2)
  t.equal(await ask(t, sidegate, '/new/x'), 200)
  t.equal(await sidegate.metric('sidegate_config_generation'), 2)
  t.equal(await sidegate.metric('sidegate_config_reloads_total{result="success"}'), 1)
  t.equal(await sidegate.metric('sidegate_config_last_reload_successful'), 1)
})

t.test('a file that is replaced by a rename, as editors do, is seen every time', async (t) => {
  const sidegate = await start(t)
  for (let i = 2; i <= 4; i++) {
    const more = [...standard.channels, { name: `new-${i}`, path: `/new-${i}`, security: 'none' }]
    await sidegate.write('sidegate.yaml.tmp', config({ ...standard, channels: more }))
    await rename(join(sidegate.folder, 'sidegate.yaml.tmp'), join(sidegate.folder, 'sidegate.yaml'))
    await reached(sidegate, i)
    t.equal(await ask(t, sidegate, `/new-${i}`), 200)
  }
})

t.test('a changed secret file takes effect with the first request of its generation', async (t) => {
  const sidegate = await start(t)
  t.equal(await ask(t, sidegate, '/p/x', withKey(KEY)), 200)
  await sidegate.write('key.txt', `${NEXT_KEY}\n`)
  await reached(sidegate, 2)
  t.equal(await ask(t, sidegate, '/p/x', withKey(KEY)), 401, 'the old key is refused')
  t.equal(await ask(t, sidegate, '/p/x', withKey(NEXT_KEY)), 200)
  t.notMatch(sidegate.output, NEXT_KEY)
})

t.test('a changed password is not remembered from before', async (t) => {
  const parts: Parts = {
    security: [{ name: 'crm', type: 'basic_auth', username: 'crm', password: '${file:key.txt}' }],
    channels: [{ name: 'protected', path: '/p/*', security: 'crm' }],
  }
  const sidegate = await start(t, parts)
  const basic = (password: string) =>
    `Authorization: Basic ${Buffer.from(`crm:${password}`).toString('base64')}\r\n`
  t.equal(await ask(t, sidegate, '/p/x', basic(KEY)), 200)
  t.equal(await ask(t, sidegate, '/p/x', basic(KEY)), 200)
  await sidegate.write('key.txt', NEXT_KEY)
  await reached(sidegate, 2)
  t.equal(await ask(t, sidegate, '/p/x', basic(KEY)), 401)
  t.equal(await ask(t, sidegate, '/p/x', basic(NEXT_KEY)), 200)
})

t.test('a list of callers in a file is watched like any other file', async (t) => {
  const { createHash } = await import('node:crypto')
  const line = (name: string, key: string) =>
    `${name} sha256:${createHash('sha256').update(key).digest('hex')}\n`
  const parts: Parts = {
    security: [],
    groups: [{ name: 'callers', keys_file: 'keys.list' }],
    channels: [{ name: 'protected', path: '/p/*', groups: ['callers'] }],
  }
  const sidegate = await start(t, parts, { 'keys.list': line('one', KEY) })
  t.equal(await ask(t, sidegate, '/p/x', withKey(KEY)), 200)
  t.equal(await ask(t, sidegate, '/p/x', withKey(NEXT_KEY)), 401)
  await sidegate.write('keys.list', line('two', NEXT_KEY))
  await reached(sidegate, 2)
  t.equal(await ask(t, sidegate, '/p/x', withKey(KEY)), 401)
  t.equal(await ask(t, sidegate, '/p/listed', withKey(NEXT_KEY)), 200)
  const request = await upstream.requestFor('/p/listed')
  t.strictSame(request.values('x-authenticated-user'), ['two'])
})

t.test('off means off: definitions refuse, channels are 404', async (t) => {
  const sidegate = await start(t)
  const off = {
    security: [{ name: 'app', type: 'api_key', key: '${file:key.txt}', is_active: false }],
    channels: [
      { name: 'protected', path: '/p/*', security: 'app' },
      { name: 'open', path: '/o/*', security: 'none', is_active: false },
      { name: 'rest', path: '/*', security: 'none' },
    ],
  }
  await sidegate.write('sidegate.yaml', config(off))
  await reached(sidegate, 2)
  t.equal(await ask(t, sidegate, '/p/x', withKey(KEY)), 401)
  t.equal(await ask(t, sidegate, '/o/x'), 404, 'and no less specific channel takes its place')
  t.equal(await ask(t, sidegate, '/else'), 200)
})

/** What the operator can see of a failed reload. */
async function failure(sidegate: SidegateProcess): Promise<Record<string, unknown>> {
  return eventually(
    'a failed reload',
    async () => {
      const { errors } = ((await sidegate.status())['reload'] ?? {}) as { errors?: unknown[] }
      return errors?.[0] as Record<string, unknown> | undefined
    },
    20_000,
  )
}

const broken: Readonly<Record<string, string>> = {
  'a file that is no YAML': '{ "inbound": [',
  'an unknown key': '{ "inbuond": {} }',
  'a name that does not exist': config({
    ...standard,
    channels: [{ name: 'protected', path: '/p/*', security: 'nobody' }],
  }),
  'a missing secret': config({
    ...standard,
    security: [{ name: 'app', type: 'api_key', key: '${file:missing.txt}' }],
  }),
  // A truncated file must not drop every route.
  'an empty file': '',
  'a file with only a comment': '# nothing yet\n',
}

for (const [claim, text] of Object.entries(broken)) {
  t.test(`${claim} keeps the old generation, and status, metric and log say so`, async (t) => {
    const sidegate = await start(t)
    const before = sidegate.lines.length
    await sidegate.write('sidegate.yaml', text)
    const problem = await failure(sidegate)
    t.match(String(problem['file']), /sidegate\.yaml$|missing\.txt$/)
    t.type(problem['line'], 'number')
    t.ok(String(problem['problem']).length > 0)
    t.equal(await generation(sidegate), 1)
    t.equal((await sidegate.admin('/readyz')).status, 200, 'still ready')
    t.equal(await ask(t, sidegate, '/p/x', withKey(KEY)), 200)
    t.equal(await sidegate.metric('sidegate_config_last_reload_successful'), 0)
    t.ok(((await sidegate.metric('sidegate_config_reloads_total{result="failure"}')) ?? 0) > 0)
    await sidegate.line('an error in the log', (l) => l['level'] === 'error', before)
    t.notMatch(sidegate.output, KEY)
    await sidegate.write(
      'sidegate.yaml',
      config({ ...standard, inbound: { forward_identity: ['type'] } }),
    )
    await reached(sidegate, 2)
    t.equal(await sidegate.metric('sidegate_config_last_reload_successful'), 1, 'and it recovers')
  })
}

t.test('SIGHUP and POST /reload reload at once', async (t) => {
  const sidegate = await start(t)
  const variant = (i: number) =>
    config({
      ...standard,
      channels: [...standard.channels, { name: `v${i}`, path: `/v${i}`, security: 'none' }],
    })
  await sidegate.write('sidegate.yaml', variant(1))
  const posted = await sidegate.admin('/reload', { method: 'POST' })
  t.equal(posted.status, 200)
  t.strictSame(JSON.parse(posted.text), { generation: 2 })
  t.equal(await ask(t, sidegate, '/v1'), 200)
  await sidegate.write('sidegate.yaml', variant(2))
  sidegate.child.kill('SIGHUP')
  await reached(sidegate, 3)
  t.equal(await ask(t, sidegate, '/v2'), 200)
  await sidegate.write('sidegate.yaml', '{ "inbuond": {} }')
  const failed = await sidegate.admin('/reload', { method: 'POST' })
  t.equal(failed.status, 422)
  const { errors } = JSON.parse(failed.text) as { errors: { problem: string }[] }
  t.match(errors[0]?.problem ?? '', /inbound/, 'it names the nearest known key')
  t.equal(await generation(sidegate), 3)
})

t.test('POST /reload refuses browsers, and GET does not reload', async (t) => {
  const sidegate = await start(t)
  for (const headers of [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-origin' },
  ]) {
    // Raw, because fetch would not send them as they are.
    const client = await RawClient.connect(t, sidegate.port('admin'))
    const lines = Object.entries(headers)
      .map(([n, v]) => `${n}: ${v}\r\n`)
      .join('')
    const local = `Host: 127.0.0.1\r\nContent-Length: 0\r\n${lines}`
    t.equal((await client.request(`POST /reload HTTP/1.1\r\n${local}\r\n`)).status, 403)
  }
  const rebound = await RawClient.connect(t, sidegate.port('admin'))
  const evil = 'Host: evil.example\r\nContent-Length: 0\r\n'
  t.equal((await rebound.request(`POST /reload HTTP/1.1\r\n${evil}\r\n`)).status, 403)
  t.ok((await sidegate.admin('/reload')).status >= 400)
})

t.test('nothing changed: no new generation', async (t) => {
  const sidegate = await start(t)
  await sidegate.write('sidegate.yaml', config(standard))
  await utimes(join(sidegate.folder, 'key.txt'), new Date(), new Date())
  sidegate.child.kill('SIGHUP')
  const posted = await sidegate.admin('/reload', { method: 'POST' })
  t.strictSame(JSON.parse(posted.text), { generation: 1 })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  t.equal(await generation(sidegate), 1)
})

t.test('the ..data swap of Kubernetes is seen every time, for config and secrets', async (t) => {
  const writeVersion = async (mount: string, i: number) => {
    const folder = `..2024_${i}`
    await mkdir(join(mount, folder))
    await writeFile(join(mount, folder, 'key'), `${KEY}${i}`)
    const channels = [{ name: `v${i}`, path: `/v${i}`, security: 'none' }]
    await writeFile(join(mount, folder, 'channels.yaml'), JSON.stringify({ channels }))
    await symlink(folder, join(mount, '..data_tmp'))
    await rename(join(mount, '..data_tmp'), join(mount, '..data'))
  }
  const sidegate = await SidegateProcess.start(t, {
    config: config({
      security: [{ name: 'app', type: 'api_key', key: '${file:mount/key}' }],
      channels: [{ name: 'protected', path: '/p/*', security: 'app' }],
    }),
    prepare: async (folder) => {
      const mount = join(folder, 'mount')
      await mkdir(mount)
      await writeVersion(mount, 1)
      for (const name of ['key', 'channels.yaml']) {
        await symlink(join('..data', name), join(mount, name))
      }
    },
    args: (folder) => ['--config', join(folder, 'mount')],
  })
  for (let i = 2; i <= 4; i++) {
    t.equal(await ask(t, sidegate, `/v${i - 1}`), 200)
    t.equal(await ask(t, sidegate, '/p/x', withKey(`${KEY}${i - 1}`)), 200)
    await writeVersion(join(sidegate.folder, 'mount'), i)
    await reached(sidegate, i)
    t.equal(await ask(t, sidegate, `/v${i}`), 200)
    t.equal(await ask(t, sidegate, `/v${i - 1}`), 404)
    t.equal(await ask(t, sidegate, '/p/x', withKey(`${KEY}${i}`)), 200)
    t.equal(await ask(t, sidegate, '/p/x', withKey(`${KEY}${i - 1}`)), 401)
  }
})

t.test('a request under way finishes on its own generation', async (t) => {
  const sidegate = await start(t)
  let finish: () => void = () => undefined
  upstream.scripts.set('/p/under-way', async (request, socket) => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    await request.whole
    socket.write(answer(200, [], request.body.toString()))
  })
  const client = await RawClient.connect(t, sidegate.port('inbound'))
  await client.send(
    `POST /p/under-way HTTP/1.1\r\n${host}${withKey(KEY)}Content-Length: 10\r\n\r\nhello`,
  )
  await upstream.requestFor('/p/under-way')
  const gone = { ...standard, channels: standard.channels.slice(1) }
  await sidegate.write('sidegate.yaml', config(gone))
  await reached(sidegate, 2)
  await client.send('world')
  finish()
  t.equal((await client.answer()).body, 'helloworld')
  const again = await client.request(`GET /p/x HTTP/1.1\r\n${host}${withKey(KEY)}\r\n`)
  t.equal(again.status, 404, 'the next request on that connection has the new one')
})

t.test('no request is lost while generations change', async (t) => {
  const sidegate = await start(t)
  const client = await RawClient.connect(t, sidegate.port('inbound'))
  for (let i = 1; i <= 5; i++) {
    const channels = [...standard.channels, { name: `v${i}`, path: `/v${i}`, security: 'none' }]
    await sidegate.write('sidegate.yaml', config({ ...standard, channels }))
    const reload = sidegate.admin('/reload', { method: 'POST' })
    for (let k = 0; k < 20; k++) {
      const { status } = await client.request(`GET /p/x HTTP/1.1\r\n${host}${withKey(KEY)}\r\n`)
      t.equal(status, 200)
    }
    await reload
  }
  t.equal(client.isEnded, false, 'the connection was kept')
})

t.test('WebSockets are closed when their definition changes, and others are kept', async (t) => {
  const accept =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
  const offer =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  for (const path of ['/p/ws', '/o/ws']) {
    upstream.scripts.set(path, (_request, socket) => socket.write(accept))
  }
  const sidegate = await start(t)
  const open = async (path: string, lines: string) => {
    const client = await RawClient.connect(t, sidegate.port('inbound'))
    await client.send(`GET ${path} HTTP/1.1\r\n${host}${lines}${offer}\r\n`)
    await eventually('a 101', () => client.answers[0]?.status === 101)
    return client
  }
  const guarded = await open('/p/ws', withKey(KEY))
  const free = await open('/o/ws', '')
  await sidegate.write('key.txt', NEXT_KEY)
  await guarded.ended(20_000)
  // A close frame of code 1008.
  t.equal(guarded.answers[0]?.body.slice(0, 1), '\x88')
  t.equal(guarded.answers[0]?.body.slice(2, 4), '\x03\xf0')
  t.equal(free.isEnded, false)
})

// The session began with a secret that was replaced before the upstream had answered.
t.test('a WebSocket of a replaced secret is closed even if its 101 comes after', async (t) => {
  let accept: () => void = () => undefined
  upstream.scripts.set('/p/late-ws', async (_request, socket) => {
    await new Promise<void>((resolve) => {
      accept = resolve
    })
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    )
  })
  const sidegate = await start(t)
  const client = await RawClient.connect(t, sidegate.port('inbound'))
  const lines = `${withKey(KEY)}Connection: Upgrade\r\nUpgrade: websocket\r\n`
  await client.send(`GET /p/late-ws HTTP/1.1\r\n${host}${lines}\r\n`)
  await upstream.requestFor('/p/late-ws')
  await sidegate.write('key.txt', NEXT_KEY)
  await reached(sidegate, 2)
  accept()
  await client.ended(20_000)
  t.equal(client.answers[0]?.body.slice(2, 4), '\x03\xf0')
})

// A request on a listener that no configuration stands behind ended the process.
t.test('a reload without inbound leaves a gate that answers 404', async (t) => {
  const sidegate = await start(t)
  const { security } = standard
  await sidegate.write(
    'sidegate.yaml',
    JSON.stringify({ admin: { listen: '127.0.0.1:0' }, security }),
  )
  await reached(sidegate, 2)
  t.equal(await ask(t, sidegate, '/o/x'), 404)
  t.equal((await sidegate.admin('/livez')).status, 200)
})

t.test('a changed listener is reported as needing a restart, the rest is applied', async (t) => {
  const sidegate = await start(t)
  const channels = [...standard.channels, { name: 'new', path: '/new', security: 'none' }]
  await sidegate.write(
    'sidegate.yaml',
    config({ ...standard, channels, inbound: { listen: '127.0.0.1:1' } }),
  )
  await reached(sidegate, 2)
  t.equal(await ask(t, sidegate, '/new'), 200)
  const reload = (await sidegate.status())['reload'] as { restart_required: unknown[] }
  t.match(JSON.stringify(reload.restart_required), /inbound/)
})

t.test('a start with an invalid configuration names the problems and exits with 1', async (t) => {
  const sidegate = await SidegateProcess.spawn(t, {
    config: config({ ...standard, channels: [{ name: 'x', path: '/x', security: 'nobody' }] }),
    files: { 'key.txt': KEY },
  })
  t.equal(await sidegate.exited(), 1)
  t.match(sidegate.output, /sidegate\.yaml:\d+:\d+ channels\.0\.security: .*nobody/)
  t.notMatch(sidegate.output, KEY)
})

t.end()
