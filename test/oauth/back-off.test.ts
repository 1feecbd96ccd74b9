import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { eventually } from '../harness/eventually.ts'
import { Scene } from './scene.ts'
import { sendJson } from './token-server.ts'

const second = 1000

t.test('a failure is told once to all who wait, those who come later are spared', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => {
    sendJson(response, {}, 500)
  }
  const calls = await Promise.all(Array.from({ length: 100 }, () => scene.call()))
  t.same(new Set(calls), new Set(['token_unavailable 1']))
  t.equal(await scene.call(), 'token_unavailable 1')
  t.equal(scene.fetches, 1)
  t.same(scene.events('warn'), ['token_fetch_failed'])
})

t.test('the pause doubles from 1 s to 30 s, and a success ends it', async (t) => {
  const scene = await Scene.create(t)
  let isDown = true
  scene.server.answer = (response) => {
    if (isDown) sendJson(response, {}, 500)
    else sendJson(response, { access_token: 'abc', expires_in: 10 })
  }
  const fail = async (pause: number) => {
    t.equal(await scene.call(), `token_unavailable ${pause}`)
    const { fetches } = scene
    scene.monotonicMs += pause * second - 1
    t.equal(await scene.call(), 'token_unavailable 1')
    t.equal(scene.fetches, fetches, `nothing is asked within ${pause} s`)
    scene.monotonicMs += 1
  }
  for (const pause of [1, 2, 4, 8, 16, 30, 30, 30]) await fail(pause)
  isDown = false
  t.equal(await scene.call(), 'Bearer abc')
  isDown = true
  scene.monotonicMs += 10 * second
  await fail(1)
})

t.test('a valid token is used while the token server is left alone', async (t) => {
  const scene = await Scene.create(t)
  await scene.call()
  scene.monotonicMs = 1800 * second
  scene.server.answer = (response) => {
    sendJson(response, {}, 500)
  }
  t.equal(await scene.call(), 'Bearer token-1')
  t.match(scene.tokens.get(scene.definition), { authorization: 'Bearer token-1' }, 'at once')
  t.equal(scene.fetches, 2)
  t.match(
    [...scene.tokens.list()],
    [{ last_error: 'the token server answered 500, no error code' }],
  )
})

t.test('a pause of one set of scopes is none of another', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response, count, { body }) => {
    if (body.endsWith('scope=bad')) sendJson(response, { error: 'server_error' }, 500)
    else sendJson(response, { access_token: `t${count}`, expires_in: 60 })
  }
  t.equal(await scene.call(['bad']), 'token_unavailable 1')
  t.equal(await scene.call(['good']), 'Bearer t2')
  t.equal(await scene.call(['bad']), 'token_unavailable 1')
  t.equal(scene.fetches, 2)
})

t.test('invalid_client is remembered 10 s, for all scopes', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => {
    sendJson(response, { error: 'invalid_client' }, 401)
  }
  t.equal(await scene.call(), 'token_unavailable 10')
  scene.monotonicMs = 9999
  t.equal(await scene.call(), 'token_unavailable 1')
  t.equal(await scene.call(['other']), 'token_unavailable 1')
  t.equal(scene.fetches, 1)
  scene.monotonicMs = 10_000
  await scene.call(['other'])
  t.equal(scene.fetches, 2)
})

for (const error of ['unauthorized_client', 'invalid_scope']) {
  t.test(`${error} is remembered 10 s, for its scopes`, async (t) => {
    const scene = await Scene.create(t)
    scene.server.answer = (response, count) => {
      if (count === 1) sendJson(response, { error }, 400)
      else sendJson(response, { access_token: `t${count}` })
    }
    t.equal(await scene.call(), 'token_unavailable 10')
    t.equal(await scene.call(['other']), 'Bearer t2')
    scene.monotonicMs = 9999
    t.equal(await scene.call(), 'token_unavailable 1')
    scene.monotonicMs = 10_000
    t.equal(await scene.call(), 'Bearer t3')
  })
}

t.test('a changed secret does not wait for what was remembered of the old one', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response, count) => {
    if (count === 1) sendJson(response, { error: 'invalid_client' }, 401)
    else sendJson(response, { access_token: `t${count}` })
  }
  await scene.call()
  const changed = { ...scene.definition, fingerprint: 'f2' }
  scene.tokens.configure([changed])
  t.match(await scene.tokens.get(changed), { authorization: 'Bearer t2' })
})

t.test('Retry-After of a 429 is honoured for all scopes, up to 60 s', async (t) => {
  for (const [sent, pause] of [
    ['7', 7],
    ['60', 60],
    ['3600', 60],
    ['9999999999', 60],
    ['0', 1],
    ['nonsense', 1],
    [new Date(Date.UTC(2026, 0, 1, 0, 0, 20)).toUTCString(), 20],
    [new Date(Date.UTC(2026, 0, 2)).toUTCString(), 60],
  ] as const) {
    const scene = await Scene.create(t)
    scene.server.answer = (response) => {
      response.sendDate = false
      sendJson(response, {}, 429, { 'Retry-After': sent })
    }
    t.equal(await scene.call(), `token_unavailable ${pause}`, sent)
    if (pause > 1) t.equal(await scene.call(['other']), `token_unavailable ${pause}`)
    scene.monotonicMs = pause * second - 1
    t.equal(await scene.call(), 'token_unavailable 1')
    t.equal(scene.fetches, 1)
    scene.monotonicMs = pause * second
    await scene.call()
    t.equal(scene.fetches, 2)
  }
})

