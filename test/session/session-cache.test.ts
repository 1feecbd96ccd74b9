import { inspect } from 'node:util'
import t from 'tap'
import { readAnswer } from '../../src/session/read-answer.ts'
import { Session } from '../../src/session/session.ts'
import { eventually } from '../harness/eventually.ts'
import { password, sampleDefinition } from './sample-definition.ts'
import { cookieOf, Scene } from './scene.ts'

const MINUTE = 60_000

async function open(scene: Scene): Promise<Session> {
  return await scene.sessions.get(scene.definition)
}

t.test('one login serves all calls, the warm ones at once', async (t) => {
  const scene = await Scene.create(t)
  const calls = await Promise.all([scene.call(), scene.call(), scene.call()])
  t.same(new Set(calls), new Set(['SID=session-number-1']))
  const warm = scene.sessions.get(scene.definition)
  t.ok(warm instanceof Session)
  t.equal(scene.server.logins, 1)
  t.same(scene.results, ['hawkeye success'])
})

t.test('at half of its life a session is renewed, with nobody waiting', async (t) => {
  const scene = await Scene.create(t, {}, 20)
  await scene.call()
  scene.monotonicMs = 5 * MINUTE - 1
  t.equal(await scene.call(), 'SID=session-number-1')
  t.equal(scene.server.logins, 1)
  scene.monotonicMs = 5 * MINUTE
  scene.server.isHolding = true
  t.equal(await scene.call(), 'SID=session-number-1')
  t.equal(await scene.call(), 'SID=session-number-1', 'while the login is under way')
  scene.server.release()
  await eventually('the new one', async () => (await scene.call()) === 'SID=session-number-2')
  t.equal(scene.server.logins, 2)
  await eventually('the log-out', () => scene.server.seen('/logout').length === 1)
  t.same(scene.server.seen('/logout'), ['POST SID=session-number-1'])
})

t.test('at the end of its life a session is not used, whatever the login says', async (t) => {
  const scene = await Scene.create(t)
  await scene.call()
  const { answer } = scene.server
  scene.server.answer = (response) => response.writeHead(403).end()
  scene.monotonicMs = 6 * MINUTE
  t.equal(await scene.call(), 'SID=session-number-1')
  await eventually('the failure', () => scene.results.length === 2)
  t.equal(await scene.call(), 'SID=session-number-1', 'while the server is left alone')
  t.equal(scene.server.requests.length, 2)
  scene.monotonicMs = 10 * MINUTE - 10_000
  t.equal(await scene.call(), 'login_failed 10')
  scene.server.answer = answer
  scene.monotonicMs += 20_000
  t.equal(await scene.call(), 'SID=session-number-2')
})

t.test('failed logins are told to all who wait, and not repeated for a while', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => response.writeHead(500).end(`no ${password}`)
  t.same(await Promise.all([scene.call(), scene.call()]), ['login_failed 1', 'login_failed 1'])
  t.equal(await scene.call(), 'login_failed 1')
  t.equal(scene.server.requests.length, 1)
  for (const seconds of [2, 4, 8, 16, 30, 30]) {
    scene.monotonicMs += 60_000
    t.equal(await scene.call(), `login_failed ${seconds}`)
  }
  scene.server.answer = (response) => response.writeHead(503, { 'Retry-After': '3600' }).end()
  scene.monotonicMs += 60_000
  t.equal(await scene.call(), 'login_failed 60')
  t.match(
    [...scene.sessions.list()],
    [{ definition: 'hawkeye', age_s: null, last_error: /answered with 503/ }],
  )
  scene.server.answer = (response, { url }) => {
    if (url.startsWith('/login')) response.setHeader('Set-Cookie', 'SID=at-last')
    response.end()
  }
  scene.monotonicMs += 60_000
  t.equal(await scene.call(), 'SID=at-last')
  scene.server.answer = (response) => response.writeHead(500).end()
  scene.monotonicMs += 60 * MINUTE
  t.equal(await scene.call(), 'login_failed 1', 'the count starts anew')
  t.notMatch(scene.logText, /9f2c/)
})

