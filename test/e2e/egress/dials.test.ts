/**
 * What a gate dials, and for whom: never itself, however its parent proxy leads back to it, and nobody
 * who has left. TLS with clients: one handshake for each connection.
 */
import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { TestAuthority } from '../../harness/egress-certificates.ts'
import { askForTunnel, openTunnel } from '../../harness/egress-tunnel.ts'
import { eventually } from '../../harness/eventually.ts'
import { RawClient } from '../../harness/raw-client.ts'
import { SidegateProcess } from '../../harness/sidegate-process.ts'

t.setTimeout(60_000)

const HOST = 'api.example.com'

/** Serves until the test ends; tells how many connections came and how many are open. */
async function listen(t: Test, serve: (socket: Socket) => void) {
  const seen = { count: 0, open: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    seen.count += 1
    seen.open += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => (seen.open -= 1))
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { seen, port: (server.address() as AddressInfo).port }
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const authority = new TestAuthority(t, 'Egress')

/** A gate that reaches one host, by a proxy, in all ways. */
async function startBehind(t: Test, proxyPort: number, port = 0): Promise<SidegateProcess> {
  const security = 'none'
  return SidegateProcess.start(t, {
    config: {
      egress: {
        listen: `127.0.0.1:${port}`,
        proxy: { url: `http://127.0.0.1:${proxyPort}` },
        ca: { cert: 'egress.crt', key: 'egress.key' },
        unmatched: 'allow',
      },
      admin: { listen: '127.0.0.1:0' },
      log: { level: 'trace', format: 'json' },
      outgoing: [
        { name: 'plain', url: 'http://plain.example.com', security },
        { name: 'blind', url: 'https://blind.example.com', security, https: 'tunnel' },
        { name: 'seen', url: 'https://seen.example.com', security, https: 'intercept' },
      ],
    },
    files: { 'egress.crt': authority.cert, 'egress.key': authority.key },
  })
}

/** Asks in every way that ends in a call by the proxy; gives what came of each. */
async function askAllWays(t: Test, port: number): Promise<Record<string, string | undefined>> {
  const ask = async (text: string) => {
    const client = await RawClient.connect(t, port)
    const { status, code } = await client.request(text)
    return `${status} ${code ?? 'of another'}`
  }
  const tunnel = async (host: string) => {
    const { head } = await askForTunnel(t, port, `${host}:443`)
    return `${head.slice(9, 12)} ${/x-sidegate-error: (\S+)/i.exec(head)?.[1] ?? 'of another'}`
  }
  return {
    plain: await ask('GET http://plain.example.com/ HTTP/1.1\r\nHost: plain.example.com\r\n\r\n'),
    byName: await ask(`GET /seen/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`),
    blind: await tunnel('blind.example.com'),
    unmatched: await tunnel(HOST),
  }
}

const wayOf = (line: Readonly<Record<string, unknown>>) =>
  `${String(line['method'])} ${String(line['code'])}`

/** How many requests a gate has seen. */
function requestsOf(sidegate: SidegateProcess): string[] {
  return sidegate.lines.filter(({ event }) => event === 'access').map(wayOf)
}

// One call went round 19,817 times, until no descriptor was left.
t.test('a parent proxy that is our own listener is not dialled', async (t) => {
  const port = await findFreePort()
  const sidegate = await startBehind(t, port, port)
  t.strictSame(await askAllWays(t, port), {
    plain: '403 destination_refused',
    byName: '403 destination_refused',
    blind: '403 destination_refused',
    unmatched: '403 destination_refused',
  })
  await eventually('the log', () => requestsOf(sidegate).length >= 4)
  t.equal(requestsOf(sidegate).length, 4, 'none came around')
  t.equal(sidegate.severeLines.length, 0)
})

t.test('a parent proxy that leads back to us is asked once', async (t) => {
  const port = await findFreePort()
  const forwarder = await listen(t, (socket) => {
    const next = connect(port, '127.0.0.1')
    next.on('error', () => undefined)
    next.on('close', () => socket.destroy())
    socket.on('close', () => next.destroy())
    socket.pipe(next).pipe(socket)
  })
  const sidegate = await startBehind(t, forwarder.port, port)
  t.strictSame(await askAllWays(t, port), {
    plain: '508 of another',
    byName: '502 upstream_unreachable',
    blind: '502 upstream_unreachable',
    unmatched: '502 upstream_unreachable',
  })
  await eventually('the log', () => requestsOf(sidegate).length >= 8)
  t.equal(requestsOf(sidegate).filter((way) => way.endsWith(' loop')).length, 4)
  t.equal(requestsOf(sidegate).length, 8)
  t.equal(forwarder.seen.count, 4)
})

t.test('two gates that are each the proxy of the other end the circle', async (t) => {
  const [first, second] = [await findFreePort(), await findFreePort()]
  const one = await startBehind(t, second, first)
  const other = await startBehind(t, first, second)
  const ways = await askAllWays(t, first)
  t.equal(ways['plain'], '508 of another')
  t.equal(ways['blind'], '502 upstream_unreachable')
  t.equal(ways['unmatched'], '502 upstream_unreachable')
  const loopsOf = (gate: SidegateProcess) =>
    requestsOf(gate).filter((way) => way.endsWith(' loop')).length
  await eventually('the log', () => loopsOf(one) >= 3)
  await sleep(100)
  t.equal(loopsOf(one), 3, 'each of them came back once')
  t.equal(loopsOf(other), 0)
})

t.test('whoever shows us our own name is refused in every form of CONNECT', async (t) => {
  const silent = await listen(t, (socket) => socket.resume())
  const sidegate = await startBehind(t, silent.port)
  const port = await sidegate.listener('egress')
  let via = ''
  const proxy = await listen(t, (socket) => {
    socket.on(
      'data',
      (chunk) => (via ||= /^via: (.*)$/im.exec(chunk.toString('latin1'))?.[1] ?? ''),
    )
  })
  await sidegate.write(
    'sidegate.yaml',
    JSON.stringify({
      egress: {
        listen: '127.0.0.1:0',
        proxy: { url: `http://127.0.0.1:${proxy.port}` },
        ca: { cert: 'egress.crt', key: 'egress.key' },
        unmatched: 'allow',
      },
      admin: { listen: '127.0.0.1:0' },
      log: { level: 'trace', format: 'json' },
      outgoing: [
        { name: 'blind', url: 'https://blind.example.com', security: 'none', https: 'tunnel' },
        { name: 'seen', url: 'https://seen.example.com', security: 'none', https: 'intercept' },
      ],
    }),
  )
  t.equal((await sidegate.admin('/reload', { method: 'POST' })).status, 200)
  const early = await RawClient.connect(t, port)
  await early.send(
    'CONNECT blind.example.com:443 HTTP/1.1\r\nHost: blind.example.com:443\r\nVia: 1.0 app\r\n\r\n',
  )
  await eventually('the name', () => via !== '')
  t.match(via, /^1\.0 app, 1\.1 sidegate-[0-9a-f]{12}$/, 'behind what the app says')
  for (const target of ['blind.example.com', 'seen.example.com', HOST, 'localhost']) {
    const authorityOf = `${target}:${target === 'localhost' ? port : 443}`
    const lines = `Host: ${authorityOf}\r\nVia: ${via}\r\n`
    t.equal((await askForTunnel(t, port, authorityOf, lines)).status, 508, authorityOf)
  }
})

// `limits.connections` counts clients, so those who leave must leave nothing behind.
t.test('the dials of clients that have left are closed at once', async (t) => {
  const proxy = await listen(t, (socket) => socket.resume())
  const sidegate = await startBehind(t, proxy.port)
  const port = await sidegate.listener('egress')
  const texts = {
    blind: 'CONNECT blind.example.com:443 HTTP/1.1\r\nHost: blind.example.com:443\r\n\r\n',
    unmatched: `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\n\r\n`,
    byName: `GET /seen/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`,
  }
  for (const [way, text] of Object.entries(texts)) {
    const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.connect(t, port)))
    for (const client of clients) await client.send(text)
    await eventually(`ten dials ${way}`, () => proxy.seen.open === 10)
    for (const client of clients) client.destroy()
    await eventually(`their end ${way}`, () => proxy.seen.open === 0, 1500)
  }
  t.equal((await sidegate.admin('/livez')).status, 200)
})

