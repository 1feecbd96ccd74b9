import t from 'tap'
import { Leaving } from '../../src/session/leaving.ts'
import type { Login } from '../../src/session/session.ts'
import { eventually } from '../harness/eventually.ts'

/** Only told apart, never looked into. */
function createLogin(): Login {
  return {} as Login
}

t.test('logins wait for their time, each goes once', async (t) => {
  const gone: [Login, boolean][] = []
  const leaving = new Leaving(async (login, isGone) => {
    gone.push([login, isGone])
  }, 20)
  const login = createLogin()
  leaving.add(login, true)
  leaving.add(login, false)
  t.equal(leaving.size, 1)
  t.same(gone, [])
  await eventually('the log-out', () => gone.length > 0)
  await leaving.flush()
  t.same(gone, [[login, true]])
  t.equal(leaving.size, 0)
})

t.test('of too many the first goes at once', async (t) => {
  const gone: Login[] = []
  const leaving = new Leaving(async (login) => {
    gone.push(login)
  }, 60_000)
  const logins = Array.from({ length: 66 }, createLogin)
  for (const login of logins) leaving.add(login, false)
  t.equal(gone.length, 2)
  t.ok(gone[0] === logins[0] && gone[1] === logins[1])
  await leaving.flush()
  t.equal(gone.length, 66)
})

t.test('the flush waits for those under way', async (t) => {
  let finish: () => void = () => undefined
  let isDone = false
  const leaving = new Leaving(async () => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    isDone = true
  }, 60_000)
  leaving.add(createLogin(), false)
  const flushed = leaving.flush()
  t.equal(leaving.size, 1)
  finish()
  await flushed
  t.ok(isDone)
})
