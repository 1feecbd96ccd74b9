/** `sidegate test` against APIs and token servers that are right, wrong, mute or not there. */
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import { type AddressInfo, type Server, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TestAuthority } from '../harness/egress-certificates.ts'
import { TokenServer, sendJson } from '../oauth/token-server.ts'
import { openssl, skipOpenssl } from '../tls/verifiers.ts'
import { createFolder, runCli } from './run-cli.ts'

const key = 'sg_0123456789-0123456789-0123456789'
const password = 'correct-horse-battery'
const token = 'token-of-the-test-0123456789'

const security = [
  { name: 'key', type: 'api_key', key },
  { name: 'off', type: 'api_key', key: `${key}-off`, is_active: false },
  { name: 'basic', type: 'basic_auth', username: 'api-user', password },
]

const bearer = (tokens: TokenServer | undefined, more: object = {}) => ({
  name: 'bearer',
  type: 'bearer_token',
  username: 'my-client',
  password,
  auth_server_url: tokens?.url ?? 'http://127.0.0.1:1/token',
  scopes: ['read', 'write'],
  ...more,
})

async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    if ('closeAllConnections' in server) (server.closeAllConnections as () => void).call(server)
  })
  return (server.address() as AddressInfo).port
}

/** An API that answers as told, and what it was asked. */
async function startApi(t: Test, answer: RequestListener) {
  const seen: { method: string; url: string; headers: readonly string[] }[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', rawHeaders } = request
    seen.push({ method, url, headers: rawHeaders })
    request.resume()
    answer(request, response)
  })
  return { port: await listen(t, server), seen }
}

interface Settings {
  readonly outgoing: object
  readonly definitions?: readonly object[]
  readonly egress?: object
}

/** Runs `sidegate test api` with further arguments. */
async function run(t: Test, settings: Settings, ...args: string[]) {
  const cwd = await createFolder(t)
  const config = {
    egress: { listen: '127.0.0.1:0', ...settings.egress },
    security: [...security, ...(settings.definitions ?? [])],
    outgoing: [{ name: 'api', ...settings.outgoing }],
  }
  await writeFile(join(cwd, 'sidegate.yaml'), JSON.stringify(config), { mode: 0o600 })
  const result = await runCli(['test', 'api', ...args], { cwd })
  const printed = result.stdout + result.stderr
  for (const secret of [key, password, token]) {
    t.notMatch(printed, secret, 'no secret is printed')
    t.notMatch(printed, Buffer.from(secret).toString('base64').slice(0, -4))
  }
  const rows = new Map<string, string>()
  for (const [, label = '', text = ''] of result.stdout.matchAll(/^(\S+) +(.*)$/gm)) {
    rows.set(label, text)
  }
  return { ...result, printed, row: (label: string) => rows.get(label) ?? '' }
}

t.test('a connection that works says so', async (t) => {
  const api = await startApi(t, (_, response) => {
    response.setHeader('Content-Type', 'application/json').end('{}')
  })
  const outgoing = { url: `http://127.0.0.1:${api.port}/v1`, security: 'key' }
  const { code, printed, row } = await run(t, { outgoing }, '--path', '/me?token=t0psecret')
  t.equal(code, 0, printed)
  t.equal(row('connection'), `api: http://127.0.0.1:${api.port}/v1, adds key (api_key)`)
  t.equal(row('request'), 'GET /v1/me?token=[masked] HTTP/1.1')
  t.match(printed, /^ +X-API-Key: \[masked\]$/m)
  t.match(row('answer'), /^200, "application\/json", after \d+ ms$/)
  t.equal(row('verdict'), 'it works')
  t.equal(api.seen[0]?.url, '/v1/me?token=t0psecret')
  t.ok(api.seen[0]?.headers.includes(key), 'the API got the key')
  t.notMatch(printed, 't0psecret')
})

t.test('a token is fetched first, and sent', async (t) => {
  const tokens = await TokenServer.start(t)
  tokens.answer = (response) => {
    sendJson(response, { access_token: token, token_type: 'Bearer', expires_in: 3600 })
  }
  // An API that writes what it was sent into a header.
  const api = await startApi(t, (request, response) => {
    const sent = request.headers.authorization ?? ''
    response.writeHead(302, { Location: `/login/${sent}?a=b`, 'Content-Type': sent }).end()
  })
  const outgoing = { url: `http://127.0.0.1:${api.port}`, security: 'bearer' }
  const { code, printed, row } = await run(t, { outgoing, definitions: [bearer(tokens)] })
  t.equal(code, 0, printed)
  const url = tokens.url
  const life = 'valid for 3600 s, fetched anew after half of that'
  t.equal(row('token'), `from ${url} as "my-client": got one, ${life}`)
  t.ok(api.seen[0]?.headers.includes(`Bearer ${token}`))
  t.match(row('verdict'), 'a redirect to "/login/Bearer [redacted]?a=[masked]"')
  t.match(row('answer'), '302, "Bearer [redacted]"')
  t.match(row('why'), 'redirects are never followed')
})

