// Clients that nobody here wrote: what they send by themselves must be understood, and what they show
// their user must be what happened.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SidegateProcess } from '../harness/sidegate-process.ts'
import { KEY, PASSWORD, USER, renderGate, startGate } from './gate.ts'
import { startNginx } from './nginx.ts'
import { missing, run } from './programs.ts'

interface Echo {
  readonly method: string
  readonly user: string | undefined
  readonly hasCredentials: boolean
  readonly sha256: string
  readonly bytes: number
}

/** A gate before a service that says what it got. */
async function startEcho(t: Test): Promise<{ gate: SidegateProcess; url: string }> {
  const service = createServer((request, response) => {
    const digest = createHash('sha256')
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      digest.update(chunk)
    })
    request.on('end', () => {
      const user = request.headers['x-authenticated-user']
      const echo: Echo = {
        method: request.method ?? '',
        user: typeof user === 'string' ? user : undefined,
        hasCredentials:
          request.headers.authorization !== undefined || request.headers['x-api-key'] !== undefined,
        sha256: digest.digest('hex'),
        bytes,
      }
      response.end(JSON.stringify(echo))
    })
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    service.close()
    service.closeAllConnections()
  })
  const gate = await startGate(t, renderGate((service.address() as AddressInfo).port))
  return { gate, url: `http://127.0.0.1:${gate.port('inbound')}` }
}

function parseEcho(text: string): Echo {
  return JSON.parse(text) as Echo
}

void t.test(
  'curl gets in with a key, with a password, and with neither does not',
  { skip: missing('curl') },
  async (t) => {
    const { url } = await startEcho(t)
    const key = await run('curl', ['-sS', '-f', '-H', `X-API-Key: ${KEY}`, `${url}/api/a`])
    t.match(parseEcho(key.stdout), { user: 'mobile', hasCredentials: false })
    const password = await run('curl', ['-sS', '-f', '-u', `${USER}:${PASSWORD}`, `${url}/api/a`])
    t.match(parseEcho(password.stdout), { user: USER, hasCredentials: false })
    const negotiated = await run('curl', [
      '-sS',
      '-f',
      '--anyauth',
      '-u',
      `${USER}:${PASSWORD}`,
      `${url}/api/a`,
    ])
    t.match(parseEcho(negotiated.stdout), { user: USER }, 'curl reads our challenge')
    const none = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', `${url}/api/a`])
    t.equal(none.stdout, '401')
    const open = await run('curl', [
      '-sS',
      '-f',
      '-H',
      'X-Authenticated-User: root',
      `${url}/open/a`,
    ])
    t.equal(parseEcho(open.stdout).user, undefined)
  },
)

void t.test(
  'curl uploads a file that waits for 100 Continue',
  { skip: missing('curl') },
  async (t) => {
    const { gate, url } = await startEcho(t)
    const file = join(gate.folder, 'upload.bin')
    const content = Buffer.alloc(3 * 1024 * 1024, 'sidegate')
    await writeFile(file, content)
    const sha256 = createHash('sha256').update(content).digest('hex')
    for (const more of [
      ['-H', 'Expect: 100-continue'],
      ['-H', 'Transfer-Encoding: chunked'],
      ['--http1.0'],
    ]) {
      const args = [
        '-sS',
        '-f',
        '-H',
        `X-API-Key: ${KEY}`,
        ...more,
        '-T',
        file,
        `${url}/api/upload`,
      ]
      const { stdout, stderr, exitCode } = await run('curl', args)
      t.equal(exitCode, 0, `${more.join(' ')} ${stderr}`)
      t.match(parseEcho(stdout), { method: 'PUT', sha256, bytes: content.length }, more.join(' '))
    }
    const refused = await run('curl', [
      '-sS',
      '-v',
      '-H',
      'Expect: 100-continue',
      '-T',
      file,
      `${url}/api/upload`,
    ])
    t.match(refused.stderr, /< HTTP\/1\.1 401/)
    t.notMatch(refused.stderr, /< HTTP\/1\.1 100/, 'no 100 before the credentials were checked')
  },
)

void t.test('curl uses one connection for many requests', { skip: missing('curl') }, async (t) => {
  const { url } = await startEcho(t)
  const { stdout } = await run('curl', [
    '-sS',
    '-f',
    '-H',
    `X-API-Key: ${KEY}`,
    '-o',
    '/dev/null',
    '-w',
    '%{num_connects}\n',
    `${url}/api/[1-20]`,
  ])
  t.equal(
    stdout
      .trim()
      .split('\n')
      .reduce((sum, line) => sum + Number(line), 0),
    1,
  )
})

void t.test(
  'curl and wget make a WebSocket-less h2c upgrade an ordinary request',
  { skip: missing('curl') },
  async (t) => {
    const { url } = await startEcho(t)
    const { stdout } = await run('curl', [
      '-sS',
      '-f',
      '--http2',
      '-H',
      `X-API-Key: ${KEY}`,
      `${url}/api/a`,
    ])
    t.equal(parseEcho(stdout).user, 'mobile')
  },
)

