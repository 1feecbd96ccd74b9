/** Servers as they should not be, and as some are: each says on a raw socket what a test scripts. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { NtlmAccount } from '../../../src/egress/ntlm/account.ts'
import { ORIGIN } from '../../../src/egress/ntlm/asker.ts'
import { NtlmUpstream } from '../../../src/egress/ntlm/upstream.ts'
import { SidegateError } from '../../../src/errors.ts'
import type { UpstreamEvents, UpstreamRequest } from '../../../src/http/upstream-call.ts'
import { NtlmEngine } from '../../../src/ntlm/engine.ts'
import { eventually } from '../../harness/eventually.ts'
import { everything } from '../../ntlm/vectors.ts'

t.setTimeout(30_000)

interface Seen {
  readonly connection: number
  readonly head: string
  /** 1, 3, or 0 where no message was shown. */
  readonly type: number
  readonly scheme: string
}

type Script = (socket: Socket, seen: Seen) => void

const CHALLENGE = everything.type2.toString('base64')
const asked = (challenge: string, more = '') =>
  `HTTP/1.1 401 U\r\nWWW-Authenticate: ${challenge}\r\nContent-Length: 3\r\n${more}\r\nno!`
const fine = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Challenges a type 1, takes a type 3, and asks whoever shows nothing on a new connection. */
const usual = (known = new Set<number>()): Script => {
  return (socket, { type, connection }) => {
    if (type === 1) socket.write(asked(`NTLM ${CHALLENGE}`))
    else if (type === 3 || known.has(connection)) {
      known.add(connection)
      socket.write(fine)
    } else socket.write(asked('NTLM'))
  }
}