t.test('a secret of which only the beginning is shown is not shown', async (t) => {
  const tokens = await TokenServer.start(t)
  tokens.answer = (response) => {
    sendJson(response, { access_token: token, token_type: 'Bearer', expires_in: 3600 })
  }
  const api = await startApi(t, (request, response) => {
    const sent = request.headers.authorization?.slice('Bearer '.length) ?? ''
    const headers = {
      Location: `/${'b'.repeat(190)}${sent}`,
      'Content-Type': 'a'.repeat(91) + sent,
    }
    response.writeHead(302, headers).end()
  })
  const outgoing = { url: `http://127.0.0.1:${api.port}`, security: 'bearer' }
  const { code, printed } = await run(t, { outgoing, definitions: [bearer(tokens)] })
  t.equal(code, 0, printed)
  t.match(printed, 'aaaa[redacted', 'it was answered with it')
  t.match(printed, 'bbbb[redacted')
  t.notMatch(printed, token.slice(0, 8))
})

const statuses: readonly [status: number, security: string, verdict: RegExp, cure: RegExp][] = [
  [401, 'key', /refuses the credential \(401\)/, /key of "key", and header/],
  [401, 'basic', /refuses the credential \(401\)/, /username and password of "basic"/],
  [401, 'none', /wants a credential \(401\)/, /name a definition/],
  [403, 'key', /does not allow this \(403\)/, /rights of this account/],
  [404, 'key', /nothing is there \(404\)/, /say --path/],
  [405, 'key', /does not take GET there/, /another --method/],
  [429, 'key', /called too often/, /wait/],
  [418, 'key', /refuses the request \(418\)/, /another --path/],
  [503, 'key', /failed by itself \(503\)/, /try again/],
]

for (const [status, name, verdict, cure] of statuses) {
  t.test(
    `${status} of the API with security: ${name} has its words, and exit code 1`,
    async (t) => {
      const api = await startApi(t, (_, response) => {
        response.writeHead(status, { 'WWW-Authenticate': 'Negotiate' }).end(`no, ${key}`)
      })
      const outgoing = { url: `http://127.0.0.1:${api.port}`, security: name }
      const { code, printed, row } = await run(t, { outgoing })
      t.equal(code, 1, printed)
      t.match(row('verdict'), verdict)
      t.match(row('cure'), cure)
      if (status === 401) t.match(row('why'), 'it asks for Negotiate')
    },
  )
}

t.test('a 401 to a token, and insufficient_scope', async (t) => {
  const tokens = await TokenServer.start(t)
  const statusOf = new Map([
    ['/a', 401],
    ['/b', 403],
  ])
  const api = await startApi(t, ({ url = '' }, response) => {
    const challenge = 'Bearer error="insufficient_scope"'
    response.writeHead(statusOf.get(url) ?? 200, { 'WWW-Authenticate': challenge }).end()
  })
  const outgoing = { url: `http://127.0.0.1:${api.port}`, security: 'bearer' }
  const settings = { outgoing, definitions: [bearer(tokens)] }
  const refused = await run(t, settings, '--path', '/a')
  t.equal(refused.code, 1)
  t.match(refused.row('why'), 'the token server gave a token, which the API does not take')
  t.match(refused.row('cure'), 'audience')
  const forbidden = await run(t, settings, '--path', '/b')
  t.equal(forbidden.code, 1)
  t.match(forbidden.row('why'), 'insufficient_scope')
})

const tokenErrors: readonly [error: string, why: RegExp, cure: RegExp][] = [
  [
    'invalid_client',
    /does not know this client/,
    /username and password of "bearer", and client_auth/,
  ],
  ['invalid_scope', /refuses the scopes .*: asked for read write$/, /check scopes of "bearer"/],
  ['unauthorized_client', /may not use this grant/, /grant/],
  ['unsupported_grant_type', /does not know the grant/, /grant_type/],
  ['something_else', /answered 400, something_else$/, /auth_server_url/],
]

