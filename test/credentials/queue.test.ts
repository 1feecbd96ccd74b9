import t from 'tap'
import { clientOf, FairQueue } from '../../src/credentials/queue.ts'

/** A queue whose tasks end when they are told to, and the story of what became of them. */
function createScene(settings: { concurrency: number; queue: number }) {
  let nowMs = 0
  const started: string[] = []
  const refused: [string, number][] = []
  const ends = new Map<string, () => void>()
  const queue = new FairQueue(settings, () => nowMs)
  return {
    queue,
    started,
    refused,
    submit: (client: string, name: string): void => {
      queue.submit(client, {
        run: () => {
          started.push(name)
          return new Promise((resolve) => ends.set(name, resolve))
        },
        refuse: (retryAfterS) => refused.push([name, retryAfterS]),
      })
    },
    end: async (name: string, durationMs = 0): Promise<void> => {
      nowMs += durationMs
      ends.get(name)?.()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

t.test('no more than `concurrency` run at once', async (t) => {
  const { submit, started, end, queue } = createScene({ concurrency: 2, queue: 8 })
  for (const name of ['1', '2', '3', '4']) submit('a', name)
  t.same(started, ['1', '2'])
  t.equal(queue.length, 2)
  await end('2')
  t.same(started, ['1', '2', '3'])
  await end('1')
  await end('3')
  t.same(started, ['1', '2', '3', '4'])
  t.equal(queue.length, 0)
})

t.test('clients take turns, however much one of them asks for', async (t) => {
  const { submit, started, end } = createScene({ concurrency: 1, queue: 16 })
  for (const name of ['f0', 'f1', 'f2', 'f3', 'f4']) submit('flooder', name)
  for (const name of ['a1', 'a2']) submit('a', name)
  submit('b', 'b1')
  for (let turn = 0; turn < 8; turn++) await end(started.at(-1) ?? '')
  t.same(started, ['f0', 'f1', 'a1', 'b1', 'f2', 'a2', 'f3', 'f4'])
})

t.test('a full queue costs the client with most in it its newest place', async (t) => {
  const { submit, started, refused, end, queue } = createScene({ concurrency: 1, queue: 4 })
  for (const name of ['f0', 'f1', 'f2', 'f3', 'f4']) submit('flooder', name)
  submit('flooder', 'f5')
  t.same(refused, [['f5', 1]], 'its own surplus is refused')
  submit('a', 'a1')
  t.same(refused.at(-1), ['f4', 1], 'and others take its places')
  submit('b', 'b1')
  t.same(refused.at(-1), ['f3', 1])
  submit('c', 'c1')
  t.same(refused.at(-1), ['f2', 1])
  submit('d', 'd1')
  t.same(refused.at(-1), ['d1', 1], 'until nobody has more than one')
  submit('a', 'a2')
  t.same(refused.at(-1), ['a2', 1])
  t.equal(queue.length, 4)
  for (let turn = 0; turn < 5; turn++) await end(started.at(-1) ?? '')
  t.same(started, ['f0', 'f1', 'a1', 'b1', 'c1'])
  t.equal(queue.length, 0)
})

t.test('a queue of none runs or refuses', async (t) => {
  const { submit, started, refused, end } = createScene({ concurrency: 1, queue: 0 })
  submit('a', '1')
  submit('b', '2')
  await end('1')
  submit('b', '3')
  t.same(started, ['1', '3'])
  t.same(refused, [['2', 1]])
})

t.test('Retry-After says how long the queue takes, within bounds', async (t) => {
  const { submit, refused, started, end } = createScene({ concurrency: 1, queue: 4 })
  submit('a', 'long')
  await end('long', 3000)
  for (const name of ['1', '2', '3', '4', '5', '6']) submit('a', name)
  t.same(refused, [['6', 12]], '4 tasks of 3 s')
  await end('1', 1_000_000)
  for (const name of ['7', '8']) submit('a', name)
  t.same(refused.at(-1), ['8', 30])
  t.equal(started.length, 3)
})

t.test('settings can change while tasks wait', async (t) => {
  const { submit, queue, started, refused } = createScene({ concurrency: 1, queue: 4 })
  for (const name of ['1', '2', '3', '4', '5']) submit('a', name)
  queue.configure({ concurrency: 3, queue: 1 })
  t.same(started, ['1', '2', '3'])
  submit('a', '6')
  t.same(refused, [['6', 1]])
  t.equal(queue.length, 2, 'what waits keeps its place')
})

t.test('one network is one client', (t) => {
  const clients = [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:1::3:4:5:6', '2001:db8:1:0::/64'],
    ['2001:db8:1:2:3:4:192.0.2.7', '2001:db8:1:2::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['unix', 'unix'],
    ['', ''],
  ]
  for (const [address = '', client] of clients) t.equal(clientOf(address), client, address)
  t.end()
})
