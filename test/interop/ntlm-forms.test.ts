// NTLM in every form of egress, through a parent proxy to a token server, and while passwords change.
import { once } from 'node:events'
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { text as readText } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { ask } from './bytes.ts'
import { HOST, skipNames, startAppGate } from './egress-gate.ts'
import { type Lab, accounts, skipLab, startLab } from './ntlm-lab.ts'
import { missing } from './programs.ts'

t.setTimeout(120_000)

/** Squid alone resolves it; loopback would need no proxy. */
const FAR = 'ntlm.sidegate.test'
const TUNNEL = 'tunnel.sidegate.test'

const { alice, bob, games } = accounts
const definition = (name: string, { username, password }: { username: string; password: string }) =>
  ({ name, type: 'ntlm', username, password }) as const

const portOf = (url: string) => new URL(url).port

/** An application behind the gate that reaches Apache in four ways. */
async function startForms(t: Test, lab: Lab) {
  const tls = { ca: 'lab.crt', server_name: 'localhost' }
  return startAppGate(t, {
    names: [HOST, TUNNEL],
    files: { 'lab.crt': lab.ca },
    env: { ALICE: alice.password },
    security: [definition('alice', { ...alice, password: '${env:ALICE}' })],
    outgoing: [
      {
        name: 'clear',
        url: `http://${HOST}:${portOf(lab.http)}`,
        security: 'alice',
        https: 'intercept',
        allow_plaintext: true,
      },
      {
        name: 'secure',
        url: `https://${HOST}:${portOf(lab.https)}`,
        security: 'alice',
        https: 'intercept',
        tls,
      },
      {
        name: 'tunnel',
        url: `https://${TUNNEL}:${portOf(lab.https)}`,
        security: 'none',
        https: 'tunnel',
      },
    ],
  })
}

/** One request in cleartext within a CONNECT, as `fetch` of Node 22 and 24 sends it. */
async function askWithin(proxyPort: number, authority: string, path: string): Promise<string> {
  const socket = connect(proxyPort, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  if (!head.toString().startsWith('HTTP/1.1 200')) throw new Error(head.toString())
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`)
  return readText(socket)
}

const skipForms = skipLab || skipNames || missing('curl')

void t.test('every form of egress logs in with NTLM', { skip: skipForms }, async (t) => {
  const lab = await startLab(t)
  const gate = await startForms(t, lab)
  const user = /"user":"LABDOM\\\\alice"/
  const clear = `${HOST}:${portOf(lab.http)}`
  const secure = `https://${HOST}:${portOf(lab.https)}`
  const curl = (...words: string[]) => gate.run(['curl', '--silent', '--show-error', ...words])

  await t.test('NAME form', async (t) => {
    t.match(await readText(await ask(gate.port, '/clear/ntlm/echo')), user)
    t.match(await readText(await ask(gate.port, '/secure/ntlm/echo')), user)
  })

  await t.test('absolute form, by a client that knows nothing but its proxy', async (t) => {
    const { exitCode, stdout, stderr } = await curl(`http://${clear}/ntlm/echo`)
    t.equal(exitCode, 0, stderr)
    t.match(stdout, user)
  })

  await t.test('CONNECT that is intercepted, its body too', async (t) => {
    const { exitCode, stdout, stderr } = await curl(
      ...['--data', 'hello', `${secure}/ntlm/echo`],
      ...['--next', '--silent', `${secure}/ntlm/echo`],
    )
    t.equal(exitCode, 0, stderr)
    const [first = '', second = ''] = stdout.trim().split('\n')
    t.match(first, user)
    t.match(first, '"method":"POST","bytes":5')
    t.match(second, user)
    t.match(second, '"method":"GET"')
  })

  await t.test('cleartext within a CONNECT', async (t) => {
    const answer = await askWithin(gate.port, clear, '/ntlm/echo')
    t.match(answer, /^HTTP\/1\.1 200 /)
    t.match(answer, user)
    t.notMatch(answer, /www-authenticate/i)
  })

  await t.test('a tunnel is left to the application, who logs in by itself', async (t) => {
    const url = `https://${TUNNEL}:${portOf(lab.https)}`
    const bare = await curl('--insecure', '--write-out', '%{http_code}', `${url}/ntlm/echo`)
    t.match(bare.stdout, /401$/)
    // curl's first message is too short for gss-ntlmssp: another gate is the application.
    const { read } = await startGate(
      t,
      {
        security: [definition('bob', bob)],
        outgoing: [
          {
            name: 'api',
            url,
            security: 'bob',
            tls: { ca: 'lab.crt', server_name: 'localhost' },
            proxy: { url: `http://127.0.0.1:${gate.port}` },
          },
        ],
      },
      { 'lab.crt': lab.ca },
    )
    t.match(await read('/api/ntlm/echo'), /^200 .*"user":"LABDOM\\\\bob"/)
  })

  t.strictSame(gate.sidegate.severeLines, [])
})