for (const [error, why, cure] of tokenErrors) {
  t.test(`the token server says ${error}: said in words, and the API is not asked`, async (t) => {
    const tokens = await TokenServer.start(t)
    tokens.answer = (response) => {
      sendJson(response, { error, error_description: `because of ${password}` }, 400)
    }
    const api = await startApi(t, (_, response) => response.end())
    const outgoing = { url: `http://127.0.0.1:${api.port}`, security: 'bearer' }
    const { code, printed, row } = await run(t, { outgoing, definitions: [bearer(tokens)] })
    t.equal(code, 1, printed)
    t.match(row('verdict'), 'no token could be obtained')
    t.match(row('why'), why)
    t.match(row('cure'), cure)
    t.same(api.seen, [])
  })
}

t.test('a token server that is no such thing, does not answer or is not there', async (t) => {
  const tokens = await TokenServer.start(t)
  const outgoing = { url: 'http://127.0.0.1:1', security: 'bearer' }
  const ask = (definition: object) => run(t, { outgoing, definitions: [definition] })

  tokens.answer = (response) => response.end('<html>')
  const malformed = await ask(bearer(tokens))
  t.equal(malformed.code, 1)
  t.match(malformed.row('cure'), 'what answers there is no token server')

  tokens.isHolding = true
  const mute = await ask(bearer(tokens, { timeout: '300ms' }))
  t.match(mute.row('why'), 'no answer within 300 ms')
  tokens.release()

  const absent = await ask(bearer(undefined))
  t.equal(absent.row('verdict'), 'no token could be obtained (127.0.0.1:1)')
  t.match(absent.row('why'), /nothing listens on this port.*ECONNREFUSED/)
})

t.test('an API that cannot be reached', async (t) => {
  const refused = await run(t, { outgoing: { url: 'http://127.0.0.1:1', security: 'key' } })
  t.equal(refused.code, 1)
  t.equal(refused.row('verdict'), 'the API could not be reached (127.0.0.1:1)')
  t.match(refused.row('why'), /nothing listens on this port.*ECONNREFUSED/)

  const url = 'https://no-such-host.invalid'
  const unknown = await run(t, { outgoing: { url, security: 'key' } })
  t.match(unknown.row('why'), /DNS/)

  const mute = createTcpServer((socket) => socket.on('error', () => undefined))
  const port = await listen(t, mute)
  const outgoing = {
    url: `http://127.0.0.1:${port}`,
    security: 'key',
    timeouts: { first_byte: '300ms' },
  }
  const late = await run(t, { outgoing })
  t.equal(late.code, 1)
  t.match(late.row('why'), 'connected, but no answer within 300 ms')

  const rude = createTcpServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end('SSH-2.0\r\n'))
  })
  const wrong = { url: `http://127.0.0.1:${await listen(t, rude)}`, security: 'key' }
  const other = await run(t, { outgoing: wrong })
  t.equal(other.code, 1)
  t.match(other.row('cure'), 'HTTP/1.1 server')
})

t.test('addresses that are never called', async (t) => {
  const url = 'https://169.254.169.254'
  const metadata = await run(t, { outgoing: { url, security: 'key' } })
  t.equal(metadata.code, 1)
  t.match(metadata.row('why'), 'metadata address')
  const definition = bearer(undefined, {
    auth_server_url: 'https://169.254.169.254/token',
  })
  const outgoing = { url: 'https://api.example.com', security: 'bearer' }
  const server = await run(t, { outgoing, definitions: [definition] })
  t.equal(server.code, 1)
  t.match(server.row('why'), 'destination_refused')
})

