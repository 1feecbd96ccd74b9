/** Real sockets, joined within the test's own process: what it holds at which moment can be seen. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { JoinedSockets } from '../../src/http/joined-sockets.ts'
import { Watchdog } from '../../src/http/watchdog.ts'
import { makeConnection } from '../harness/connection.ts'
import { eventually } from '../harness/eventually.ts'

t.setTimeout(40_000)

async function makeTunnel(t: Test, { idleMs = 60_000 } = {}) {
  const client = await makeConnection(t)
  const upstream = await makeConnection(t)
  const watchdog = new Watchdog(10)
  t.after(() => watchdog.close())
  const pair = new JoinedSockets(client.near, upstream.near, { watchdog, idleMs })
  const state = { closes: 0 }
  pair.onClosed = () => (state.closes += 1)
  return { client, upstream, pair, state }
}

/** Sends in small pieces until the system takes no more and a tail is held here; gives what was sent. */
async function fill(upstream: { near: Socket; far: Socket }, client: Socket): Promise<number> {
  const piece = Buffer.alloc(1000, 'x')
  let sent = 0
  while (client.writableLength === 0) {
    upstream.far.write(piece)
    sent += piece.length
    while (upstream.near.bytesRead < sent) await setImmediate()
    await setImmediate()
  }
  return sent
}

t.test('whoever reads slowly gets all that was sent before the end', async (t) => {
  const { client, upstream, state } = await makeTunnel(t)
  client.far.pause()
  client.far.end()
  const sent = await fill(upstream, client.near)
  upstream.far.end()
  upstream.far.resume()
  await once(upstream.near, 'close')
  t.ok(client.near.writableLength > 0, 'the tail is still held when the upstream has closed')
  t.equal(state.closes, 0)
  let received = 0
  client.far.on('data', (chunk: Buffer) => (received += chunk.length))
  client.far.resume()
  await once(client.far, 'close')
  t.equal(received, sent)
  await eventually('the end of both', () => state.closes > 0)
  t.equal(state.closes, 1)
})

t.test('one that takes nothing any more is closed all the same', async (t) => {
  const { client, upstream, state } = await makeTunnel(t, { idleMs: 200 })
  client.far.pause()
  client.far.end()
  await fill(upstream, client.near)
  upstream.far.end()
  upstream.far.resume()
  await eventually('the end', () => state.closes === 1)
  t.ok(client.near.destroyed)
})

t.test('bytes and ends pass both ways', async (t) => {
  const { client, upstream, state } = await makeTunnel(t)
  client.far.write('question')
  t.equal(String((await once(upstream.far, 'data'))[0]), 'question')
  client.far.end()
  upstream.far.resume()
  await once(upstream.far, 'end')
  upstream.far.end('answer')
  t.equal(String((await once(client.far, 'data'))[0]), 'answer')
  client.far.resume()
  await once(client.far, 'end')
  await eventually('the end of both', () => state.closes === 1)
})

t.test('a fault on one side ends the other at once', async (t) => {
  for (const side of ['client', 'upstream'] as const) {
    const tunnel = await makeTunnel(t)
    const other = side === 'client' ? tunnel.upstream : tunnel.client
    tunnel[side].far.resetAndDestroy()
    other.far.resume()
    await once(other.near, 'close')
    await eventually(`the end of both after ${side}`, () => tunnel.state.closes === 1)
  }
})

t.test('silence ends it, talk does not', async (t) => {
  const { client, upstream, state } = await makeTunnel(t, { idleMs: 300 })
  upstream.far.resume()
  for (let i = 0; i < 10; i++) {
    client.far.write('.')
    await sleep(50)
  }
  t.equal(state.closes, 0)
  await eventually('the end', () => state.closes === 1)
})

t.test('what ended before anybody listened', async (t) => {
  for (const gone of [['upstream'], ['client'], ['client', 'upstream']]) {
    for (const isAwaited of [false, true]) {
      const client = await makeConnection(t)
      const upstream = await makeConnection(t)
      for (const name of gone) {
        const { near } = name === 'client' ? client : upstream
        near.destroy()
        if (isAwaited) await once(near, 'close')
      }
      const watchdog = new Watchdog(10)
      t.after(() => watchdog.close())
      const pair = new JoinedSockets(client.near, upstream.near, { watchdog, idleMs: 60_000 })
      let closes = 0
      pair.onClosed = () => (closes += 1)
      await eventually(`the end of both after ${gone.join()}`, () => closes > 0)
      await sleep(20)
      t.equal(closes, 1)
      t.ok(client.near.closed && upstream.near.closed)
    }
  }
})