t.test('a wrong password is not shown again for 10 s', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => response.writeHead(401).end()
  t.equal(await scene.call(), 'login_failed 10')
  scene.monotonicMs += 9999
  t.equal(await scene.call(), 'login_failed 1')
  t.equal(scene.server.requests.length, 1)
  scene.monotonicMs += 1
  scene.server.answer = (response) => response.end('no cookie')
  t.equal(await scene.call(), 'login_failed 10', 'nor where that is said with 200')
  t.equal(scene.server.requests.length, 2)
})

t.test('an expired session is dropped once, and all who saw it get the same other', async (t) => {
  const scene = await Scene.create(t, {}, 20)
  const session = await open(scene)
  scene.monotonicMs = 5001
  const again = await Promise.all([1, 2, 3].map(() => scene.sessions.expired(session)))
  t.same(
    again.map((one) => one && cookieOf(one)),
    ['SID=session-number-2', 'SID=session-number-2', 'SID=session-number-2'],
  )
  const late = await scene.sessions.expired(session)
  t.equal(late && cookieOf(late), 'SID=session-number-2', 'told late')
  t.equal(scene.server.logins, 2)
  await eventually('the log-out', () => scene.server.seen('/logout').length === 1)
  t.same(scene.server.seen('/logout'), ['POST SID=session-number-1'])
})

t.test('a young session is not dropped, nor one more within 5 s', async (t) => {
  const scene = await Scene.create(t)
  const first = await open(scene)
  scene.monotonicMs = 5000
  t.equal(await scene.sessions.expired(first), undefined)
  scene.monotonicMs = 6000
  const second = await scene.sessions.expired(first)
  t.ok(second)
  scene.monotonicMs = 10_900
  t.equal(await scene.sessions.expired(second ?? first), undefined)
  t.equal(scene.server.logins, 2)
})

t.test('where no other can be had, or only the same again, the app gets the answer', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => response.setHeader('Set-Cookie', 'SID=fixed').end()
  const session = await open(scene)
  scene.monotonicMs = 6000
  t.equal(await scene.sessions.expired(session), undefined, 'the same')
  scene.monotonicMs = 12_000
  scene.server.answer = (response) => response.writeHead(500).end()
  t.equal(await scene.sessions.expired(session), undefined, 'none')
  t.equal(await scene.call(), 'login_failed 1', 'it was dropped')
  scene.server.answer = (response) => response.setHeader('Set-Cookie', 'SID=other').end()
  scene.monotonicMs = 16_900
  t.equal(await scene.sessions.expired(session), undefined, 'too soon after the last')
  scene.monotonicMs = 17_100
  t.ok(await scene.sessions.expired(session))
})

t.test('a session that the server gives twice is not logged out while it is carried', async (t) => {
  const scene = await Scene.create(t, {}, 10)
  scene.server.answer = (response) => response.setHeader('Set-Cookie', 'SID=fixed').end()
  await open(scene)
  scene.monotonicMs = 5 * MINUTE
  await open(scene)
  await eventually('the renewal', () => scene.results.length === 2)
  await new Promise((resolve) => setTimeout(resolve, 60))
  t.same(scene.server.seen('/logout'), [])
  const changed = { ...scene.definition, fingerprint: 'f2' }
  scene.sessions.configure([changed])
  await scene.sessions.get(changed)
  await new Promise((resolve) => setTimeout(resolve, 60))
  t.same(scene.server.seen('/logout'), [], 'nor by a changed definition')
})

t.test('a cookie that the API renews is carried from then on, and never shown', async (t) => {
  const scene = await Scene.create(t, {
    apply: { headers: [['X-Session', 'id {sid}']], cookies: [['SID', '{sid}']] },
  })
  const session = await open(scene)
  const headers = ['Set-Cookie', 'SID=rotated-value; Path=/', 'Set-Cookie', 'a=1']
  const answer = readAnswer(session, 200, headers)
  t.same(answer, { isExpired: false, headers: ['Set-Cookie', 'a=1'] })
  const renewed = await open(scene)
  t.equal(cookieOf(renewed), 'SID=rotated-value')
  t.same(renewed.headers, [['X-Session', 'id rotated-value']])
  t.equal(cookieOf(session), 'SID=session-number-1', 'what is under way stays as it is')
  t.same(scene.secrets, ['session-number-1', 'rotated-value'])
  scene.monotonicMs = 6000
  const current = await scene.sessions.expired(session)
  t.equal(current, renewed, 'a call that carried the former is replayed with it')
  t.equal(scene.server.logins, 1)
  await scene.sessions.close()
  t.same(scene.server.seen('/logout'), ['POST SID=rotated-value'])
})

