/** `sidegate test` against servers and parent proxies that ask for NTLM and are right, wrong or odd. */
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TestAuthority } from '../harness/egress-certificates.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { everything } from '../ntlm/vectors.ts'
import { skipOpenssl } from '../tls/verifiers.ts'
import { createFolder, runCli } from './run-cli.ts'

t.setTimeout(60_000)

const PASSWORD = 'correct-horse-battery'
const CHALLENGE = everything.type2.toString('base64')

/** What a server says to a message of this type; 0 where there was none. */
type Script = (type: number, socket: Socket) => string | undefined

/** Answers, with its lines, as an origin or as a parent proxy. */
const answer = (status: number, ...challenges: string[]): string => {
  const name = status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate'
  const lines = challenges.map((text) => `${name}: ${text}\r\n`).join('')
  return `HTTP/1.1 ${status} X\r\n${lines}Content-Length: 0\r\n\r\n`
}

/** Challenges, and refuses whatever is shown then. */
const refusing =
  (status: number): Script =>
  (type) =>
    type === 1 ? answer(status, `NTLM ${CHALLENGE}`) : answer(status, 'NTLM')

/** Speaks on raw sockets as it is told; remembers the types of messages that came. */
async function start(t: Test, script: Script, create: typeof createServer = createServer) {
  const types: number[] = []
  const sockets = new Set<Socket>()
  const server: Server = create((socket: Socket) => {
    sockets.add(socket)
    let bytes = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      bytes += chunk.toString('latin1')
      for (let end = bytes.indexOf('\r\n\r\n'); end !== -1; end = bytes.indexOf('\r\n\r\n')) {
        const [, token = ''] =
          /authorization: (?:NTLM|Negotiate) (\S+)/i.exec(bytes.slice(0, end)) ?? []
        bytes = bytes.slice(end + 4)
        const type = token === '' ? 0 : (Buffer.from(token, 'base64')[8] ?? 0)
        types.push(type)
        const said = script(type, socket)
        if (said !== undefined) socket.write(said)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: (server.address() as AddressInfo).port, types }
}

interface Settings {
  readonly outgoing: object
  readonly egress?: object
  readonly admin?: string
}

const erp = { name: 'erp', type: 'ntlm', username: 'CORP\\svc-orders', password: PASSWORD }

const render = ({ outgoing, egress, admin = 'none' }: Settings) => ({
  egress: { listen: '127.0.0.1:0', ...egress },
  admin: admin === 'none' ? 'none' : { listen: admin },
  security: [erp],
  outgoing: [{ name: 'api', security: 'erp', ...outgoing }],
})

/** Runs `sidegate test api`. */
async function run(t: Test, settings: Settings) {
  const cwd = await createFolder(t)
  await writeFile(join(cwd, 'sidegate.yaml'), JSON.stringify(render(settings)), { mode: 0o600 })
  const result = await runCli(['test', 'api'], { cwd })
  const printed = result.stdout + result.stderr
  t.notMatch(printed, PASSWORD)
  t.notMatch(printed, 'TlRMTVNT', 'no message of a handshake is printed')
  const rows = new Map<string, string>()
  for (const [, label = '', text = ''] of result.stdout.matchAll(/^(\S+) +(.*)$/gm)) {
    rows.set(label, text)
  }
  return { ...result, printed, row: (label: string) => rows.get(label) ?? '' }
}

const clear = (port: number) => ({ url: `http://127.0.0.1:${port}`, allow_plaintext: true })

t.test('a login that works says so', async (t) => {
  const { port, types } = await start(t, (type) =>
    type === 1 ? answer(401, `NTLM ${CHALLENGE}`) : answer(type === 3 ? 200 : 401),
  )
  const { code, printed, row } = await run(t, { outgoing: clear(port) })
  t.equal(code, 0, printed)
  t.equal(row('verdict'), 'it works')
  t.strictSame(types, [1, 3])
})

t.test('a refused password is named as the likely fault, and shown once', async (t) => {
  const { port, types } = await start(t, refusing(401))
  const { code, printed, row } = await run(t, { outgoing: clear(port) })
  t.equal(code, 1, printed)
  t.equal(row('verdict'), 'the API refuses the login (wrong password?)')
  t.match(row('why'), 'it was shown "svc-orders" of "CORP" with a password')
  t.match(row('why'), 'service name HTTP/127.0.0.1')
  t.match(row('why'), 'over http:// no channel binding can be sent')
  t.match(row('cure'), 'check username, domain and password of "erp"')
  t.equal(types.filter((type) => type === 3).length, 1)
})

t.test(
  'over TLS it may be Extended Protection, and the words say how to tell',
  { skip: skipOpenssl },
  async (t) => {
    const authority = new TestAuthority(t)
    const create = (listener: (socket: Socket) => void) =>
      createTlsServer({ ...authority.issue() }, listener)
    const { port } = await start(t, refusing(401), create as unknown as typeof createServer)
    const ca = join(await createFolder(t), 'ca.pem')
    await writeFile(ca, authority.cert)
    const { code, printed, row } = await run(t, {
      outgoing: { url: `https://127.0.0.1:${port}`, tls: { ca } },
    })
    t.equal(code, 1, printed)
    t.match(row('verdict'), '(wrong password, or Extended Protection failed)')
    t.match(row('why'), 'the channel binding of the certificate that we saw')
    t.match(row('cure'), 'curl --ntlm')
  },
)

const odd: readonly [claim: string, script: Script, why: RegExp, cure: RegExp][] = [
  ['Basic alone', () => answer(401, 'Basic realm="x"'), /offers only basic;/, /type: basic_auth/],
  ['nothing', () => answer(401), /offers nothing/, /check the url and --path/],
  [
    'Kerberos alone',
    () => answer(401, 'Negotiate'),
    /only negotiate, .*Kerberos alone/,
    /provider/,
  ],
  ['no challenge', () => answer(401, 'NTLM'), /without a challenge/, /load balancers/],
  [
    'a challenge that is none',
    () => answer(401, 'NTLM TlRMTVNTUAACAAAA'),
    /must not be answered: the challenge is cut/,
    /NTLMv2 alone/,
  ],
  [
    'an end between the legs',
    (_, socket) => {
      socket.end(answer(401, `NTLM ${CHALLENGE}`))
      return undefined
    },
    /closes the connection between/,
    /keep-alive/,
  ],
]

for (const [claim, script, why, cure] of odd) {
  t.test(`a server that gives ${claim} is explained, and the password is not shown`, async (t) => {
    const { port, types } = await start(t, script)
    const { code, printed, row } = await run(t, { outgoing: clear(port) })
    t.equal(code, 1, printed)
    t.equal(row('verdict'), 'the API gives no login with NTLM; the password was not shown')
    t.match(row('why'), why)
    t.match(row('cure'), cure)
    t.notOk(types.includes(3))
  })
}

t.test('a parent proxy that refuses is told apart from the API', async (t) => {
  const { port, types } = await start(t, refusing(407))
  const egress = { proxy: { url: `http://127.0.0.1:${port}`, security: 'erp' } }
  const urls = ['https://api.example.com', 'http://api.example.com']
  for (const url of urls) {
    const { code, printed, row } = await run(t, { outgoing: { url, security: 'none' }, egress })
    t.equal(code, 1, printed)
    t.equal(row('verdict'), 'the parent proxy refuses the login (wrong password?)', url)
    t.match(row('why'), 'service name HTTP/127.0.0.1')
  }
  t.strictSame(types, [1, 3, 1, 3])
})

t.test('a parent proxy without NTLM is explained', async (t) => {
  const { port, types } = await start(t, () => answer(407, 'Basic realm="x"'))
  const egress = { proxy: { url: `http://127.0.0.1:${port}`, security: 'erp' } }
  for (const url of ['https://api.example.com', 'http://api.example.com']) {
    const { code, row } = await run(t, { outgoing: { url, security: 'none' }, egress })
    t.equal(code, 1)
    t.match(row('verdict'), 'the parent proxy gives no login with NTLM', url)
    t.match(row('why'), 'the parent proxy offers only basic')
  }
  t.notOk(types.includes(3))
})

/** Of a listener that is closed again. */
async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

t.test('what the running gate holds is not shown to the server once more', async (t) => {
  const { port, types } = await start(t, refusing(401))
  const admin = `127.0.0.1:${await findFreePort()}`
  const settings = { outgoing: clear(port), admin }
  const before = await run(t, settings)
  t.equal(before.code, 1, 'without a gate it is tried')
  const gate = await SidegateProcess.start(t, { config: render(settings) })
  await fetch(`http://127.0.0.1:${await gate.listener('egress')}/api/`)
  t.match(await gate.status(), { held: [{ definition: 'erp', refusals: 1 }] })
  const shown = types.filter((type) => type === 3).length
  const { code, printed, row } = await run(t, settings)
  t.equal(code, 1, printed)
  t.match(row('verdict'), /^nothing was sent: the gate that runs here holds "erp" until \d{4}-/)
  t.match(row('why'), 'was refused once')
  t.match(row('cure'), 'POST /reload?release=erp')
  t.equal(types.filter((type) => type === 3).length, shown)
})
