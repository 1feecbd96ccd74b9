import { inspect } from 'node:util'
import t from 'tap'
import { Token } from '../../src/oauth/token.ts'
import { Secret } from '../../src/secret.ts'
import { eventually } from '../harness/eventually.ts'
import { clientSecret } from './sample-definition.ts'
import { Scene } from './scene.ts'
import { sendJson } from './token-server.ts'

const second = 1000
const hour = 3600 * second

t.test('the first call fetches, the next has the token at once', async (t) => {
  const scene = await Scene.create(t)
  const first = await scene.tokens.get(scene.definition)
  t.equal(first.authorization, 'Bearer token-1')
  t.equal(scene.tokens.get(scene.definition), first, 'no promise')
  t.equal(scene.fetches, 1)
  t.same(scene.results, ['crm success'])
  t.same(scene.values, ['token-1'])
})

t.test('1,000 calls at once make one fetch', async (t) => {
  const scene = await Scene.create(t)
  const calls = await Promise.all(Array.from({ length: 1000 }, () => scene.call()))
  t.same(new Set(calls), new Set(['Bearer token-1']))
  t.equal(scene.fetches, 1)
})

t.test('a caller who leaves cancels nothing', async (t) => {
  const scene = await Scene.create(t)
  scene.server.isHolding = true
  const left = scene.tokens.get(scene.definition)
  t.equal(await Promise.race([left, Promise.resolve('left')]), 'left')
  await eventually('the fetch', () => scene.server.heldCount === 1)
  scene.server.release()
  await eventually('the token', () => scene.tokens.get(scene.definition) instanceof Token)
  t.equal(scene.fetches, 1)
})

t.test('half of the validity over, the next call fetches anew', async (t) => {
  const scene = await Scene.create(t)
  await scene.call()
  scene.monotonicMs = hour / 2 - 1
  t.equal(await scene.call(), 'Bearer token-1')
  t.equal(scene.fetches, 1)
  scene.monotonicMs = hour / 2
  const calls = await Promise.all([scene.call(), scene.call(), scene.call()])
  t.same(calls, ['Bearer token-2', 'Bearer token-2', 'Bearer token-2'])
  t.equal(scene.fetches, 2)
})

t.test('a token server that is slow at half-life costs refresh_wait once', async (t) => {
  const scene = await Scene.create(t, { refreshWaitMs: 60 })
  await scene.call()
  scene.monotonicMs = hour / 2
  scene.server.isHolding = true
  const begin = performance.now()
  const calls = await Promise.all([scene.call(), scene.call()])
  t.ok(performance.now() - begin >= 59)
  t.same(calls, ['Bearer token-1', 'Bearer token-1'])
  const later = scene.tokens.get(scene.definition)
  t.ok(later instanceof Token, 'who comes later waits no more')
  t.equal(scene.fetches, 2)
  scene.server.release()
  await eventually('the new token', async () => (await scene.call()) === 'Bearer token-2')
  t.equal(scene.fetches, 2)
})

t.test('with refresh_wait 0 the old token is used while the new one is fetched', async (t) => {
  const scene = await Scene.create(t, { refreshWaitMs: 0 })
  await scene.call()
  scene.monotonicMs = hour / 2
  t.match(scene.tokens.get(scene.definition), { authorization: 'Bearer token-1' })
  await eventually('the new token', async () => (await scene.call()) === 'Bearer token-2')
  t.equal(scene.fetches, 2)
})

t.test('a refresh that fails at once gives the old token at once', async (t) => {
  const scene = await Scene.create(t, { refreshWaitMs: 30_000 })
  await scene.call()
  scene.monotonicMs = hour / 2
  scene.server.answer = (response) => {
    sendJson(response, {}, 500)
  }
  t.equal(await scene.call(), 'Bearer token-1')
})

