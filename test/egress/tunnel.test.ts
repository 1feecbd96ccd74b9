/** What follows a CONNECT, on real sockets. */
import { once } from 'node:events'
import t from 'tap'
import { sniff } from '../../src/egress/tunnel.ts'
import { makeConnection } from '../harness/connection.ts'

t.setTimeout(40_000)

t.test('the first byte says what follows, and stays', async (t) => {
  for (const [first, want] of [
    [Buffer.from([0x16, 3, 1]), 'tls'],
    [Buffer.from('GET / HTTP/1.1\r\n'), 'cleartext'],
    [Buffer.from([0]), 'cleartext'],
  ] as const) {
    const { near, far } = await makeConnection(t)
    const found = sniff(near, 10_000)
    far.write(first)
    t.equal(await found, want)
    t.same((await once(near.resume(), 'data'))[0], first)
  }
})

t.test('nobody who says nothing is waited for', async (t) => {
  const quiet = await makeConnection(t)
  t.equal(await sniff(quiet.near, 50), undefined)
  const leaving = await makeConnection(t)
  const found = sniff(leaving.near, 60_000)
  leaving.far.end()
  t.equal(await found, undefined)
  const reset = await makeConnection(t)
  const other = sniff(reset.near, 60_000)
  reset.far.resetAndDestroy()
  t.equal(await other, undefined)
  const gone = await makeConnection(t)
  gone.near.destroy()
  await once(gone.near, 'close')
  t.equal(await sniff(gone.near, 60_000), undefined)
})
