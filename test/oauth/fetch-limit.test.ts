import t from 'tap'
import type { Test } from 'tap'
import { FetchLimit } from '../../src/oauth/fetch-limit.ts'

function createScene(t: Test) {
  const scene = { monotonicMs: 0, started: [] as string[] }
  const limit = new FetchLimit(2, () => scene.monotonicMs)
  t.teardown(() => {
    limit.close()
  })
  const submit = (name: string, isUrgent = false) => {
    limit.submit(() => scene.started.push(name), isUrgent)
  }
  return { scene, limit, submit }
}

t.test('so many start within a second, the others wait their turn', (t) => {
  const { scene, submit } = createScene(t)
  for (const name of ['a', 'b', 'c', 'd']) submit(name)
  t.same(scene.started, ['a', 'b'])
  scene.monotonicMs = 999
  submit('e')
  t.same(scene.started, ['a', 'b'])
  scene.monotonicMs = 1000
  submit('f')
  t.same(scene.started, ['a', 'b', 'c', 'd'])
  scene.monotonicMs = 2000
  submit('g', true)
  t.same(scene.started, ['a', 'b', 'c', 'd', 'g', 'e'], 'what is urgent goes before')
  t.end()
})

t.test('what waits starts by itself', async (t) => {
  const started: number[] = []
  const limit = new FetchLimit(2, () => performance.now())
  const begin = performance.now()
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 3; i++) {
      limit.submit(() => {
        started.push(performance.now() - begin)
        if (started.length === 3) resolve()
      }, false)
    }
    // Nothing else keeps the process here: its timer is not to hold up an exit.
    const stay = setTimeout(resolve, 5000)
    t.teardown(() => {
      clearTimeout(stay)
    })
  })
  t.equal(started.length, 3)
  t.ok((started[2] ?? 0) >= 999, `third after ${String(started[2])} ms`)
})

t.test('what waits when it is closed never starts', (t) => {
  const { scene, limit, submit } = createScene(t)
  for (const name of ['a', 'b', 'c']) submit(name)
  limit.close()
  scene.monotonicMs = 5000
  submit('d')
  t.same(scene.started, ['a', 'b', 'd'])
  t.end()
})
