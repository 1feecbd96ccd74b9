import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { Watchdog } from '../../src/http/watchdog.ts'
import { FrameBoundary, WebSocketPair } from '../../src/http/websocket.ts'

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

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}
