import t from 'tap'
import { isExpiredAnswer } from '../../src/session/expiry.ts'

t.test('the status alone says so where no location is set', async (t) => {
  const when = { status: [401, 302], location: undefined }
  t.ok(isExpiredAnswer(when, 401, undefined))
  t.ok(isExpiredAnswer(when, 302, '/anywhere'))
  t.notOk(isExpiredAnswer(when, 403, undefined))
  t.notOk(isExpiredAnswer(when, 200, '/login'))
})

t.test('with a location, redirects count if they lead there, and no others', async (t) => {
  const when = { status: [401, 302], location: '/login' }
  t.ok(isExpiredAnswer(when, 401, undefined))
  const to = (location: string | undefined, status = 302) => isExpiredAnswer(when, status, location)
  t.ok(to('/login'))
  t.ok(to('/login?next=/a', 303))
  t.ok(to('https://app.example.com/login'))
  t.ok(to('//app.example.com:8443/login'))
  t.notOk(to('/orders/1'))
  t.notOk(to(undefined))
  t.notOk(to('https://login.example.com/'))
  t.notOk(to('/login', 201), 'where something was created')
})