t.test('certificates that are wrong', { skip: skipOpenssl }, async (t) => {
  const authority = new TestAuthority(t)
  const start = async (options: ServerOptions) => {
    const server = createTlsServer(options, (_, response) => response.end('here'))
    server.on('tlsClientError', () => undefined)
    return `https://127.0.0.1:${await listen(t, server)}`
  }
  const ask = async (url: string, tls?: object) => {
    const outgoing = { url, security: 'key', ...(tls === undefined ? {} : { tls }) }
    return run(t, { outgoing })
  }
  const folder = await createFolder(t)
  const ca = join(folder, 'ca.pem')
  await writeFile(ca, authority.cert)

  const right = await start({ ...authority.issue() })
  t.equal((await ask(right, { ca })).code, 0)
  const unknown = await ask(right)
  t.equal(unknown.code, 1)
  t.match(unknown.row('why'), /authority that is not trusted here.*UNABLE_TO/)
  t.match(unknown.row('cure'), 'tls.ca')

  const other = await ask(await start({ ...authority.issue({ names: 'DNS:other.example' }) }), {
    ca,
  })
  t.match(other.row('why'), 'for other names, DNS:other.example (ERR_TLS_CERT_ALTNAME_INVALID)')

  const expired = await ask(await start({ ...authority.issue({ days: -1 }) }), { ca })
  t.match(expired.row('why'), 'has expired (CERT_HAS_EXPIRED)')

  const keyPath = join(folder, 'own.key')
  const certPath = join(folder, 'own.pem')
  const subject = ['-subj', '/CN=own', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', keyPath, '-out', certPath]
  openssl(['req', '-x509', ...made, ...subject])
  const self = { cert: await readFile(certPath), key: await readFile(keyPath) }
  const own = await ask(await start(self))
  t.match(own.row('why'), 'self-signed')

  const demanding = { ...authority.issue(), requestCert: true, ca: authority.cert }
  const client = await ask(await start(demanding), { ca })
  t.equal(client.code, 1)
  t.match(client.row('why') + client.row('cure'), 'client certificate')

  const plain = createServer((_, response) => response.end())
  const clear = await ask(`https://127.0.0.1:${await listen(t, plain)}`)
  t.match(clear.row('why'), 'does not speak it')
})

t.test('a parent proxy is asked, and what it says is told', async (t) => {
  const proxy = createServer()
  proxy.on('connect', (_, socket) => socket.end('HTTP/1.1 407 No\r\n\r\n'))
  const port = await listen(t, proxy)
  const outgoing = { url: 'https://api.example.com', security: 'key' }
  const egress = { proxy: { url: `http://127.0.0.1:${port}`, security: 'basic' } }
  const { code, printed, row } = await run(t, { outgoing, egress })
  t.equal(code, 1, printed)
  t.match(row('verdict'), `(the parent proxy 127.0.0.1:${port})`)
  t.match(row('why'), 'wants other credentials (407)')
})

t.test('what the configuration does not allow is not sent', async (t) => {
  const api = await startApi(t, (_, response) => response.end())
  const url = `http://127.0.0.1:${api.port}`
  const methods = await run(
    t,
    { outgoing: { url, security: 'key', methods: ['GET'] } },
    '--method',
    'POST',
  )
  t.equal(methods.code, 1)
  t.match(methods.row('why'), 'does not have this method')
  const dots = await run(t, { outgoing: { url, security: 'key' } }, '--path', '/../x')
  t.match(dots.row('why'), 'dot segments')
  const off = await run(t, { outgoing: { url, security: 'off' } })
  t.match(off.row('why'), '"off" says is_active: false')
  const gone = await run(t, { outgoing: { url, security: 'key', is_active: false } })
  t.match(gone.row('why'), 'is_active: false')
  const many = await run(t, { outgoing: { url: 'https://*.example.com', security: 'key' } })
  t.match(many.row('why'), 'no single host')
  for (const { code } of [dots, off, gone, many]) t.equal(code, 1)
  t.same(api.seen, [])
})

t.test('a POST says that it has no body', async (t) => {
  const api = await startApi(t, (_, response) => response.end())
  const outgoing = { url: `http://127.0.0.1:${api.port}`, security: 'basic' }
  const { code } = await run(t, { outgoing }, '--method', 'POST')
  t.equal(code, 0)
  t.equal(api.seen[0]?.method, 'POST')
  t.match(String(api.seen[0]?.headers), /content-length,0/i)
})

t.test('an answer without an end is one', async (t) => {
  const api = await startApi(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
  })
  const outgoing = { url: `http://127.0.0.1:${api.port}`, security: 'none' }
  const { code, row } = await run(t, { outgoing })
  t.equal(code, 0)
  t.match(row('connection'), 'adds nothing')
  t.equal(row('verdict'), 'it works')
})

t.test('a wrong line is a matter of usage, an unknown name a problem', async (t) => {
  const cwd = await createFolder(t)
  const config = {
    egress: { listen: '127.0.0.1:0' },
    security,
    outgoing: [{ name: 'salesforce', url: 'https://a.example', security: 'key' }],
  }
  await writeFile(join(cwd, 'sidegate.yaml'), JSON.stringify(config), { mode: 0o600 })
  for (const args of [
    [],
    ['a', 'b'],
    ['a', '--path', 'me'],
    ['a', '--path', '/ä'],
    ['a', '--method', 'get'],
    ['a', '--method', 'CONNECT'],
  ]) {
    t.equal((await runCli(['test', ...args], { cwd })).code, 2, args.join(' '))
  }
  const { code, stderr } = await runCli(['test', 'salesforc'], { cwd })
  t.equal(code, 1)
  t.match(stderr, 'no outgoing connection is named "salesforc"; did you mean "salesforce"?')
})
