import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { Watchdog } from '../../src/http/watchdog.ts'
import { FrameBoundary, WebSocketPair } from '../../src/http/websocket.ts'
import { makeConnection } from '../harness/connection.ts'
import { eventually } from '../harness/eventually.ts'

function frame(payload: Buffer, isMasked = false): Buffer {
  const mask = isMasked ? 0x80 : 0
  const { length } = payload
  const head =
    length < 126
      ? [0x82, mask | length]
      : length < 65536
        ? [0x82, mask | 126, length >> 8, length & 0xff]
        : [0x82, mask | 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff]
  return Buffer.concat([
    Buffer.from(head),
    isMasked ? Buffer.from([1, 2, 3, 4]) : Buffer.alloc(0),
    payload,
  ])
}

t.test('the boundary of frames is found however the bytes were cut', (t) => {
  const frames = fc.array(
    fc.tuple(fc.constantFrom(0, 1, 125, 126, 127, 300, 65536, 70000), fc.boolean()),
    { minLength: 1, maxLength: 4 },
  )
  fc.assert(
    fc.property(frames, fc.array(fc.nat(200_000), { maxLength: 8 }), (sizes, cuts) => {
      const all = Buffer.concat(
        sizes.map(([size, isMasked]) => frame(Buffer.alloc(size), isMasked)),
      )
      const boundary = new FrameBoundary()
      const places = [...cuts.map((cut) => cut % all.length), all.length].sort((a, b) => a - b)
      let start = 0
      for (const place of places) {
        boundary.follow(all.subarray(start, place))
        start = place
      }
      return boundary.isBetweenFrames
    }),
  )
  const first = frame(Buffer.alloc(10))
  const boundary = new FrameBoundary()
  boundary.follow(first.subarray(0, 5))
  t.equal(boundary.isBetweenFrames, false)
  t.equal(boundary.findEnd(Buffer.concat([first.subarray(5), first])), first.length - 5)
  t.end()
})

/** One side of a pair: what is written to it is kept, what `say` is given comes out of it. */
class Side extends Duplex {
  readonly heard: Buffer[] = []
  override _read(): void {
    // Pushed by `say`.
  }
  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.heard.push(chunk)
    callback()
  }
  say(chunk: Buffer): void {
    this.push(chunk)
  }
}

function createPair(t: { teardown(end: () => void): unknown }): {
  client: Side
  upstream: Side
  pair: WebSocketPair
} {
  const watchdog = new Watchdog()
  const client = new Side()
  const upstream = new Side()
  const pair = new WebSocketPair(client, upstream, { watchdog, idleMs: 60_000 })
  t.teardown(() => {
    watchdog.close()
    client.destroy()
    upstream.destroy()
  })
  return { client, upstream, pair }
}

t.test('a close of ours waits for the end of the frame that is under way', async (t) => {
  const { client, upstream, pair } = createPair(t)
  const message = frame(Buffer.from('hello'))
  upstream.say(message.subarray(0, 3))
  await turn()
  pair.close(1008)
  t.equal(Buffer.concat(client.heard).length, 3, 'nothing is put into the middle of a frame')
  upstream.say(Buffer.concat([message.subarray(3), message]))
  await turn()
  t.same(
    Buffer.concat(client.heard),
    Buffer.concat([message, Buffer.from([0x88, 0x02, 0x03, 0xf0])]),
    'the frame, then Close 1008, and nothing of the next',
  )
})

t.test('between frames a close of ours is said at once', async (t) => {
  const { client, pair } = createPair(t)
  pair.close(1001)
  await turn()
  t.same(Buffer.concat(client.heard), Buffer.from([0x88, 0x02, 0x03, 0xe9]))
})

t.test('whoever reads slowly gets all that the upstream sent before its end', async (t) => {
  const client = await makeConnection(t)
  const upstream = await makeConnection(t)
  const watchdog = new Watchdog(10)
  t.after(() => watchdog.close())
  const pair = new WebSocketPair(client.near, upstream.near, { watchdog, idleMs: 60_000 })
  let closes = 0
  pair.onClosed = () => (closes += 1)
  client.far.pause()
  client.far.end()
  const message = frame(Buffer.alloc(1000, 'x'))
  let sent = 0
  while (client.near.writableLength === 0) {
    upstream.far.write(message)
    sent += message.length
    while (upstream.near.bytesRead < sent) await setImmediate()
    await setImmediate()
  }
  upstream.far.end()
  upstream.far.resume()
  await once(upstream.near, 'close')
  t.ok(client.near.writableLength > 0, 'the tail is still held when the upstream has closed')
  t.equal(closes, 0)
  let received = 0
  client.far.on('data', (chunk: Buffer) => (received += chunk.length))
  client.far.resume()
  await once(client.far, 'close')
  t.equal(received, sent)
  await eventually('the end of both', () => closes === 1)
})

t.test('whoever never reads is cut when a close of ours has had its time', async (t) => {
  const client = await makeConnection(t)
  const upstream = await makeConnection(t)
  const watchdog = new Watchdog(10)
  t.after(() => watchdog.close())
  const pair = new WebSocketPair(client.near, upstream.near, { watchdog, idleMs: 60_000 })
  let closes = 0
  pair.onClosed = () => (closes += 1)
  client.far.pause()
  pair.close(1008)
  upstream.far.write(frame(Buffer.alloc(10)))
  await eventually('the end of both', () => closes === 1)
  t.ok(client.near.closed && upstream.near.closed)
})

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
