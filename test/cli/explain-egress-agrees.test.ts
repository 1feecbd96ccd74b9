/** What `explain --egress` says of a call is what `serve` does with it. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { TokenServer } from '../oauth/token-server.ts'
import { runCli } from './run-cli.ts'

const key = 'sg_0123456789-0123456789-0123456789'
const clientKey = 'sg_9876543210-9876543210-9876543210'
const proof = `Basic ${Buffer.from(`app:${clientKey}`).toString('base64')}`
const otherProof = `Basic ${Buffer.from(`batch:${clientKey}-2`).toString('base64')}`

const renderConfig = (api: string, tokenUrl: string) => ({
  egress: { listen: '127.0.0.1:0', clients: ['app', 'batch'], unmatched: 'allow' },
  admin: { listen: '127.0.0.1:0' },
  security: [
    { name: 'app', type: 'api_key', key: clientKey },
    { name: 'batch', type: 'api_key', key: `${clientKey}-2` },
    { name: 'key', type: 'api_key', key },
    { name: 'off', type: 'api_key', key: `${key}-off`, is_active: false },
    {
      name: 'old',
      type: 'api_key',
      keys: [{ key: `${key}-old`, not_after: '2020-01-01T00:00:00Z' }],
    },
    {
      name: 'bearer',
      type: 'bearer_token',
      username: 'me',
      password: 'correct-horse-battery',
      auth_server_url: tokenUrl,
      allowed_scopes: ['a', 'b'],
    },
    {
      name: 'later',
      type: 'session',
      username: 'me',
      password: 'correct-horse-battery',
      login: { url: `${api}/login` },
      extract: { sid: 'cookie:sid' },
      apply: { headers: { 'X-Session': '{sid}' }, cookies: { sid: '{sid}' } },
    },
    {
      name: 'signed',
      type: 'hmac',
      key: 'correct-horse-battery-staple-0123456789',
      string_to_sign: ['body'],
      headers: { 'X-Sig': '{signature}' },
    },
  ],
  outgoing: [
    { name: 'plain', url: `${api}/plain`, security: 'key', methods: ['GET'] },
    { name: 'token', url: `${api}/token/`, security: 'bearer', headers: { 'X-Set': 'ours' } },
    { name: 'keep', url: `${api}/keep`, security: 'key', on_existing: 'keep' },
    { name: 'reject', url: `${api}/reject`, security: 'key', on_existing: 'reject' },
    { name: 'off', url: `${api}/off`, security: 'off' },
    { name: 'old', url: `${api}/old`, security: 'old' },
    { name: 'own', url: `${api}/own`, security: 'key', clients: ['app'] },
    {
      name: 'open',
      url: `${api}/open`,
      security: 'none',
      paths: ['/open/a/*'],
      empty_segments: true,
    },
    { name: 'signed', url: `${api}/signed`, security: 'signed' },
    { name: 'later', url: `${api}/later`, security: 'later', match: 'name' },
    { name: 'silent', url: 'https://silent.example', security: 'key' },
    { name: 'intended', url: 'https://*.many.example', security: 'key' },
  ],
})

type Header = readonly [name: string, value: string]

/** `API` stands for the authority of the API. */
const calls: readonly [method: string, url: string, ...headers: Header[]][] = [
  ['GET', '/plain/x?a=1', ['Accept', '*/*']],
  [
    'GET',
    '/plain',
    ['X-API-Key', 'mine'],
    ['x_api_key', 'mine'],
    ['Connection', 'X-A'],
    ['X-A', '1'],
  ],
  ['POST', '/plain/x'],
  ['GET', 'http://API/plain/x', ['X-Sidegate-Anything', '1'], ['Proxy-Connection', 'keep-alive']],
  ['GET', 'http://API/plainer'],
  ['GET', 'http://API/plain/%2e%2e/x'],
  ['GET', 'http://API/plain//x'],
  ['GET', '/open/a//x'],
  ['GET', '/open/b'],
  ['DELETE', '/token/x', ['Authorization', 'Bearer mine'], ['X-Set', 'theirs']],
  ['GET', '/token', ['X-Sidegate-Scopes', 'b a']],
  ['GET', '/token', ['X-Sidegate-Scopes', 'c']],
  ['GET', '/token', ['X-Sidegate-Scopes', 'a'], ['X-Sidegate-Scopes', 'b']],
  ['GET', '/plain', ['X-Sidegate-Scopes', 'a']],
  ['GET', '/keep/x', ['X-API-Key', 'mine']],
  ['GET', '/keep/x', ['X-API-Key', 'mine'], ['X-Api-Key', 'mine']],
  ['GET', '/keep/x'],
  ['GET', '/reject/x', ['X-API-Key', 'mine']],
  ['GET', '/reject/x'],
  ['GET', '/off'],
  ['GET', '/old'],
  ['GET', '/own', ['Proxy-Authorization', proof]],
  ['GET', '/own', ['Proxy-Authorization', otherProof]],
  ['GET', '/own', ['Proxy-Authorization', 'Basic bm9ib2R5Og==']],
  ['GET', '/own', ['Proxy-Authorization', '']],
  ['GET', '/own', ['Proxy-Authorization', proof], ['Proxy-Authorization', proof]],
  ['GET', '/later'],
  ['GET', '/later', ['Cookie', 'theme=dark; SID=mine'], ['X-Session', 'mine']],
  ['GET', '/signed'],
  ['GET', '/signed', ['X-Sig', 'own']],
  ['GET', '/intended'],
  ['GET', '/nothing'],
  ['GET', '/plain', ['Origin', 'http://a.example']],
  ['GET', '/plain', ['Sec-Fetch-Site', 'none']],
  ['GET', '/plain', ['Host', 'a.example']],
  ['GET', '/plain', ['Expect', 'x']],
  ['GET', 'http://API:1/'],
  ['GET', 'http://169.254.169.254/'],
  ['GET', 'http://127.0.0.1:1/'],
  ['CONNECT', 'silent.example:443'],
  ['CONNECT', 'a.many.example:443'],
  ['CONNECT', 'silent.example:444'],
  ['CONNECT', '169.254.169.254:443'],
  ['CONNECT', 'somewhere.example:22'],
  ['CONNECT', 'API'],
]