t.test('Retry-After does not shorten the pause', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => {
    sendJson(response, {}, 503, { 'Retry-After': '1' })
  }
  for (const pause of [1, 2, 4]) {
    t.equal(await scene.call(), `token_unavailable ${pause}`)
    scene.monotonicMs += pause * second
  }
})

t.test('a timeout is 504 for those who waited, then 502', async (t) => {
  const scene = await Scene.create(t, { timeoutMs: 60 })
  scene.server.isHolding = true
  t.same(await Promise.all([scene.call(), scene.call()]), ['token_timeout 1', 'token_timeout 1'])
  t.equal(await scene.call(), 'token_unavailable 1')
  t.same(scene.results, ['crm timeout'])
})

t.test('faults of every kind end in 502 and are counted by kind', async (t) => {
  const scene = await Scene.create(t)
  const faults: readonly (readonly [string, typeof scene.server.answer])[] = [
    ['refused', (response) => response.writeHead(500).end('<h1>oops</h1>')],
    ['refused', (response) => response.writeHead(302, { Location: scene.server.url }).end()],
    ['malformed', (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('x')],
    [
      'malformed',
      (response) => {
        response.on('error', () => undefined)
        response.writeHead(200, { 'Content-Type': 'application/json' })
        response.end(Buffer.alloc(2 * 1024 * 1024))
      },
    ],
    ['malformed', (response) => response.socket?.destroy()],
    ['malformed', (response) => {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '99' })
      response.write('{', () => response.socket?.destroy())
    }], // prettier-ignore
  ]
  for (const [result, answer] of faults) {
    scene.server.answer = answer
    scene.monotonicMs += 60 * second
    t.match(await scene.call(), /^token_unavailable \d+$/)
    t.equal(scene.results.at(-1), `crm ${result}`)
  }
  t.equal(scene.fetches, faults.length)
})

t.test('a token server that is not there is unreachable', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const scene = await Scene.create(t)
  const gone = { ...scene.definition, authServerUrl: `http://127.0.0.1:${port}/` }
  scene.tokens.configure([gone])
  await t.rejects(async () => await scene.tokens.get(gone), {
    code: 'token_unavailable',
    message: 'no connection (ECONNREFUSED) (definition "crm")',
  })
  t.same(scene.results, ['crm unreachable'])
})

t.test('five fetches a second, the others wait, the own scopes first', async (t) => {
  const scene = await Scene.create(t)
  const calls = ['a', 'b', 'c', 'd', 'e', 'f'].map((scope) => scene.call([scope]))
  calls.push(scene.call())
  await Promise.all(calls.slice(0, 5))
  t.equal(scene.fetches, 5)
  scene.monotonicMs = second
  t.equal(await calls[6], 'Bearer token-6')
  t.equal(await calls[5], 'Bearer token-7')
})

t.test('at most 64 fetches are queued or under way, the own scopes beside them', async (t) => {
  const scene = await Scene.create(t)
  scene.server.isHolding = true
  for (let i = 0; i < 64; i++) void scene.call([`s${i}`])
  t.equal(await scene.call(['one-more']), 'overloaded 1')
  void scene.call()
  scene.tokens.close()
})

t.test('at most 10,000 calls of a definition wait', async (t) => {
  const scene = await Scene.create(t)
  scene.server.isHolding = true
  const calls = Array.from({ length: 10_001 }, () => scene.call())
  t.equal(await calls.at(-1), 'overloaded 1')
  await eventually('the fetch', () => scene.server.heldCount === 1)
  scene.server.release()
  t.equal(await calls[9999], 'Bearer token-1')
  scene.server.isHolding = true
  const next = Array.from({ length: 2 }, () => scene.call(['x']))
  await eventually('the fetch', () => scene.server.heldCount === 1)
  scene.server.release()
  t.same(await Promise.all(next), ['Bearer token-2', 'Bearer token-2'], 'there is room again')
})

t.test('at most 64 tokens are kept, the own always, the others by their use', async (t) => {
  const scene = await Scene.create(t)
  await scene.call()
  for (let i = 0; i < 63; i++) {
    scene.monotonicMs += 200
    await scene.call([`s${i}`])
  }
  await scene.call(['s0'])
  t.equal(scene.fetches, 64)
  scene.monotonicMs += 200
  await scene.call(['s63'])
  t.equal(scene.fetches, 65)
  t.equal([...scene.tokens.list()].length, 64)
  await scene.call()
  await scene.call(['s0'])
  t.equal(scene.fetches, 65, 'these are kept')
  scene.monotonicMs += 200
  await scene.call(['s1'])
  t.equal(scene.fetches, 66, 'that was used longest ago')
})

t.test('scopes that are refused push no token out', async (t) => {
  const scene = await Scene.create(t)
  await scene.call(['good'])
  scene.server.answer = (response) => {
    sendJson(response, { error: 'invalid_scope' }, 400)
  }
  for (let i = 0; i < 100; i++) {
    scene.monotonicMs += 200
    await scene.call([`s${i}`])
  }
  t.equal(scene.fetches, 101)
  t.equal(await scene.call(['good']), 'Bearer token-1')
  t.equal([...scene.tokens.list()].length, 65)
})