void t.test(
  'wget finds out by the challenge that it needs its password',
  { skip: missing('wget') },
  async (t) => {
    const { url } = await startEcho(t)
    const challenged = await run('wget', [
      '-q',
      '-O',
      '-',
      `--user=${USER}`,
      `--password=${PASSWORD}`,
      `${url}/api/a`,
    ])
    t.match(parseEcho(challenged.stdout), { user: USER, hasCredentials: false })
    const key = await run('wget', ['-q', '-O', '-', `--header=X-API-Key: ${KEY}`, `${url}/api/a`])
    t.equal(parseEcho(key.stdout).user, 'mobile')
    const wrong = await run('wget', [
      '-q',
      '-O',
      '-',
      `--user=${USER}`,
      '--password=wrong',
      `${url}/api/a`,
    ])
    t.equal(wrong.exitCode, 6, 'its exit code for failed authentication')
  },
)

void t.test(
  'wget takes up a broken download again',
  { skip: missing('wget', 'nginx') },
  async (t) => {
    const nginx = await startNginx(t)
    const gate = await startGate(t, renderGate(nginx.port))
    await mkdir(join(nginx.root, 'api'))
    const content = Buffer.from(Array.from({ length: 500_000 }, (_, index) => index % 251))
    await writeFile(join(nginx.root, 'api', 'file.bin'), content)
    const target = join(gate.folder, 'file.bin')
    await writeFile(target, content.subarray(0, 123_456))
    const url = `http://127.0.0.1:${gate.port('inbound')}/api/file.bin`
    const { exitCode } = await run('wget', [
      '-q',
      '-c',
      '-O',
      target,
      `--header=X-API-Key: ${KEY}`,
      url,
    ])
    t.equal(exitCode, 0)
    t.ok((await readFile(target)).equals(content))
  },
)

const PYTHON = `
import sys, urllib.request, urllib.error
url, user, password, key = sys.argv[1:]
manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
manager.add_password(None, url, user, password)
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(manager))
print(opener.open(url + '/api/a', data=b'x' * 100000).read().decode())
keyed = urllib.request.Request(url + '/api/a', headers={'x-api-key': key}, method='DELETE')
print(opener.open(keyed).read().decode())
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url + '/api/a')
except urllib.error.HTTPError as error:
    print(error.code, error.headers['content-type'])
`

void t.test(
  'Python finds out by the challenge, posts a form and deletes',
  { skip: missing('python3') },
  async (t) => {
    const { url } = await startEcho(t)
    const args = ['-c', PYTHON, url, USER, PASSWORD, KEY]
    const { stdout, stderr } = await run('python3', args)
    const [posted = '{}', deleted = '{}', refused] = stdout.trim().split('\n')
    t.match(parseEcho(posted), { method: 'POST', user: USER, bytes: 100_000 }, stderr)
    t.match(parseEcho(deleted), { method: 'DELETE', user: 'mobile' })
    t.equal(refused, '401 application/problem+json')
  },
)

void t.test(
  'ab sends 5,000 requests by HTTP/1.0 with keep-alive and not one fails',
  { skip: missing('ab', 'nginx') },
  async (t) => {
    const nginx = await startNginx(t, { server: 'location /api/ { return 200 "hello"; }' })
    const gate = await startGate(t, renderGate(nginx.port))
    const url = `http://127.0.0.1:${gate.port('inbound')}/api/a`
    const args = ['-q', '-k', '-n', '5000', '-c', '32', '-H', `X-API-Key: ${KEY}`, url]
    const { stdout, stderr, exitCode } = await run('ab', args)
    t.equal(exitCode, 0, stderr)
    t.match(stdout, /Complete requests:\s+5000\n/)
    t.match(stdout, /Failed requests:\s+0\n/)
    t.notMatch(stdout, /Non-2xx responses/)
    t.match(stdout, /Keep-Alive requests:\s+[1-9]/)
  },
)

void t.test(
  'wrk keeps 64 connections busy and sees no error',
  { skip: missing('wrk', 'nginx') },
  async (t) => {
    const nginx = await startNginx(t, { server: 'location /api/ { return 200 "hello"; }' })
    const gate = await startGate(t, renderGate(nginx.port))
    const url = `http://127.0.0.1:${gate.port('inbound')}/api/a`
    const args = ['-t', '1', '-c', '64', '-d', '5s', '-H', `X-API-Key: ${KEY}`, url]
    const { stdout, exitCode } = await run('wrk', args)
    t.equal(exitCode, 0)
    t.match(stdout, /[1-9]\d+ requests in/)
    t.notMatch(stdout, /Socket errors|Non-2xx/, stdout)
    t.equal(gate.severeLines.length, 0)
  },
)
