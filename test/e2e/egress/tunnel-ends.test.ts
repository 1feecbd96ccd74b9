/** Tunnels that end oddly: on either side, before their first byte, and in cleartext within TLS. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { TestAuthority } from '../../harness/egress-certificates.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { openTunnel } from '../../harness/egress-tunnel.ts'
import { SidegateProcess } from '../../harness/sidegate-process.ts'

t.setTimeout(60_000)

async function listen(t: Test, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

t.test('cleartext in a tunnel within TLS may be cut, and the process lives', async (t) => {
  const authority = new TestAuthority(t, 'Listener')
  const leaf = authority.issue()
  const port = await listen(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc')
    })
  })
  const sidegate = await SidegateProcess.start(t, {
    config: {
      egress: { listen: '127.0.0.1:0', tls: { cert: 'l.crt', key: 'l.key' } },
      admin: { listen: '127.0.0.1:0' },
      outgoing: [{ name: 'api', url: `http://127.0.0.1:${port}`, security: 'none' }],
    },
    env: {},
    files: { 'l.crt': leaf.cert, 'l.key': leaf.key },
  })
  const client = connectTls({
    port: await sidegate.listener('egress'),
    host: '127.0.0.1',
    ca: authority.cert,
    servername: 'localhost',
  })
  t.after(() => client.destroy())
  let text = ''
  client.on('error', () => undefined)
  client.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  await once(client, 'secureConnect')
  const host = `Host: 127.0.0.1:${port}\r\n`
  client.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${host}\r\n`)
  await eventually('the tunnel', () => text.includes('200'))
  client.write(`POST /x HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)
  await eventually('the answer', () => text.includes('abc'))
  client.write('ZZZ\r\n')
  await eventually('the cut', () => client.closed)
  t.equal((await sidegate.admin('/livez')).status, 200)
  t.equal(await sidegate.stop(), 0)
})

t.test('a tunnel whose upstream has gone before the first byte is closed', async (t) => {
  const gate = await startEgressGate(t, { kinds: { open: { https: 'tunnel' } } })
  const goodbyes = {
    reset: (socket: Socket) => socket.resetAndDestroy(),
    end: (socket: Socket) => socket.end(),
  }
  for (const [how, goodbye] of Object.entries(goodbyes)) {
    const port = await listen(t, (socket) => setTimeout(() => goodbye(socket), 50))
    const other = await startEgressGate(t, {
      outgoing: [
        { name: 'gone', url: `https://127.0.0.1:${port}`, https: 'tunnel', security: 'none' },
      ],
    })
    const socket = await openTunnel(t, other.port, `127.0.0.1:${port}`)
    socket.on('error', () => undefined)
    await sleep(200)
    socket.write(Buffer.from([0x16, 3, 1, 2, 0]))
    socket.end()
    socket.resume()
    await eventually(`the end after ${how}`, () => socket.closed || socket.readableEnded)
    const open = /sidegate_open_connections\{side="egress"\} (\d+)/
    await eventually(`no connection after ${how}`, async () => {
      const { text } = await other.sidegate.admin('/metrics')
      return open.exec(text)?.[1] === '0'
    })
  }
  t.strictSame(gate.sidegate.severeLines, [])
})