/** The header lines of an upstream's view, without those that are new each time. */
function listLines(rawHeaders: readonly string[]): readonly string[] {
  const lines: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
    if (/^(via|connection|transfer-encoding|content-length)$/i.test(name)) continue
    const isSecret = /^(authorization|x[-_]api[-_]key|x-sig|x-session|cookie)$/i.test(name)
    lines.push(`${name.toLowerCase()}: ${isSecret ? '[masked]' : value}`)
  }
  return lines.sort()
}

t.test('explain --egress and serve agree', { timeout: 120_000 }, async (t) => {
  let seen: { readonly line: string; readonly headers: readonly string[] } | undefined
  const api = createServer(({ method, url, rawHeaders }, answer) => {
    seen = { line: `${method} ${url} HTTP/1.1`, headers: listLines(rawHeaders) }
    answer.setHeader('Set-Cookie', 'sid=session-0123456789; Path=/')
    answer.end('here')
  })
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  t.after(() => api.close())
  const authority = `127.0.0.1:${(api.address() as AddressInfo).port}`
  const tokens = await TokenServer.start(t)
  const config = renderConfig(`http://${authority}`, tokens.url)
  const sidegate = await SidegateProcess.start(t, { config })
  const port = await sidegate.listener('egress')

  const send = (method: string, target: string, headers: readonly Header[]) =>
    new Promise<{ status: number; code: string }>((resolve, reject) => {
      seen = undefined
      const own = target.startsWith('/') ? `127.0.0.1:${port}` : 'ignored.example'
      const all = headers.some(([name]) => name === 'Host') ? headers : [['Host', own], ...headers]
      const call = request({
        host: '127.0.0.1',
        port,
        method,
        path: target,
        headers: all.flat(),
        agent: false,
      })
      call.on('response', (answer) => {
        answer.resume().on('end', () => {
          const code = String(answer.headers['x-sidegate-error'] ?? '')
          resolve({ status: answer.statusCode ?? 0, code })
        })
      })
      call.on('connect', (answer, socket) => {
        socket.destroy()
        const code = String(answer.headers['x-sidegate-error'] ?? '')
        resolve({ status: answer.statusCode ?? 0, code })
      })
      call.on('error', reject).end()
    })

  for (const [method, template, ...given] of calls) {
    const url = template.replace('API:1', '127.0.0.1:1').replace('API', authority)
    const hasProof = given.some(([name]) => name === 'Proxy-Authorization')
    const headers: readonly Header[] = hasProof ? given : [['Proxy-Authorization', proof], ...given]
    const told = given.map(([name]) => name).join(', ')
    await t.test(`${method} ${template} (${told})`, async (t) => {
      const args = headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`])
      const file = join(sidegate.folder, 'sidegate.yaml')
      const said = await runCli(['explain', '--egress', method, url, ...args, '-c', file])
      const done = await send(method, url, headers)
      const isLetIn = /^verdict +let in$/m.test(said.stdout)
      t.equal(said.code, isLetIn ? 0 : 1, said.stdout + said.stderr)
      // Nothing listens where an unmatched host or port leads to: let in, and not reached.
      const isReached = done.code === '' || done.code === 'upstream_unreachable'
      t.equal(isLetIn, isReached, `${done.status} ${done.code}\n${said.stdout}`)
      if (!isLetIn) {
        t.match(said.stdout, `verdict    refused: ${done.status} ${done.code}\n`)
        t.equal(seen, undefined, 'the API has not seen it')
        return
      }
      if (method === 'CONNECT' || done.code !== '') return
      const lines = [...said.stdout.matchAll(/^ {4}([^ :]+): (.*)$/gm)]
      const expected = lines.map(([, name = '', value = '']) => `${name.toLowerCase()}: ${value}`)
      t.same(seen?.headers, expected.filter((line) => !line.startsWith('via:')).sort())
      const masked = seen?.line.replace(/=[^& ]*/g, '=[masked]') ?? 'nothing'
      t.match(said.stdout, `    ${masked}\n`)
    })
  }
})