for (const [life, end] of [
  [3600, 3590],
  [50, 45],
  [100, 90],
] as const) {
  t.test(`down from half-life on, a token of ${life} s is used until ${end} s`, async (t) => {
    const scene = await Scene.create(t)
    scene.server.answer = (response, count) => {
      if (count === 1) sendJson(response, { access_token: 'abc', expires_in: life })
      else sendJson(response, {}, 503)
    }
    await scene.call()
    for (let at = (life / 2) * second; at < end * second; at += (life / 100) * second) {
      scene.monotonicMs = at
      if ((await scene.call()) !== 'Bearer abc') t.fail(`at ${at} ms`)
    }
    scene.monotonicMs = end * second - 1
    t.equal(await scene.call(), 'Bearer abc')
    t.ok(scene.fetches > 2, 'it was tried')
    scene.monotonicMs = end * second
    t.match(await scene.call(), /^token_unavailable \d+$/)
  })
}

t.test('an old token whose end comes while a call waits is not used', async (t) => {
  const scene = await Scene.create(t, { refreshWaitMs: 40 })
  await scene.call()
  scene.monotonicMs = hour - 11 * second
  scene.server.isHolding = true
  const call = scene.call()
  scene.monotonicMs = hour - 10 * second
  const early = await Promise.race([call, new Promise((resolve) => setTimeout(resolve, 200))])
  t.equal(early, undefined, 'it waits on')
  scene.server.release()
  t.equal(await call, 'Bearer token-2')
})

t.test('no token is kept for more than 24 h', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response, count) => {
    sendJson(response, { access_token: `t${count}`, expires_in: 1e9 })
  }
  await scene.call()
  scene.monotonicMs = 12 * hour - 1
  t.equal(await scene.call(), 'Bearer t1')
  scene.monotonicMs = 12 * hour
  t.equal(await scene.call(), 'Bearer t2')
})

t.test('without expires_in a token lives for default_ttl', async (t) => {
  const scene = await Scene.create(t, { defaultTtlMs: 20 * second })
  scene.server.answer = (response, count) => {
    sendJson(response, { access_token: `t${count}` })
  }
  await scene.call()
  scene.monotonicMs = 10 * second - 1
  t.equal(await scene.call(), 'Bearer t1')
  scene.monotonicMs = 10 * second
  t.equal(await scene.call(), 'Bearer t2')
})

t.test('how long the answer was on its way does not lengthen a life', async (t) => {
  const scene = await Scene.create(t)
  scene.server.isHolding = true
  const call = scene.call()
  await eventually('the fetch', () => scene.server.heldCount === 1)
  scene.monotonicMs = 8 * second
  scene.server.release()
  await call
  scene.monotonicMs = hour / 2
  t.equal(await scene.call(), 'Bearer token-2')
})

for (const life of [0, -1, 'soon', '']) {
  t.test(`expires_in ${JSON.stringify(life)} serves those who waited, no more`, async (t) => {
    const scene = await Scene.create(t)
    scene.server.answer = (response, count) => {
      sendJson(response, { access_token: `t${count}`, expires_in: life })
    }
    const calls = await Promise.all([scene.call(), scene.call()])
    t.same(calls, ['Bearer t1', 'Bearer t1'])
    t.equal(await scene.call(), 'Bearer t2')
    t.same([...scene.tokens.list()], [])
    t.same(scene.expiries, [])
  })
}

t.test('jumps of the wall clock change nothing', async (t) => {
  const scene = await Scene.create(t)
  await scene.call()
  for (const jumpMs of [365 * 24 * hour, -2 * 365 * 24 * hour]) {
    scene.wallMs += jumpMs
    t.equal(await scene.call(), 'Bearer token-1')
  }
  scene.server.answer = (response) => {
    sendJson(response, {}, 500)
  }
  t.equal(await scene.call(['other']), 'token_unavailable 1')
  scene.wallMs += 365 * 24 * hour
  t.equal(await scene.call(['other']), 'token_unavailable 1')
  t.equal(scene.fetches, 2)
})