t.test('a client that renegotiates loses its connection, and the process lives', async (t) => {
  const leaf = authority.issue()
  const sidegate = await SidegateProcess.start(t, {
    config: {
      egress: {
        listen: '127.0.0.1:0',
        tls: { cert: 'l.crt', key: 'l.key' },
      },
      admin: { listen: '127.0.0.1:0' },
    },
    files: { 'l.crt': leaf.cert, 'l.key': leaf.key },
  })
  const client = connectTls({
    port: await sidegate.listener('egress'),
    host: '127.0.0.1',
    ca: authority.cert,
    servername: 'localhost',
    maxVersion: 'TLSv1.2',
  })
  t.after(() => client.destroy())
  client.on('error', () => undefined)
  client.resume()
  await once(client, 'secureConnect')
  t.equal(await countRenegotiations(client), 0)
  t.equal((await sidegate.admin('/livez')).status, 200)
})

t.test('nor does one in an intercepted tunnel', async (t) => {
  const silent = await listen(t, (socket) => socket.resume())
  const sidegate = await startBehind(t, silent.port)
  const port = await sidegate.listener('egress')
  const host = 'seen.example.com'
  const plain = await openTunnel(t, port, `${host}:443`)
  const client = connectTls({
    socket: plain,
    servername: host,
    ca: authority.cert,
    maxVersion: 'TLSv1.2',
  })
  t.after(() => client.destroy())
  client.on('error', () => undefined)
  client.resume()
  await once(client, 'secureConnect')
  t.equal(await countRenegotiations(client), 0)
  t.equal((await sidegate.admin('/livez')).status, 200)
})

