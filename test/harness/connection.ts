/** The two ends of a real connection within the test's own process. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import type { Test } from 'tap'

/** Two ends of one connection. */
export async function makeConnection(t: Test): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const { port } = server.address() as AddressInfo
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [near] = (await accepted) as [Socket]
  server.close()
  for (const socket of [near, far]) socket.on('error', () => undefined)
  t.after(() => {
    near.destroy()
    far.destroy()
  })
  return { near, far }
}