t.test(
  'scopes of a call: neither order nor repeats matter, the wire has them as asked',
  async (t) => {
    const scene = await Scene.create(t)
    t.equal(await scene.call(['b', 'a', 'b']), 'Bearer token-1')
    t.equal(await scene.call(['a', 'b']), 'Bearer token-1')
    t.match(scene.tokens.get(scene.definition, ['a', 'a', 'b']), {
      authorization: 'Bearer token-1',
    })
    t.match(scene.server.requests[0]?.body, /&scope=b\+a$/)
    t.equal(await scene.call(['a']), 'Bearer token-2')
    t.equal(await scene.call([]), 'Bearer token-3', 'none: those of the definition')
    t.equal(await scene.call(['write:users', 'read:users']), 'Bearer token-3')
    t.equal(await scene.call(), 'Bearer token-3')
    t.match(scene.server.requests[2]?.body, /&scope=read%3Ausers\+write%3Ausers$/)
  },
)

t.test('a scope with a blank in it is not two scopes', async (t) => {
  const scene = await Scene.create(t)
  t.equal(await scene.call(['a', 'b']), 'Bearer token-1')
  t.equal(await scene.call(['a b']), 'Bearer token-2')
})

t.test('allowed_scopes bounds what a call may ask for', async (t) => {
  const scene = await Scene.create(t, { allowedScopes: ['read:users', 'write:users', 'x'] })
  t.equal(await scene.call(['x', 'y']), 'scope_refused')
  t.equal(await scene.call(['x read:users']), 'scope_refused')
  t.equal(scene.fetches, 0)
  t.equal(await scene.call(['x', 'read:users']), 'Bearer token-1')
  const open = await Scene.create(t)
  t.equal(await open.call(['anything']), 'Bearer token-1')
})

t.test('a changed definition loses its tokens, the others stay warm', async (t) => {
  const scene = await Scene.create(t)
  const changing = { ...scene.definition, name: 'erp', fingerprint: 'e1' }
  scene.tokens.configure([scene.definition, changing])
  const kept = await scene.tokens.get(scene.definition)
  await scene.tokens.get(changing)
  t.equal(scene.fetches, 2)

  const again = { ...scene.definition }
  const changed = { ...changing, fingerprint: 'e2', password: new Secret('changed') }
  scene.tokens.configure([again, changed])
  t.equal(scene.tokens.get(again), kept)
  t.match(await scene.tokens.get(changed), { authorization: 'Bearer token-3' })
  t.match(scene.server.requests[2]?.body, /client_secret=changed/)

  scene.tokens.configure([changed])
  scene.tokens.configure([again, changed])
  t.match(await scene.tokens.get(again), { authorization: 'Bearer token-4' }, 'it was gone')
})

t.test('what was asked for before a change serves those who waited for it only', async (t) => {
  const scene = await Scene.create(t)
  scene.server.isHolding = true
  const before = scene.call()
  await eventually('the fetch', () => scene.server.heldCount === 1)
  const changed = { ...scene.definition, fingerprint: 'f2' }
  scene.tokens.configure([changed])
  const after = scene.tokens.get(changed)
  await eventually('the other fetch', () => scene.server.heldCount === 2)
  scene.server.release()
  t.equal(await before, 'Bearer token-1')
  t.match(await after, { authorization: 'Bearer token-2' })
  t.match(scene.tokens.get(changed), { authorization: 'Bearer token-2' })
  t.same(scene.results, ['crm success'], 'the metrics are of the new generation')
  t.equal(scene.expiries.length, 1)
})

t.test('a request that is under way on an older generation gets a token, not kept', async (t) => {
  const scene = await Scene.create(t)
  const old = scene.definition
  scene.tokens.configure([{ ...old, fingerprint: 'f2' }])
  t.match(await scene.tokens.get(old), { authorization: 'Bearer token-1' })
  t.match(await scene.tokens.get(old), { authorization: 'Bearer token-2' })
  t.same([...scene.tokens.list()], [])
})

t.test('definitions that differ in their name alone share nothing', async (t) => {
  const scene = await Scene.create(t)
  const other = { ...scene.definition, name: 'erp' }
  scene.tokens.configure([scene.definition, other])
  await scene.call()
  t.match(await scene.tokens.get(other), { authorization: 'Bearer token-2' })
})