/** Asks for handshakes until the connection ends, ten at most. */
async function countRenegotiations(client: ReturnType<typeof connectTls>): Promise<number> {
  let done = 0
  let isOver = false
  for (const event of ['end', 'close']) client.on(event, () => (isOver = true))
  const again = (): void => {
    client.renegotiate({}, (error) => {
      if (error !== null) return
      done += 1
      if (done < 10) again()
    })
  }
  again()
  await eventually('the end', () => isOver || done === 10, 5000)
  return done
}

t.test('a client that breaks off a handshake in a tunnel is gone at once', async (t) => {
  const silent = await listen(t, (socket) => socket.resume())
  const sidegate = await startBehind(t, silent.port)
  const port = await sidegate.listener('egress')
  const open = () => sidegate.metric('sidegate_open_connections{side="egress"}')
  for (const how of ['end', 'destroy'] as const) {
    const socket = await openTunnel(t, port, 'seen.example.com:443')
    socket.write(Buffer.from([0x16, 3, 1, 1, 0, 1]))
    await sleep(100)
    t.equal(await open(), 1)
    socket[how]()
    await eventually(`its end after ${how}`, async () => (await open()) === 0, 2000)
  }
})

t.test('what the log says of a broken handshake is one line of words', async (t) => {
  const silent = await listen(t, (socket) => socket.resume())
  const sidegate = await startBehind(t, silent.port)
  const socket = await openTunnel(t, await sidegate.listener('egress'), 'seen.example.com:443')
  // A client hello, and a fatal alert instead of its end: unknown_ca.
  socket.write(Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 200, 0x15, 3, 1, 0, 2, 2, 48]))
  const { detail } = await sidegate.line('it', ({ event }) => event === 'tunnel_failed')
  t.match(detail, /^ERR_SSL_[A-Z0-9_]+: [a-z0-9 ]+$/)
})