/** A gate that listens on a free port, and what it answers. */
async function startGate(t: Test, config: object, files: Readonly<Record<string, string>> = {}) {
  const sidegate = await SidegateProcess.start(t, {
    config: {
      egress: { listen: '127.0.0.1:0' },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json' },
      shutdown: { drain_delay: '0s', drain_timeout: '2s' },
      ...config,
    },
    env: {},
    files,
  })
  const port = await sidegate.listener('egress')
  const read = async (path: string) => {
    const answer = await ask(port, path)
    return `${answer.statusCode ?? 0} ${await readText(answer)}`
  }
  return { sidegate, read }
}

void t.test('Negotiate offered alone gets NTLM', { skip: skipLab }, async (t) => {
  const lab = await startLab(t)
  const { read } = await startGate(
    t,
    {
      security: [definition('alice', alice)],
      outgoing: [{ name: 'api', url: lab.bindings, security: 'alice', tls: { ca: 'lab.crt' } }],
    },
    { 'lab.crt': lab.ca },
  )
  for (let at = 0; at < 3; at++) {
    const answer = await read('/api/negotiate')
    t.match(answer, /^200 .*"scheme": "Negotiate"/)
    t.match(answer, /"user": "LABDOM\\\\alice"/)
    t.match(answer, `"reused": ${String(at > 0)}`)
  }
})

void t.test(
  'a token server is reached through a parent proxy that asks for NTLM',
  { skip: skipLab },
  async (t) => {
    const lab = await startLab(t)
    let asked = 0
    const server = createServer({ cert: lab.ca, key: lab.key }, (request, response) => {
      asked += 1
      request.resume()
      response.setHeader('Content-Type', 'application/json')
      response.end('{"access_token":"far-token","token_type":"Bearer","expires_in":600}')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    // Apache tells its programs nothing of Authorization.
    const api = createPlainServer((request, response) => {
      response.end(request.headers.authorization)
    })
    api.listen(0, '127.0.0.1')
    await once(api, 'listening')
    t.after(() => api.close())
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`
    const proxy = { url: lab.proxy, security: 'games' }
    const { read, sidegate } = await startGate(
      t,
      {
        security: [
          definition('games', games),
          {
            name: 'token',
            type: 'bearer_token',
            username: 'client',
            password: 'client-secret-0123456789',
            auth_server_url: `https://${FAR}:${port}/token`,
            tls: { ca: 'lab.crt', server_name: 'localhost' },
            proxy,
          },
        ],
        outgoing: [{ name: 'api', url, security: 'token', allow_plaintext: true, proxy: 'none' }],
      },
      { 'lab.crt': lab.ca },
    )
    t.equal(await read('/api/x'), '200 Bearer far-token')
    t.equal(asked, 1)
    t.match(
      (await sidegate.admin('/metrics')).text,
      'sidegate_ntlm_handshakes_total{definition="games",result="success"} 1',
    )
  },
)

void t.test('a password changes under load, and no call fails', { skip: skipLab }, async (t) => {
  const lab = await startLab(t)
  const { sidegate, read } = await startGate(
    t,
    {
      security: [definition('alice', { ...alice, password: '${file:alice.txt}' })],
      outgoing: [{ name: 'api', url: lab.http, security: 'alice', allow_plaintext: true }],
    },
    { 'alice.txt': alice.password },
  )
  let isOver = false
  const answers = new Map<string, number>()
  const work = async () => {
    while (!isOver) {
      const answer = await read('/api/ntlm/echo')
      const kind = answer.startsWith('200') && answer.includes('alice') ? 'fine' : answer
      answers.set(kind, (answers.get(kind) ?? 0) + 1)
    }
  }
  const workers = Array.from({ length: 4 }, work)
  for (let round = 1; round <= 5; round++) {
    await sleep(300)
    const password = `Alice-Pass-${round + 1}`
    await lab.setPassword(alice, password)
    await sidegate.write('alice.txt', password)
    t.match(await sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  }
  await sleep(300)
  isOver = true
  await Promise.all(workers)
  t.strictSame([...answers.keys()], ['fine'], `${answers.get('fine') ?? 0} calls`)
  const { text } = await sidegate.admin('/metrics')
  t.notMatch(text, /sidegate_ntlm_handshakes_total\{[^}]*result="(?:refused|failed)"\} [1-9]/)
  const made = /handshakes_total\{[^}]*result="success"\} (\d+)/.exec(text)?.[1]
  t.ok(Number(made) >= 6, 'each password was shown on connections of its own')

  await lab.setPassword(alice, 'Alice-Pass-Other')
  await sidegate.write('alice.txt', 'wrong')
  t.match(await sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  t.match(await read('/api/ntlm/echo'), /^502 /)
  t.match(await read('/api/ntlm/echo'), /^503 /, 'held')
  await sidegate.write('alice.txt', 'Alice-Pass-Other')
  t.match(await sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  t.match(await read('/api/ntlm/echo'), /^200 /, 'the right one lifts it')
})