async function open(t: Test, script: Script) {
  const seen: Seen[] = []
  const results: string[] = []
  let count = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const connection = count++
    sockets.add(socket)
    let bytes = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      bytes += chunk.toString('latin1')
      for (let end = bytes.indexOf('\r\n\r\n'); end !== -1; end = bytes.indexOf('\r\n\r\n')) {
        const head = bytes.slice(0, end)
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        if (bytes.length < end + 4 + length) return
        bytes = bytes.slice(end + 4 + length)
        const [, scheme = '', token = ''] = /authorization: (\S+) (\S+)/i.exec(head) ?? []
        const type = token === '' ? 0 : (Buffer.from(token, 'base64')[8] ?? 0)
        const one = { connection, head, type, scheme }
        seen.push(one)
        script(socket, one)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  let nowMs = 0
  const account = new NtlmAccount(
    { name: 'erp', fingerprint: 'f' },
    () => nowMs,
    () => undefined,
  )
  const { user, domain, workstation, ntHash } = everything
  const upstream = new NtlmUpstream({
    origin: `http://127.0.0.1:${port}`,
    options: {
      address: { kind: 'tcp', host: '127.0.0.1', port },
      tls: undefined,
      connectTimeoutMs: 2_000,
      keepAliveMs: 10_000,
      maxHeaderBytes: 65_536,
      onSocketOpened: () => undefined,
      onSocketClosed: () => undefined,
    },
    account,
    asker: ORIGIN,
    createHandshake: () => {
      const engine = new NtlmEngine({ user, domain, workstation, ntHash, spn: 'HTTP/x' })
      return { start: () => engine.start(), finish: (type2) => engine.finish(type2, undefined) }
    },
    onHandshake: (result) => results.push(result),
  })
  t.after(() => {
    upstream.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const pass = (ms: number) => (nowMs += ms)
  return { upstream, seen, results, account, sockets, pass }
}

/** Sends a request to its end: `STATUS BODY`, or the code and the words of the error. */
function send(upstream: NtlmUpstream, more: Partial<UpstreamRequest> = {}) {
  let abort = (): void => undefined
  const outcome = new Promise<string>((resolve) => {
    let text = ''
    const events: UpstreamEvents = {
      connected: () => undefined,
      information: () => undefined,
      answered(status, raw) {
        text = String(status)
        const names = raw.filter((_, at) => at % 2 === 0).map(String)
        if (names.some((name) => name.toLowerCase() === 'www-authenticate')) text += ' challenged'
        return true
      },
      received(chunk) {
        text += ` ${chunk.toString('latin1')}`
        return true
      },
      ended: () => {
        resolve(text)
      },
      upgraded: () => undefined,
      failed(error) {
        resolve(error instanceof SidegateError ? `${error.code}: ${error.message}` : String(error))
      },
    }
    const request = {
      method: 'GET',
      path: '/x',
      headers: ['Host', 'h', 'X-App', 'secret-of-the-app'],
      body: undefined,
      isWebSocket: false,
      ...more,
    }
    const call = upstream.prepare(request, events)
    abort = () => {
      call.abort()
    }
    call.start()
  })
  return {
    outcome,
    abort: () => {
      abort()
    },
  }
}

const post = (text: string): Partial<UpstreamRequest> => ({
  method: 'POST',
  headers: ['Host', 'h', 'X-App', 'secret-of-the-app', 'Content-Length', String(text.length)],
  body: Readable.from([Buffer.from(text)]),
})

t.test('one handshake, and nothing is shown on the connection from then on', async (t) => {
  const { upstream, seen, results } = await open(t, usual())
  for (let at = 0; at < 3; at++) t.equal(await send(upstream).outcome, '200 ok')
  t.strictSame(
    seen.map(({ type, connection }) => [connection, type]),
    [
      [0, 1],
      [0, 3],
      [0, 0],
      [0, 0],
    ],
  )
  t.strictSame(results, ['success'])
})

t.test('before the server has asked it sees nothing of a request with a body', async (t) => {
  const { upstream, seen } = await open(t, usual())
  t.equal(await send(upstream, post('hello')).outcome, '200 ok')
  t.notMatch(seen[0]?.head, 'X-App')
  t.match(seen[0]?.head, /^POST \/x HTTP\/1\.1/)
  t.match(seen[0]?.head, /content-length: 0/i)
  t.match(seen[1]?.head, 'X-App: secret-of-the-app')
})

t.test(
  'a server that closes between the legs once is tried again, twice is an error',
  async (t) => {
    let closes = 1
    const script: Script = (socket, one) => {
      if (one.type === 1 && closes-- > 0) {
        socket.end(asked(`NTLM ${CHALLENGE}`, 'Connection: close\r\n'))
      } else usual()(socket, one)
    }
    const { upstream, seen, account } = await open(t, script)
    t.equal(await send(upstream).outcome, '200 ok')
    t.equal(seen.filter(({ type }) => type === 3).length, 1)
    closes = 2
    const failed = await send(upstream, { needsNewConnection: true }).outcome
    t.match(failed, /^ntlm_failed: .*closes the connection between the legs/)
    t.equal(account.hold, undefined, 'nothing was refused')
  },
)

t.test('Negotiate alone is answered under its name, and that is learnt', async (t) => {
  const script: Script = (socket, { type, scheme }) => {
    if (scheme !== 'Negotiate') socket.write(asked('Negotiate'))
    else socket.write(type === 1 ? asked(`Negotiate ${CHALLENGE}`) : fine)
  }
  const { upstream, seen } = await open(t, script)
  t.equal(await send(upstream).outcome, '200 ok')
  t.strictSame(
    seen.map(({ scheme, type }) => `${scheme} ${type}`),
    ['NTLM 1', 'Negotiate 1', 'Negotiate 3'],
  )
  t.equal(await send(upstream, { needsNewConnection: true }).outcome, '200 ok')
  t.strictSame(
    seen.slice(3).map(({ scheme, type }) => `${scheme} ${type}`),
    ['Negotiate 1', 'Negotiate 3'],
  )
})

t.test('Basic is never an answer', async (t) => {
  const { upstream, seen } = await open(t, (socket) => {
    socket.write(asked('Basic realm="a, NTLM b", charset="UTF-8"'))
  })
  t.match(await send(upstream).outcome, /^ntlm_failed: the server offers only basic/)
  t.equal(seen.length, 1)
})

t.test('a challenge that would end in NTLMv1 is not answered', async (t) => {
  const type2 = Buffer.from(everything.type2)
  type2.writeUInt32LE(0xa2028205, 20)
  const { upstream, seen, results } = await open(t, (socket) => {
    socket.write(asked(`NTLM ${type2.toString('base64')}`))
  })
  t.match(await send(upstream).outcome, /^ntlm_failed: the server wants NTLMv1/)
  t.equal(seen.length, 1)
  t.strictSame(results, ['failed'])
})

t.test('a server that does not ask answers what has no body, and nothing else', async (t) => {
  const { upstream, seen } = await open(t, (socket) => {
    socket.write(fine)
  })
  t.equal(await send(upstream).outcome, '200 ok')
  t.match(await send(upstream, post('hello')).outcome, /^ntlm_failed: the server answered 200/)
  t.equal(seen.length, 2, 'the body was not sent')
})

t.test('a server that asks with every request is served all the same', async (t) => {
  const { upstream, seen } = await open(t, (socket, { type }) => {
    if (type === 3) socket.write(fine)
    else socket.write(asked(type === 1 ? `NTLM ${CHALLENGE}` : 'NTLM'))
  })
  for (let at = 0; at < 8; at++) t.equal(await send(upstream).outcome, '200 ok')
  t.equal(seen.filter(({ type }) => type === 3).length, 8)
  t.equal(seen.filter(({ type }) => type === 0).length, 3, 'it is noticed after three times')
})

t.test('an idle connection that the server closed is not used', async (t) => {
  const { upstream, sockets, seen } = await open(t, usual())
  t.equal(await send(upstream).outcome, '200 ok')
  for (const socket of sockets) socket.end()
  await sleep(100)
  t.equal(await send(upstream, post('hello')).outcome, '200 ok')
  t.equal(seen.filter(({ type }) => type === 3).length, 2)
})

t.test('whoever leaves after the password was shown cannot hide a refusal', async (t) => {
  const { upstream, seen, account } = await open(t, (socket, { type }) => {
    if (type === 1) socket.write(asked(`NTLM ${CHALLENGE}`))
    else setTimeout(() => socket.write(asked('NTLM')), 300)
  })
  const calls = [send(upstream), send(upstream), send(upstream)]
  await eventually('the type 3', () => seen.some(({ type }) => type === 3))
  for (const { abort } of calls) abort()
  const late = send(upstream).outcome
  t.match(await late, /^credential_held: /)
  t.equal(seen.filter(({ type }) => type === 3).length, 1)
  t.match(account.hold, { refusals: 1 })
})

t.test('a refusal is the end of it, for all who wait', async (t) => {
  const { upstream, seen, results, pass } = await open(t, (socket, { type }) => {
    socket.write(asked(type === 1 ? `NTLM ${CHALLENGE}` : 'NTLM'))
  })
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => send(upstream).outcome))
  t.equal(outcomes.filter((text) => text.startsWith('ntlm_failed')).length, 1)
  t.equal(outcomes.filter((text) => text.startsWith('credential_held')).length, 19)
  t.equal(seen.filter(({ type }) => type === 3).length, 1)
  t.strictSame(results, ['refused'])
  pass(60_000)
  t.match(await send(upstream).outcome, /^ntlm_failed/)
  t.equal(seen.filter(({ type }) => type === 3).length, 2)
})