t.test('prefetch fetches in the background when a generation is loaded', async (t) => {
  const scene = await Scene.create(t, { prefetch: true })
  await eventually('the token', () => scene.tokens.get(scene.definition) instanceof Token)
  t.equal(scene.fetches, 1)
  scene.tokens.configure([{ ...scene.definition }])
  scene.tokens.configure([{ ...scene.definition, name: 'off', isActive: false }])
  const other = { ...scene.definition, name: 'other', prefetch: false }
  scene.tokens.configure([other])
  await scene.tokens.get(other)
  t.equal(scene.fetches, 2, 'neither what is warm nor what is inactive')
})

t.test('a prefetch that fails harms nobody', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => {
    sendJson(response, {}, 500)
  }
  scene.tokens.configure([{ ...scene.definition, fingerprint: 'f2', prefetch: true }])
  await eventually('the failure', () => scene.results.length === 1)
  t.same(scene.results, ['crm refused'])
})

t.test('/status has every token and every failure, and no secret', async (t) => {
  const scene = await Scene.create(t)
  await scene.call()
  scene.server.answer = (response) => {
    sendJson(response, { access_token: 'zero', expires_in: 10 })
  }
  await scene.call(['short'])
  scene.server.answer = (response) => {
    sendJson(response, { error: 'invalid_scope' }, 400)
  }
  await scene.call(['nonsense'])
  scene.monotonicMs = 90 * second
  scene.wallMs += 90 * second
  const status = [...scene.tokens.list()]
  t.same(status, [
    {
      definition: 'crm',
      scopes: ['read:users', 'write:users'],
      age_s: 90,
      fresh_until: '2026-01-01T00:30:00.000Z',
      expires_at: '2026-01-01T01:00:00.000Z',
      last_error: null,
    },
    {
      definition: 'crm',
      scopes: ['nonsense'],
      age_s: null,
      fresh_until: null,
      expires_at: null,
      last_error: 'the token server answered 400, invalid_scope',
    },
  ])
  t.same(scene.expiries, [Date.UTC(2026, 0, 1, 1)], 'of the own scopes, when it was fetched')
})

t.test('a token and a secret are in no line of the log and in no print of a token', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = hour
  scene.server.answer = (response) => {
    sendJson(response, { error: clientSecret }, 400)
  }
  await scene.call()
  const text = scene.logText + JSON.stringify([...scene.tokens.list()])
  t.match(text, /token_fetch_failed/)
  t.notMatch(text, /token-1|client-secret-9f2c/)
  const prints = [inspect(token, { depth: 9, showHidden: true }), JSON.stringify(token)]
  t.notMatch(prints.join(), /token-1|client-secret-9f2c/)
})

t.test('a missing token_type and reduced scopes are warned of once', async (t) => {
  const scene = await Scene.create(t, { defaultTtlMs: 1 })
  scene.server.answer = (response) => {
    sendJson(response, { access_token: 'abc', scope: 'read:users LEAK' })
  }
  for (let i = 0; i < 3; i++) {
    scene.monotonicMs += second
    await scene.call()
  }
  t.equal(scene.fetches, 3)
  t.same(scene.events('warn'), ['token_type_missing', 'token_scopes_reduced'])
  t.match(
    scene.lines('warn').find(({ event }) => event === 'token_scopes_reduced'),
    { definition: 'crm', missing: ['write:users'] },
  )
  t.notMatch(scene.logText, /LEAK/)
})

t.test('closed, it tells those who wait and asks nobody any more', async (t) => {
  const scene = await Scene.create(t)
  scene.server.isHolding = true
  const calls = [scene.call(), scene.call(['x'])]
  await eventually('the fetches', () => scene.server.heldCount === 2)
  scene.tokens.close()
  t.same(await Promise.all(calls), ['draining', 'draining'])
  t.equal(await scene.call(), 'draining')
  t.equal(scene.fetches, 2)
  t.same(scene.results, [])
  await eventually('no connection is left', () => scene.server.closedCount === 2, 2000)
})
