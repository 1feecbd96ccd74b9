/** What `explain` says of a request is what `serve` does with it. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { runCli } from './run-cli.ts'

const key = 'sg_0123456789-0123456789-0123456789'
const other = 'sg_9876543210-9876543210-9876543210'
const basic = (pair: string) => ['Authorization', `Basic ${Buffer.from(pair).toString('base64')}`]

const renderConfig = (port: number) => ({
  inbound: {
    listen: '127.0.0.1:0',
    upstream: `http://127.0.0.1:${port}`,
    forward_identity: ['definition', 'type', 'groups'],
  },
  admin: { listen: '127.0.0.1:0' },
  security: [
    { name: 'crm', type: 'basic_auth', username: 'crm-user', password: 'battery-staple' },
    { name: 'mobile', type: 'api_key', key },
    { name: 'kiosk', type: 'api_key', key: other, is_active: false },
  ],
  groups: [{ name: 'partners', members: ['mobile', 'kiosk'] }],
  channels: [
    {
      name: 'orders',
      path: '/api/orders/*',
      methods: ['GET', 'POST'],
      security: 'crm',
      groups: ['partners'],
    },
    { name: 'private', path: '/private', security: 'crm' },
    { name: 'loose', path: '/loose/*', security: 'none', empty_segments: true },
    { name: 'host', host: '*.example.com', path: '/only', security: 'none' },
    { name: 'off', path: '/off', security: 'none', is_active: false },
  ],
})

type Header = readonly string[]

/** Each request is explained and sent. */
const requests: readonly [method: string, path: string, headers: readonly Header[]][] = [
  ['GET', '/api/orders/1', [basic('crm-user:battery-staple'), ['Accept', '*/*']]],
  [
    'POST',
    '/api/orders/1?a=b',
    [
      ['X-API-Key', key],
      ['X-Forwarded-For', '6.6.6.6'],
    ],
  ],
  [
    'GET',
    '/api/orders/1',
    [
      ['x-api-key', key],
      ['X-Authenticated-User', 'root'],
      ['x_authenticated_user', 'root'],
    ],
  ],
  [
    'GET',
    '/api/orders/1',
    [
      ['X-API-Key', key],
      ['X-HTTP-Method-Override', 'DELETE'],
      ['X-Sidegate-Scopes', 'a'],
    ],
  ],
  [
    'GET',
    '/api/orders/1',
    [
      ['X-API-Key', key],
      ['Connection', 'close, X-Secret'],
      ['X-Secret', '1'],
    ],
  ],
  ['GET', '/api/orders/1', [['X-API-Key', other]]],
  ['GET', '/api/orders/1', [['X-API-Key', key], basic('crm-user:battery-staple')]],
  ['GET', '/api/orders/1', [basic('crm-user:wrong')]],
  ['GET', '/api/orders/1', [basic('nobody:wrong')]],
  ['GET', '/api/orders/1', []],
  ['DELETE', '/api/orders/1', [['X-API-Key', key]]],
  ['GET', '/private', [['X-API-Key', key]]],
  ['GET', '/private/', [basic('crm-user:battery-staple')]],
  [
    'GET',
    '/loose//x',
    [
      ['My_Header', '1'],
      ['Forwarded', 'for=1.1.1.1'],
    ],
  ],
  ['GET', '/loose/%2e%2e/private', []],
  ['GET', '/loose/a;b', []],
  ['GET', '/only', [['Host', 'www.EXAMPLE.com:80']]],
  ['GET', '/only', [['Host', 'example.com']]],
  ['GET', '/off', []],
  ['GET', '/nothing', [['Expect', 'something']]],
  ['GET', '/loose/', [['Expect', 'something']]],
]

/** The header lines of an upstream's view, without those that are new each time. */
function listLines(rawHeaders: readonly string[]): readonly string[] {
  const lines: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const isNew = /^(x-request-id|connection|transfer-encoding|content-length)$/i.test(name)
    // undici writes its name in lower case, which no rule looks at.
    const shown = name === 'host' ? 'Host' : name
    if (!isNew) lines.push(`${shown}: ${rawHeaders[at + 1] ?? ''}`)
  }
  return lines.sort()
}

t.test('explain and serve agree', { timeout: 120_000 }, async (t) => {
  let seen: readonly string[] | undefined
  const upstream = createServer((incoming, answer) => {
    seen = listLines(incoming.rawHeaders)
    answer.end('here')
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.after(() => upstream.close())
  const config = renderConfig((upstream.address() as AddressInfo).port)
  const sidegate = await SidegateProcess.start(t, { config })
  const port = await sidegate.listener('inbound')

  const send = (method: string, path: string, headers: readonly Header[]) =>
    new Promise<{ status: number; code: string }>((resolve, reject) => {
      seen = undefined
      const named = headers.some(([name]) => name === 'Host')
      const all = named ? headers : [['Host', `127.0.0.1:${port}`], ...headers]
      const options = { host: '127.0.0.1', port, method, path, headers: all.flat(), agent: false }
      const call = request(options, (answer) => {
        answer.resume().on('end', () => {
          const code = String(answer.headers['x-sidegate-error'] ?? '')
          resolve({ status: answer.statusCode ?? 0, code })
        })
      })
      call.on('error', reject).end()
    })

  for (const [method, path, headers] of requests) {
    const told = headers.map(([name = '']) => name).join(', ')
    await t.test(`${method} ${path} (${told})`, async (t) => {
      const args = headers.flatMap(([name = '', value = '']) => ['-H', `${name}: ${value}`])
      const file = join(sidegate.folder, 'sidegate.yaml')
      const url = `http://127.0.0.1:${port}${path}`
      const said = await runCli(['explain', method, url, ...args, '-c', file])
      const done = await send(method, path, headers)
      const isLetIn = /^verdict +let in$/m.test(said.stdout)
      t.equal(isLetIn, done.code === '', `${said.stdout}${said.stderr}`)
      t.equal(said.code, isLetIn ? 0 : 1)
      if (!isLetIn) {
        t.match(said.stdout, `verdict   refused: ${done.status} ${done.code}\n`)
        t.equal(seen, undefined, 'the upstream has not seen it')
        return
      }
      const lines = [...said.stdout.matchAll(/^ {4}([^ :]+: .*)$/gm)].map(([, line = '']) => line)
      const expected = lines.filter((line) => !line.startsWith('X-Request-Id:')).sort()
      t.same(seen, expected)
    })
  }
})