t.test(
  'a cookie of an answer that says the session is gone, or deletes it, is not taken',
  async (t) => {
    const scene = await Scene.create(t, { expiredWhen: { status: [401], location: '/login' } })
    const session = await open(scene)
    const stranger = ['Location', '/login', 'Set-Cookie', 'SID=anonymous']
    t.same(readAnswer(session, 302, stranger), { isExpired: true, headers: ['Location', '/login'] })
    readAnswer(session, 200, ['Set-Cookie', 'SID=; Max-Age=0'])
    readAnswer(session, 200, ['Set-Cookie', 'SID=a\x01b'])
    readAnswer(session, 200, ['Set-Cookie', 'SID=a\xa0'])
    readAnswer(session, 200, ['Set-Cookie', 'sid=other-case'])
    t.equal(await scene.call(), 'SID=session-number-1')
  },
)

t.test(
  'a cookie that stands in a template beside other things is renewed as a whole',
  async (t) => {
    const scene = await Scene.create(t, {
      extract: [['token', '/token']],
      apply: { headers: [], cookies: [['AUTH', 'v1.{token}']] },
    })
    scene.server.answer = (response) => response.end('{"token":"abc"}')
    const session = await open(scene)
    readAnswer(session, 200, ['Set-Cookie', 'AUTH=v2.def'])
    t.equal(await scene.call(), 'AUTH=v2.def')
  },
)

t.test(
  'an unchanged definition keeps its session over a reload, a changed one does not',
  async (t) => {
    const scene = await Scene.create(t, {}, 20)
    await open(scene)
    const same = { ...scene.definition }
    scene.sessions.configure([same])
    t.equal(cookieOf(await scene.sessions.get(same)), 'SID=session-number-1')
    const changed = { ...scene.definition, fingerprint: 'f2' }
    scene.sessions.configure([changed])
    t.equal(cookieOf(await scene.sessions.get(changed)), 'SID=session-number-2')
    t.equal(await scene.call(), 'SID=session-number-1', 'for a request that came before')
    await eventually('the log-out', () => scene.server.seen('/logout').length === 1)
    t.same(scene.server.seen('/logout'), ['POST SID=session-number-1'])
  },
)

t.test('a definition that goes or is switched off is logged out', async (t) => {
  for (const rest of [[], [false]]) {
    const scene = await Scene.create(t, {}, 20)
    await open(scene)
    scene.sessions.configure(rest.map((isActive) => ({ ...scene.definition, isActive })))
    await eventually('the log-out', () => scene.server.seen('/logout').length === 1)
    t.same([...scene.sessions.list()], [])
  }
})

t.test(
  'a late call of an earlier generation logs in for itself, and is logged out too',
  async (t) => {
    const scene = await Scene.create(t)
    scene.sessions.configure([])
    t.equal(await scene.call(), 'SID=session-number-1')
    const stranger = sampleDefinition(scene.server.url, {}, 'never-configured')
    t.equal(cookieOf(await scene.sessions.get(stranger)), 'SID=session-number-2')
    t.equal(await scene.call(), 'SID=session-number-1')
    await scene.sessions.close()
    t.same([...scene.server.seen('/logout')].sort(), [
      'POST SID=session-number-1',
      'POST SID=session-number-2',
    ])
  },
)

t.test('an earlier generation that logs in after it was forgotten is logged out too', async (t) => {
  const scene = await Scene.create(t, {}, 10)
  await open(scene)
  scene.sessions.configure([])
  await eventually('the log-out', () => scene.events('debug').includes('session_closed'))
  scene.sessions.configure([])
  scene.sessions.configure([])
  const late = scene.call()
  await scene.sessions.close()
  t.equal(await late, 'draining')
  t.same(scene.server.seen('/logout'), ['POST SID=session-number-1', 'POST SID=session-number-2'])
})

