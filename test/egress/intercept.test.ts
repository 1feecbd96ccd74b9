/** Handshakes of applications with leaves of ours, on real sockets: whole, broken off, and repeated. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { Interceptor } from '../../src/egress/intercept.ts'
import { createAuthority } from '../../src/tls/authority.ts'
import { Leaves } from '../../src/tls/leaves.ts'
import { makeConnection } from '../harness/connection.ts'
import { eventually } from '../harness/eventually.ts'

const HOST = 'api.example.com'
const { certPem, keyPem } = await createAuthority({
  hosts: [HOST],
  validityDays: 2,
  nowMs: Date.now(),
})
const interceptor = new Interceptor(new Leaves({ certPem, keyPem }))

async function makeSecured(
  t: Test,
  maxVersion: 'TLSv1.2' | 'TLSv1.3',
): Promise<{ inner: TLSSocket; client: TLSSocket }> {
  const { near, far } = await makeConnection(t)
  const securing = interceptor.secure(near, HOST, 10_000)
  const client = connectTls({ socket: far, servername: HOST, ca: certPem, maxVersion })
  client.on('error', () => undefined)
  t.after(() => client.destroy())
  const [inner] = await Promise.all([securing, once(client, 'secureConnect')])
  return { inner, client }
}

t.test('bytes pass when the handshake is done, in both versions', async (t) => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { inner, client } = await makeSecured(t, version)
    client.write('question')
    t.equal(String((await once(inner, 'data'))[0]), 'question')
    inner.write('answer')
    t.equal(String((await once(client, 'data'))[0]), 'answer')
    inner.destroy()
    await once(client, 'end')
  }
})

// A client that asks for handshake after handshake had a core of ours busy with signing.
t.test('a client that renegotiates loses its connection at once', async (t) => {
  const { inner, client } = await makeSecured(t, 'TLSv1.2')
  inner.resume()
  let done = 0
  const renegotiate = (): void => {
    client.renegotiate({}, (error) => {
      if (error !== null) return
      done += 1
      renegotiate()
    })
  }
  renegotiate()
  await eventually('the end', () => inner.closed, 3000)
  t.equal(done, 0)
})

t.test('a client that leaves during the handshake is gone at once', async (t) => {
  // The head of a record, and nothing of what it announces.
  const begun = Buffer.from([0x16, 3, 1, 1, 0, 1])
  for (const sent of [Buffer.alloc(0), begun]) {
    for (const [how, message] of [
      ['end', 'the client closed the connection during the TLS handshake'],
      ['resetAndDestroy', 'read ECONNRESET'],
    ] as const) {
      const { near, far } = await makeConnection(t)
      if (sent.length > 0) far.write(sent)
      const securing = interceptor.secure(near, HOST, 60_000)
      const failed = t.rejects(securing, { message })
      await sleep(50)
      far[how]()
      await eventually(`the end after ${how}`, () => near.closed, 1000)
      await failed
    }
  }
})

t.test('a client that has left before is not waited for', async (t) => {
  const { near, far } = await makeConnection(t)
  near.destroy()
  await once(near, 'close')
  far.destroy()
  await t.rejects(interceptor.secure(near, HOST, 60_000), {
    message: 'the client closed the connection during the TLS handshake',
  })
})

t.test('nobody has longer than said', async (t) => {
  const { near } = await makeConnection(t)
  await t.rejects(interceptor.secure(near, HOST, 50), { message: 'no TLS handshake within 50 ms' })
  await eventually('the end', () => near.closed, 1000)
})
