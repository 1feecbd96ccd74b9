// Ten minutes (SOAK_MINUTES) of calls through every form, with tokens that live for seconds, a reload
// every second, and servers that fail now and then. The API knows which credential is right for each
// call at that moment: no wrong one, no expired token, no failure that the servers did not cause.
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { type RequestListener, createServer } from 'node:http'
import { createServer as createTlsServer, request as requestTls } from 'node:https'
import { type AddressInfo, type Server, type Socket, connect } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { TestAuthority } from '../harness/egress-certificates.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { ask } from '../interop/bytes.ts'

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? '10')
t.setTimeout((MINUTES + 2) * 60_000)
const TOKEN_LIFE_S = 4
const GROWTH_MIB = 48
const GROWTH_FILES = 48
const KEY = 'soak-key-0123456789abcdefghijklmnop'
const PASSWORD = 'soak password: with a colon'
const BASIC = `Basic ${Buffer.from(`svc:${PASSWORD}`).toString('base64')}`

/** What went wrong, and what was made to go wrong. */
const faults = { wrong: new Map<string, number>(), resets: 0, errors: 0, tokens: 0 }
const issued = new Map<string, number>()
/** Of the rotating definition: the one in the file, and the one before. */
let rotating = ['rotating-key-of-the-soak-0000000000', '']

function blame(what: string): void {
  faults.wrong.set(what, (faults.wrong.get(what) ?? 0) + 1)
}

/** Whether exactly the right credential came. */
function judge(kind: string, headers: NodeJS.Dict<string[]>): string | undefined {
  const [authorization = [], key = []] = [headers['authorization'], headers['x-api-key']]
  if (authorization.length + key.length !== 1) return `${kind}: not one credential`
  if (kind === 'key') return key[0] === KEY ? undefined : 'key: wrong'
  if (kind === 'basic') return authorization[0] === BASIC ? undefined : 'basic: wrong'
  if (kind === 'rotating') return rotating.includes(key[0] ?? '') ? undefined : 'rotating: wrong'
  const endsAt = issued.get(authorization[0]?.slice(7) ?? '')
  if (endsAt === undefined) return 'token: unknown'
  return performance.now() > endsAt ? 'token: expired' : undefined
}

const api: RequestListener = (request, response) => {
  const [, kind = ''] = (request.url ?? '').split('/')
  const fault = kind === 'bare' ? undefined : judge(kind, request.headersDistinct)
  if (fault !== undefined) blame(fault)
  request.resume().on('end', () => {
    const chance = Math.random()
    if (chance < 0.005) {
      faults.resets += 1
      request.socket.destroy()
    } else if (chance < 0.02) {
      faults.errors += 1
      response.writeHead(500).end('on purpose')
    } else response.end('hello')
  })
}

const tokenServer: RequestListener = (request, response) => {
  request.resume().on('end', () => {
    const chance = Math.random()
    if (chance < 0.05) {
      faults.tokens += 1
      response
        .writeHead(503, { 'content-type': 'application/json' })
        .end('{"error":"server_error"}')
      return
    }
    const token = `soak.${randomBytes(12).toString('hex')}`
    issued.set(token, performance.now() + TOKEN_LIFE_S * 1000)
    if (issued.size > 1000) for (const old of [...issued.keys()].slice(0, 500)) issued.delete(old)
    const body = { access_token: token, token_type: 'Bearer', expires_in: TOKEN_LIFE_S }
    const send = (): unknown =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (chance < 0.15) setTimeout(send, 400)
    else send()
  })
}

async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    if ('closeAllConnections' in server) (server.closeAllConnections as () => void)()
  })
  return (server.address() as AddressInfo).port
}

/** A CONNECT, and one request inside its TLS. */
async function callInTunnel(port: number, authority: string, path: string, ca: string) {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const raw = connect(port, '127.0.0.1', () => {
      raw.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
    })
    raw.once('error', reject)
    raw.once('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 200')) resolve(raw)
      else reject(new Error(chunk.toString('latin1')))
    })
  })
  const secured = connectTls({ socket, ca, host: '127.0.0.1', ALPNProtocols: ['http/1.1'] })
  try {
    return await new Promise<{ status: number; body: string }>((resolve, reject) => {
      secured.once('error', reject)
      const outgoing = requestTls(
        { path, headers: { host: authority }, createConnection: () => secured },
        (answer) => {
          readText(answer).then((body) => {
            resolve({ status: answer.statusCode ?? 0, body })
          }, reject)
        },
      )
      outgoing.once('error', reject)
      outgoing.end()
    })
  } finally {
    secured.destroy()
    socket.destroy()
  }
}

/** How calls ended. */
const ends = new Map<string, number>()

function count(what: string): void {
  ends.set(what, (ends.get(what) ?? 0) + 1)
}

/** One call, whose end is counted. */
async function call(work: () => Promise<{ status: number; body: string }>): Promise<void> {
  try {
    const { status, body } = await work()
    const code =
      status === 500 && body === 'on purpose' ? '' : (/"code":"(\w+)"/.exec(body)?.[1] ?? '')
    count(code === '' ? String(status) : `${status} ${code}`)
  } catch (error) {
    count(error instanceof Error && 'code' in error ? String(error.code) : String(error))
  }
}