t.test('at the end a session that the server gave twice is logged out once', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => response.setHeader('Set-Cookie', 'SID=fixed').end()
  await open(scene)
  scene.monotonicMs = 5 * MINUTE
  await open(scene)
  await eventually('the renewal', () => scene.results.length === 2)
  await scene.sessions.close()
  t.same(scene.server.seen('/logout'), ['POST SID=fixed'])
})

t.test('the end logs out every session, those that wait for it too', async (t) => {
  const scene = await Scene.create(t)
  const session = await open(scene)
  scene.monotonicMs = 6000
  await scene.sessions.expired(session)
  await scene.sessions.close()
  t.same([...scene.server.seen('/logout')].sort(), [
    'POST SID=session-number-1',
    'POST SID=session-number-2',
  ])
  t.equal(await scene.call(), 'draining')
})

t.test('a login that is under way at the end is logged out, and who waits is told', async (t) => {
  const scene = await Scene.create(t)
  scene.server.isHolding = true
  const waiting = scene.call()
  await eventually('the login', () => scene.server.requests.length === 1)
  const closed = scene.sessions.close()
  t.equal(await waiting, 'draining')
  scene.server.release()
  await closed
  t.same(scene.server.seen('/logout'), ['POST SID=session-number-1'])
})

t.test('a server that does not answer holds up the end no longer than it may', async (t) => {
  const scene = await Scene.create(t)
  await open(scene)
  scene.server.isHolding = true
  const began = performance.now()
  await scene.sessions.close(200)
  t.ok(performance.now() - began < 3000)
  t.same(scene.events('warn'), ['session_logout_failed'])
})

t.test('nor does a login whose step is not answered', async (t) => {
  const scene = await Scene.create(t)
  const { login } = scene.definition.settings
  const steps = [{ ...login, url: `${scene.server.url}/step`, extract: [] }]
  const definition = { ...scene.definition, settings: { ...scene.definition.settings, steps } }
  scene.sessions.configure([{ ...definition, fingerprint: 'f2' }])
  const { answer } = scene.server
  scene.server.answer = (response, request, count) => {
    if (request.url.startsWith('/login')) answer(response, request, count)
  }
  const waiting = Promise.resolve(scene.sessions.get(definition)).catch(() => undefined)
  await eventually('the step', () => scene.server.seen('/step').length === 1)
  const began = performance.now()
  await scene.sessions.close(200)
  t.ok(performance.now() - began < 3000)
  t.equal(await waiting, undefined)
})

t.test('a login whose step fails is logged out again', async (t) => {
  const scene = await Scene.create(t, {
    steps: [
      {
        method: 'GET',
        url: 'http://127.0.0.1:1/',
        headers: [],
        body: undefined,
        success: [200],
        extract: [],
      },
    ],
  })
  t.equal(await scene.call(), 'login_failed 1')
  await eventually('the log-out', () => scene.server.seen('/logout').length === 1)
  t.same(scene.server.seen('/logout'), ['POST SID=session-number-1'])
})

t.test('nothing secret is printed of a session, nor logged', async (t) => {
  const scene = await Scene.create(t)
  const session = await open(scene)
  const printed = `${inspect(session, { depth: 9 })} ${JSON.stringify(session)}`
  t.notMatch(printed, /session-number|9f2c/)
  t.notMatch(scene.logText, /session-number|9f2c/)
  t.same(scene.events('debug'), ['session_opened'])
  t.same(scene.secrets, ['session-number-1'])
})

t.test('the status of a session is told in wall-clock time', async (t) => {
  const scene = await Scene.create(t)
  t.same([...scene.sessions.list()], [])
  await open(scene)
  scene.monotonicMs += MINUTE
  scene.wallMs += MINUTE
  t.same(
    [...scene.sessions.list()],
    [
      {
        definition: 'hawkeye',
        age_s: 60,
        fresh_until: '2026-01-01T00:05:00.000Z',
        expires_at: '2026-01-01T00:10:00.000Z',
        last_error: null,
      },
    ],
  )
})
