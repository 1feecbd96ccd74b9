/** Nobody's account is locked by us: one password is shown at a time, and a refused one is held. */
import { mock } from 'node:test'
import t from 'tap'
import { NtlmAccount, type Turn } from '../../../src/egress/ntlm/account.ts'

function createAccount() {
  const clock = { nowMs: 1_000 }
  let heldCount = 0
  const account = new NtlmAccount(
    { name: 'erp', fingerprint: 'f1' },
    () => clock.nowMs,
    () => heldCount++,
  )
  const granted: Turn[] = []
  const wish = (): void => {
    account.wish((turn) => granted.push(turn))
  }
  return { account, clock, granted, wish, heldCount: () => heldCount }
}

t.test('one turn at a time, in the order of the wishes', (t) => {
  const { account, granted, wish } = createAccount()
  wish()
  wish()
  t.equal(granted.length, 1)
  granted[0]?.accepted()
  granted[0]?.given()
  t.equal(granted.length, 2, 'one turn is given back once')
  const never = (): void => {
    t.fail('a wish that was taken back')
  }
  account.wish(never)
  account.unwish(never)
  granted[1]?.given()
  wish()
  t.equal(granted.length, 3)
  granted[2]?.given()
  t.end()
})

t.test('refusals hold: 60 s, 15 min, then without end', (t) => {
  const { account, clock, granted, wish, heldCount } = createAccount()
  const refuse = (): void => {
    wish()
    granted.at(-1)?.refused()
  }
  refuse()
  t.match(account.heldError, { code: 'credential_held', retryAfterS: 60 })
  clock.nowMs += 59_999
  t.match(account.heldError, { retryAfterS: 1 })
  clock.nowMs += 1
  t.equal(account.heldError, undefined)
  refuse()
  t.match(account.heldError, { retryAfterS: 900 })
  clock.nowMs += 900_000
  t.equal(account.hold, undefined)
  refuse()
  clock.nowMs += 1e12
  t.match(account.hold, { untilMs: Infinity, refusals: 3 })
  t.match(account.heldError, { code: 'credential_held', retryAfterS: 900 })
  t.equal(heldCount(), 3)
  account.release()
  t.equal(account.hold, undefined)
  refuse()
  t.match(account.heldError, { retryAfterS: 60 }, 'a release forgets the count')
  t.end()
})

t.test('an acceptance forgets the count', (t) => {
  const { account, clock, granted, wish } = createAccount()
  wish()
  granted[0]?.refused()
  clock.nowMs += 60_000
  wish()
  granted[1]?.accepted()
  wish()
  granted[2]?.refused()
  t.match(account.heldError, { retryAfterS: 60 })
  t.end()
})

t.test('the error names the definition and no time that is not known', (t) => {
  const { account, granted, wish } = createAccount()
  wish()
  granted[0]?.refused()
  t.match(account.heldError?.message, /"erp".*for another 60 s/)
  t.end()
})

t.test('a server that does not refuse in time keeps nobody waiting', (t) => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => {
    mock.timers.reset()
  })
  const { account, granted, wish } = createAccount()
  wish()
  wish()
  granted[0]?.shown()
  mock.timers.tick(4_999)
  t.equal(granted.length, 1)
  mock.timers.tick(1)
  t.equal(granted.length, 2)
  granted[0]?.refused()
  t.match(account.hold, { refusals: 1 }, 'a late refusal counts all the same')
  t.end()
})
