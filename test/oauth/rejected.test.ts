import t from 'tap'
import type { Token } from '../../src/oauth/token.ts'
import { eventually } from '../harness/eventually.ts'
import { Scene } from './scene.ts'
import { sendJson } from './token-server.ts'

const second = 1000

/** What the replay would be sent with. */
async function reject(scene: Scene, token: Token): Promise<string | undefined> {
  return (await scene.tokens.rejected(token))?.authorization
}

t.test('a 401 to a token older than 5 s brings a new one', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 5 * second
  t.equal(await reject(scene, token), undefined, 'not yet')
  t.equal(scene.fetches, 1)
  t.equal(scene.tokens.get(scene.definition), token, 'it is kept')
  scene.monotonicMs = 5 * second + 1
  t.equal(await reject(scene, token), 'Bearer token-2')
  t.equal(await scene.call(), 'Bearer token-2')
  t.equal(scene.fetches, 2)
})

t.test('many 401s at once make one fetch, and each gets the new token', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 6 * second
  const replays = await Promise.all(Array.from({ length: 100 }, () => reject(scene, token)))
  t.same(new Set(replays), new Set(['Bearer token-2']))
  t.equal(await reject(scene, token), 'Bearer token-2', 'who comes late has it at once')
  t.equal(scene.fetches, 2)
})

t.test('the rejected token is used by nobody while the new one is fetched', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 6 * second
  scene.server.isHolding = true
  const replay = reject(scene, token)
  const call = scene.call()
  await eventually('the fetch', () => scene.server.heldCount === 1)
  scene.server.release()
  t.same(await Promise.all([replay, call]), ['Bearer token-2', 'Bearer token-2'])
  t.equal(scene.fetches, 2)
})

t.test('a fetch that is under way anyhow is shared', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 1800 * second
  scene.server.isHolding = true
  const call = scene.call()
  await eventually('the fetch', () => scene.server.heldCount === 1)
  const replay = reject(scene, token)
  scene.server.release()
  t.same(await Promise.all([replay, call]), ['Bearer token-2', 'Bearer token-2'])
  t.equal(scene.fetches, 2)
})

t.test('there is no replay where the fetch fails, nor another fetch for 5 s', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 6 * second
  scene.server.answer = (response, count) => {
    if (count === 2) sendJson(response, {}, 500)
    else sendJson(response, { access_token: `t${count}`, expires_in: 3600 })
  }
  t.equal(await reject(scene, token), undefined)
  t.equal(scene.fetches, 2)
  scene.monotonicMs += 4999
  t.equal(await reject(scene, token), undefined, 'the pause of 1 s is over, the 5 s are not')
  t.equal(scene.fetches, 2)
  scene.monotonicMs += 1
  t.equal(await reject(scene, token), 'Bearer t3')
})

t.test('a call after a 401 whose fetch failed has no token to use', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 6 * second
  scene.server.answer = (response) => {
    sendJson(response, {}, 500)
  }
  await reject(scene, token)
  t.equal(await scene.call(), 'token_unavailable 1')
})

t.test('there is no replay with the same token', async (t) => {
  const scene = await Scene.create(t)
  scene.server.answer = (response) => {
    sendJson(response, { access_token: 'same', expires_in: 3600 })
  }
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 6 * second
  t.equal(await reject(scene, token), undefined)
  t.equal(scene.fetches, 2)
  t.equal(await reject(scene, token), undefined)
  t.equal(scene.fetches, 2, 'it was fetched just now')
  t.equal(await scene.call(), 'Bearer same')
})

t.test('while the token server is to be left alone the token is kept', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.server.answer = (response) => {
    sendJson(response, {}, 429, { 'Retry-After': '30' })
  }
  await scene.call(['other'])
  scene.monotonicMs = 6 * second
  t.equal(await reject(scene, token), undefined)
  t.equal(scene.tokens.get(scene.definition), token)
  t.equal(scene.fetches, 2)
})

t.test('a 401 drops the token of its scopes only', async (t) => {
  const scene = await Scene.create(t)
  const own = await scene.tokens.get(scene.definition)
  const other = await scene.tokens.get(scene.definition, ['x'])
  scene.monotonicMs = 6 * second
  t.equal(await reject(scene, other), 'Bearer token-3')
  t.equal(scene.tokens.get(scene.definition), own)
  t.match(scene.server.requests[2]?.body, /scope=x$/)
})

t.test('a token of a definition that has changed brings nothing', async (t) => {
  const scene = await Scene.create(t)
  const token = await scene.tokens.get(scene.definition)
  scene.monotonicMs = 6 * second
  scene.tokens.configure([{ ...scene.definition, fingerprint: 'f2' }])
  t.equal(await reject(scene, token), undefined)
  t.equal(scene.fetches, 1)
})
