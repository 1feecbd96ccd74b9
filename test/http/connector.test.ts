/** Connections that nobody waits for any more, at every stage of being opened. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { openSocket, type ConnectorOptions } from '../../src/http/connector.ts'
import { Upstream } from '../../src/http/upstream.ts'
import { eventually } from '../harness/eventually.ts'

/** Accepts and says nothing; keeps what it was sent. */
async function startSilent(t: Test) {
  const seen = { open: 0, text: '' }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    seen.open += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => (seen.text += chunk.toString('latin1')))
    socket.on('close', () => (seen.open -= 1))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { seen, port: (server.address() as AddressInfo).port }
}

const tls = { ca: undefined, cert: undefined, key: undefined, serverName: undefined }

function stagesOf(port: number): Record<string, ConnectorOptions> {
  const address = { kind: 'tcp', host: '127.0.0.1', port } as const
  const proxy = { host: '127.0.0.1', port, tls: undefined, credential: undefined }
  const far = { kind: 'tcp', host: 'api.example.com', port: 443 } as const
  return {
    'during the handshake': { address, tls, connectTimeoutMs: 60_000 },
    'while a proxy thinks': { address: far, tls, proxy, connectTimeoutMs: 60_000 },
    'during the handshake with a proxy': {
      address: far,
      tls,
      proxy: { ...proxy, tls },
      connectTimeoutMs: 60_000,
    },
  }
}

t.test('a dial that is given up closes its socket at once, and says so once', async (t) => {
  const { seen, port } = await startSilent(t)
  for (const [stage, options] of Object.entries(stagesOf(port))) {
    const told: unknown[] = []
    const dialling = openSocket(options, (...[error]) => {
      told.push(error?.message)
    })
    await eventually(`the first byte ${stage}`, () => seen.text !== '')
    dialling.abort()
    dialling.abort()
    await eventually(`the end ${stage}`, () => seen.open === 0, 1000)
    t.same(told, ['nobody waits for it any more'], stage)
    seen.text = ''
  }
})

t.test('a dial that is given up before it is connected opens nothing', async (t) => {
  const { seen, port } = await startSilent(t)
  const told: unknown[] = []
  const address = { kind: 'tcp', host: '127.0.0.1', port } as const
  const dialling = openSocket(
    { address, tls: undefined, connectTimeoutMs: 60_000 },
    (...result) => {
      told.push(result)
    },
  )
  dialling.abort()
  t.equal(told.length, 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(told.length, 1)
  t.equal(seen.open, 0)
})

t.test('giving up a socket that has been handed over leaves it alone', async (t) => {
  const { port } = await startSilent(t)
  const address = { kind: 'tcp', host: '127.0.0.1', port } as const
  let abort = (): void => undefined
  const socket = await new Promise<Socket>((resolve, reject) => {
    const dialling = openSocket(
      { address, tls: undefined, connectTimeoutMs: 60_000 },
      (error, opened) => {
        if (error === null) resolve(opened)
        else reject(error)
      },
    )
    abort = () => {
      dialling.abort()
    }
  })
  abort()
  t.equal(socket.destroyed, false)
  socket.destroy()
})

// `limits.connections` counts clients: those who leave must not leave dials behind.
t.test(
  'a request that is given up closes the connection that was being opened for it',
  async (t) => {
    const { seen, port } = await startSilent(t)
    for (const [stage, options] of Object.entries(stagesOf(port))) {
      const upstream = new Upstream({
        ...options,
        keepAliveMs: 4000,
        maxHeaderBytes: 16_384,
        onSocketOpened: () => undefined,
        onSocketClosed: () => undefined,
      })
      const told: string[] = []
      const calls = Array.from({ length: 10 }, () =>
        upstream.prepare(
          {
            method: 'GET',
            path: '/',
            headers: ['Host', 'api.example.com'],
            body: undefined,
            isWebSocket: false,
          },
          {
            connected: () => told.push('connected'),
            information: () => undefined,
            answered: () => true,
            received: () => true,
            ended: () => told.push('ended'),
            upgraded: () => undefined,
            failed: () => told.push('failed'),
          },
        ),
      )
      for (const call of calls) call.start()
      await eventually(`ten dials ${stage}`, () => seen.open === 10 && seen.text !== '')
      for (const call of calls) call.abort()
      await eventually(`their end ${stage}`, () => seen.open === 0, 1000)
      t.same(told, [], 'and nothing is told')
      upstream.close()
      seen.text = ''
    }
  },
)
