// git behind `sidegate run`: it looks, clones and pushes, and the server alone sees the credential.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type RequestListener, type Server, createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { mkdir, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TestAuthority } from '../harness/egress-certificates.ts'
import { type AppGate, type RunOptions, skipNames, startAppGate } from './egress-gate.ts'
import { createRepository, git, serveRepositories } from './egress-git-server.ts'
import { createFolder, missing } from './programs.ts'

const HOST = 'git.sidegate.test'
const TOKEN = 'git-token-Qz8MtVb4HxKw7PnYc2Rd'
const CLIENT_KEY = 'git-client-Lp5TjWs9DfGm3XkUa6Ez'
const skip = skipNames || missing('git')

interface GitWorld {
  readonly gate: AppGate
  readonly folder: string
  readonly bare: string
  readonly urls: Readonly<Record<'http' | 'https', string>>
  /** Request lines of those that showed the credential once, and of the others. */
  readonly seen: { readonly right: string[]; readonly wrong: string[]; chunked: number }
}

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

async function openWorld(t: Test, egress: Record<string, unknown> = {}): Promise<GitWorld> {
  const folder = await createFolder(t)
  const bare = await createRepository(folder, 'project')
  const seen: GitWorld['seen'] = { right: [], wrong: [], chunked: 0 }
  const expected = `Basic ${Buffer.from(`robot:${TOKEN}`).toString('base64')}`
  const serve = serveRepositories(folder)
  const guarded: RequestListener = (request, response) => {
    const shown = request.headersDistinct['authorization'] ?? []
    const line = `${request.method ?? ''} ${request.url ?? ''}`
    const isRight = shown.length === 1 && shown[0] === expected
    seen[isRight ? 'right' : 'wrong'].push(line)
    if (request.headers['transfer-encoding'] === 'chunked') seen.chunked += 1
    if (isRight) serve(request, response)
    else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end()
  }
  const authority = new TestAuthority(t, 'Upstreams')
  const plain = await listen(t, createServer(guarded))
  const leaf = authority.issue({ names: `DNS:${HOST}` })
  const secured = await listen(t, createTlsServer(leaf, guarded))
  const urls = { http: `http://${HOST}:${plain}`, https: `https://${HOST}:${secured}` }
  const gate = await startAppGate(t, {
    egress,
    security: [
      { name: 'robot', type: 'basic_auth', username: 'robot', password: '${env:GIT_TOKEN}' },
      { name: 'app', type: 'api_key', key: '${env:CLIENT_KEY}' },
    ],
    outgoing: [
      { name: 'plain', url: urls.http, security: 'robot', allow_plaintext: true },
      {
        name: 'secured',
        url: urls.https,
        security: 'robot',
        https: 'intercept',
        tls: { ca: 'upstreams.crt' },
      },
    ],
    env: { GIT_TOKEN: TOKEN, CLIENT_KEY },
    files: { 'upstreams.crt': authority.cert },
    names: [HOST],
  })
  return { gate, folder, bare, urls, seen }
}

/** git behind the gate, which must succeed; what it printed, without any trace of the token. */
async function runGit(
  t: Test,
  { gate }: GitWorld,
  args: readonly string[],
  { options = [], env = {} }: RunOptions = {},
): Promise<string> {
  const own = { GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const person = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.com']
  const command = ['git', ...person, ...args]
  const done = await gate.run(command, { options, env: { ...own, ...env } })
  t.equal(done.exitCode, 0, `git ${args.join(' ')}: ${done.stderr}`)
  const printed = `${done.stdout}${done.stderr}`
  t.notOk(printed.includes(TOKEN) || printed.includes('Authorization: Basic'), 'no credential')
  return done.stdout.trim()
}

for (const scheme of ['http', 'https'] as const) {
  void t.test(
    `git looks, clones and pushes over ${scheme}:// without knowing the password`,
    { skip, timeout: 60_000 },
    async (t) => {
      const world = await openWorld(t)
      const url = `${world.urls[scheme]}/project.git`
      const first = await git('-C', world.bare, 'rev-parse', 'main')
      t.match(await runGit(t, world, ['ls-remote', url]), `${first}\trefs/heads/main`)

      const clone = join(world.folder, 'clone')
      await runGit(t, world, ['clone', '-q', url, clone])
      t.equal(await git('-C', clone, 'rev-parse', 'HEAD'), first)

      await mkdir(join(clone, 'data'))
      await writeFile(join(clone, 'data', 'random.bin'), randomBytes(700_000))
      await git('-C', clone, 'add', '.')
      await git('-C', clone, 'commit', '-q', '-m', 'second')
      // What is larger than this buffer is sent in chunks, of no length that is known before.
      const push = ['-C', clone, '-c', 'http.postBuffer=65536', 'push', '-q', 'origin', 'main']
      await runGit(t, world, push)
      const second = await git('-C', clone, 'rev-parse', 'HEAD')
      t.equal(await git('-C', world.bare, 'rev-parse', 'main'), second, 'the push arrived whole')
      t.ok(world.seen.chunked > 0, 'in chunks')

      t.strictSame(world.seen.wrong, [], 'every request carried the credential, once')
      t.ok(world.seen.right.length >= 5, world.seen.right.join(', '))
      t.notOk(world.gate.sidegate.output.includes(TOKEN))
      t.strictSame(world.gate.sidegate.severeLines, [])
    },
  )
}

void t.test(
  'git says who it is once the port has asked, over http:// and https://',
  { skip, timeout: 60_000 },
  async (t) => {
    const world = await openWorld(t, { clients: ['app'] })
    const options = {
      options: ['--proxy-user', 'app'],
      env: { SIDEGATE_PROXY_PASSWORD: CLIENT_KEY },
    }
    for (const scheme of ['http', 'https'] as const) {
      const clone = join(world.folder, `clone-${scheme}`)
      const from = world.seen.right.length
      await runGit(t, world, ['clone', '-q', `${world.urls[scheme]}/project.git`, clone], options)
      t.ok(world.seen.right.length > from)
    }
    t.strictSame(world.seen.wrong, [])
    const challenged = world.gate.sidegate.lines.filter(({ status }) => status === 407)
    t.ok(challenged.length > 0, 'it waits to be asked')
  },
)