void t.test(`${MINUTES} minutes of calls that go out`, async (t) => {
  const authority = new TestAuthority(t, 'APIs')
  const interceptor = new TestAuthority(t, 'Interceptor')
  const leaf = authority.issue({ names: 'DNS:localhost,IP:127.0.0.1' })
  const plain = await listen(t, createServer(api))
  const secured = await listen(t, createTlsServer(leaf, api))
  const passing = await listen(t, createTlsServer(leaf, api))
  const tokens = await listen(t, createServer(tokenServer))
  const kinds = ['key', 'basic', 'token', 'rotating']
  const gate = await SidegateProcess.start(t, {
    config: {
      egress: { listen: '127.0.0.1:0', ca: { cert: 'ca.crt', key: 'ca.key' } },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json', access: false },
      security: [
        { name: 'key', type: 'api_key', key: KEY },
        { name: 'basic', type: 'basic_auth', username: 'svc', password: PASSWORD },
        { name: 'rotating', type: 'api_key', key: '${file:rotating.txt}' },
        {
          name: 'token',
          type: 'bearer_token',
          username: 'client',
          password: PASSWORD,
          auth_server_url: `http://127.0.0.1:${tokens}/`,
        },
      ],
      outgoing: [
        ...kinds.flatMap((kind) => [
          { name: kind, url: `http://127.0.0.1:${plain}/${kind}`, security: kind },
          {
            name: `${kind}-tls`,
            url: `https://127.0.0.1:${secured}/${kind}`,
            security: kind,
            https: 'intercept',
            tls: { ca: 'apis.crt' },
          },
        ]),
        { name: 'pass', url: `https://127.0.0.1:${passing}`, security: 'none', https: 'tunnel' },
      ],
    },
    env: {},
    files: {
      'apis.crt': authority.cert,
      'ca.crt': interceptor.cert,
      'ca.key': interceptor.key,
      'rotating.txt': rotating[0] ?? '',
    },
  })
  const port = await gate.listener('egress')
  const get = async (path: string, host?: string) => {
    const answer = await ask(port, path, host === undefined ? {} : { headers: { host } })
    return { status: answer.statusCode ?? 0, body: await readText(answer) }
  }
  const countFiles = async () => (await readdir(`/proc/${gate.child.pid ?? 0}/fd`)).length

  const startedAt = performance.now()
  const endsAt = startedAt + MINUTES * 60_000
  const warmAt = startedAt + Math.min(90_000, MINUTES * 20_000)
  let baseline: { readonly mebibytes: number; readonly files: number } | undefined
  let reloads = 0
  const reloading = (async () => {
    while (performance.now() < endsAt) {
      await sleep(1000)
      rotating = [`rotating-key-of-the-soak-${randomBytes(8).toString('hex')}`, rotating[0] ?? '']
      await gate.write('rotating.txt', rotating[0] ?? '')
      const { status } = await gate.admin('/reload', { method: 'POST' })
      if (status === 200) reloads += 1
      else blame(`reload ${status}`)
    }
  })()
  while (performance.now() < endsAt) {
    await Promise.all(
      kinds.flatMap((kind) => [
        call(() => get(`/${kind}/a`)),
        call(() => get(`/${kind}-tls/a`)),
        call(() => get(`http://127.0.0.1:${plain}/${kind}/a`, `127.0.0.1:${plain}`)),
        call(() => callInTunnel(port, `127.0.0.1:${secured}`, `/${kind}/a`, interceptor.cert)),
      ]),
    )
    await call(() => callInTunnel(port, `127.0.0.1:${passing}`, '/bare/a', authority.cert))
    if (baseline === undefined && performance.now() > warmAt) {
      baseline = { mebibytes: (await gate.residentKib()) / 1024, files: await countFiles() }
    }
  }
  await reloading
  await sleep(10_000)
  const mebibytes = (await gate.residentKib()) / 1024
  const files = await countFiles()
  const told = JSON.stringify({ ends: [...ends], faults: { ...faults, wrong: [...faults.wrong] } })
  t.comment(`${reloads} reloads; ${told}`)
  t.comment(`before ${JSON.stringify(baseline)}, now ${mebibytes} MiB and ${files} files`)
  t.strictSame([...faults.wrong], [], 'no wrong credential, no expired token')
  const known = ['200', '500', '502 upstream_failed', '502 token_unavailable', 'ECONNRESET']
  t.strictSame(
    [...ends.keys()].filter((end) => !known.includes(end)),
    [],
    'no call ended in a way that no server caused',
  )
  const failed = (ends.get('502 upstream_failed') ?? 0) + (ends.get('ECONNRESET') ?? 0)
  t.ok(failed <= faults.resets, `${failed} of ${faults.resets} resets were seen`)
  t.ok((ends.get('502 token_unavailable') ?? 0) === 0 || faults.tokens > 0)
  t.ok((ends.get('200') ?? 0) > 100 * MINUTES)
  t.ok(baseline !== undefined && mebibytes - baseline.mebibytes < GROWTH_MIB, 'memory')
  t.ok(baseline !== undefined && files - baseline.files < GROWTH_FILES, 'open files')
  t.strictSame(gate.severeLines, [])
})
