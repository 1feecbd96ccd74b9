// A conversation of the `ws` package's client and server through the gate.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { KEY, renderGate, startGate } from './gate.ts'

interface Talk {
  readonly url: string
  /** The identity header of every handshake that arrived. */
  readonly users: (string | undefined)[]
}

async function startTalk(t: Test): Promise<Talk> {
  const users: (string | undefined)[] = []
  const service = createServer()
  const sockets = new WebSocketServer({ server: service, perMessageDeflate: true })
  sockets.on('connection', (socket, request) => {
    const user = request.headers['x-authenticated-user']
    users.push(typeof user === 'string' ? user : undefined)
    socket.on('message', (data: RawData, isBinary: boolean) =>
      socket.send(data, { binary: isBinary }),
    )
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    service.close()
    service.closeAllConnections()
  })
  const gate = await startGate(t, renderGate((service.address() as AddressInfo).port))
  return { url: `ws://127.0.0.1:${gate.port('inbound')}`, users }
}

void t.test(
  'text, binary, large and compressed messages come back as they were sent',
  async (t) => {
    const { url, users } = await startTalk(t)
    const socket = new WebSocket(`${url}/api/talk`, { headers: { 'x-api-key': KEY } })
    await once(socket, 'open')
    t.same(users, ['mobile'])
    const messages = [
      'hello',
      'ä'.repeat(1000),
      Buffer.alloc(70_000, 1),
      Buffer.alloc(2 ** 20, 'x'),
      '',
    ]
    for (const message of messages) {
      socket.send(message)
      const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
      t.equal(isBinary, typeof message !== 'string')
      t.ok(data.equals(Buffer.from(message)), `${message.length} came back`)
    }
    socket.ping('are you there')
    const [pong] = (await once(socket, 'pong')) as [Buffer]
    t.equal(pong.toString(), 'are you there')
    socket.close(4000, 'goodbye')
    const [code] = (await once(socket, 'close')) as [number]
    t.equal(code, 4000)
  },
)

void t.test('100 conversations at once do not mix', async (t) => {
  const { url } = await startTalk(t)
  const talk = async (index: number) => {
    const socket = new WebSocket(`${url}/api/talk`, { headers: { 'x-api-key': KEY } })
    await once(socket, 'open')
    for (let turn = 0; turn < 20; turn += 1) {
      socket.send(`${index}:${turn}`)
      const [data] = (await once(socket, 'message')) as [Buffer]
      if (data.toString() !== `${index}:${turn}`) throw new Error(`${index} got ${data.toString()}`)
    }
    socket.close()
    await once(socket, 'close')
  }
  await t.resolves(Promise.all(Array.from({ length: 100 }, (_, index) => talk(index))))
})

void t.test(
  'a handshake without credentials is refused before the service hears of it',
  async (t) => {
    const { url, users } = await startTalk(t)
    const socket = new WebSocket(`${url}/api/talk`)
    const [, response] = (await once(socket, 'unexpected-response')) as [
      unknown,
      { statusCode: number; resume(): void },
    ]
    response.resume()
    t.equal(response.statusCode, 401)
    t.same(users, [])
  },
)
