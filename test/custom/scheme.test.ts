/** Modules that try what they may not do: the call fails, in our words, and nothing else happens. */
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { loadModule } from '../../src/custom/load-module.ts'
import type { ReducedAnswer } from '../../src/custom/messages.ts'
import { CustomScheme } from '../../src/custom/scheme.ts'
import type { SidegateError } from '../../src/errors.ts'
import { eventually } from '../harness/eventually.ts'

t.setTimeout(60_000)

const SECRET = 'canary-of-the-module'
process.env['CANARY_OF_THE_PROCESS'] = 'set'

function start(t: Test, module = 'hostile') {
  const faults: string[] = []
  let nowMs = 0
  const scheme = new CustomScheme({
    name: 'own',
    settings: {
      module: resolve(`test/custom/modules/${module}.mjs`),
      memoryBytes: 32 * 1024 * 1024,
      options: { list: [1] },
      secrets: [['OWN', SECRET]],
      timeoutMs: 500,
    },
    monotonicMs: () => nowMs,
    onFault: (detail) => faults.push(detail),
  })
  t.teardown(() => {
    scheme.close()
  })
  const call = (path: string, body?: Uint8Array): Promise<ReducedAnswer> =>
    scheme.call({
      name: 'authenticate',
      given: { method: 'GET', path, query: '', headers: ['X-User', 'me'], ...(body && { body }) },
    })
  /** The words of the failure. */
  const fails = async (path: string): Promise<string> => {
    try {
      return JSON.stringify(await call(path))
    } catch (error) {
      const { code, message } = error as SidegateError
      return `${code}: ${message}`
    }
  }
  const pass = (ms: number) => (nowMs += ms)
  return { scheme, call, fails, faults, pass }
}

t.test('an answer is an answer', async (t) => {
  const { call } = start(t)
  t.same(await call('/ok'), { user: 'me' })
  t.same(await call('/nobody'), { user: undefined })
  t.same(await call('/body', Buffer.from('all of it')), { user: 'all of it' })
  t.same(await call('/print'), { user: 'printer' })
})

t.test('what is no answer fails in our words', async (t) => {
  const { fails, call, faults } = start(t)
  const wanted: readonly [path: string, words: RegExp][] = [
    ['/undefined', /gave something else than the answer/],
    ['/text', /gave something else than the answer/],
    ['/no-user', /gave something else than the answer/],
    ['/more', /members that it should not have/],
    ['/long', /a user that is not/],
    ['/huge', /a user that is not/],
    ['/getter', /threw Error at hostile\.mjs:\d+:\d+/],
    ['/throw', /threw TypeError at hostile\.mjs:\d+:\d+/],
    ['/reject', /threw Error/],
    ['/never', /took more than 500 ms/],
  ]
  for (const [path, words] of wanted) {
    const told = await fails(path)
    t.match(told, /^scheme_failed: authenticate /, path)
    t.match(told, words, path)
    t.notMatch(told, SECRET)
  }
  await sleep(700)
  t.equal(faults.length, wanted.length, 'who waits for something ends no thread')
  t.notMatch(faults.join(), SECRET)
  t.same(await call('/ok'), { user: 'me' }, 'and the next call goes well')
})

t.test(
  'nothing of the process is there to be seen, and nothing given can be changed',
  async (t) => {
    const { call } = start(t)
    const seen = (await call('/see')) as { user: string }
    t.same(JSON.parse(seen.user), [[], [], [], ['OWN'], { list: [1] }])
    t.same(await call('/change'), { user: '1' })
    t.same(await call('/change'), { user: '1' })
  },
)

for (const [path, words] of [
  ['/loop', /took more than 500 ms/],
  ['/memory', /more memory than it may/],
  ['/exit', /ended its thread/],
  ['/late-throw', /threw outside of a call/],
  ['/late-reject', /threw outside of a call/],
] as const) {
  t.test(`a module that tries ${path} ends its thread alone, and is started again`, async (t) => {
    const { fails, call, faults } = start(t)
    t.same(await call('/ok'), { user: 'me' })
    const before = performance.now()
    t.match(await fails(path), words)
    t.ok(performance.now() - before < 5000, 'the event loop went on')
    await eventually('the thread has ended', () =>
      faults.some((fault) => /ended|outside|memory|come to an end/.test(fault)),
    )
    t.same(await call('/ok'), { user: 'me' }, 'at once the first time')
  })
}

t.test('a thread that ends again and again is started after a pause', async (t) => {
  const { fails, call, pass } = start(t)
  t.match(await fails('/exit'), /ended its thread/)
  t.match(await fails('/exit'), /ended its thread/)
  t.match(await fails('/ok'), /started again in 1 s/)
  pass(1000)
  t.match(await fails('/exit'), /ended its thread/)
  t.match(await fails('/ok'), /started again in 2 s/)
  pass(2000)
  t.same(await call('/ok'), { user: 'me' })
})

t.test('calls under way end as they would when the definition goes', async (t) => {
  const { scheme, call, fails } = start(t)
  await call('/ok')
  const late = call('/ok')
  scheme.close()
  t.same(await late, { user: 'me' })
  t.match(await fails('/ok'), /^scheme_failed/)
})

t.test('what a module exports, and why it cannot be loaded', async (t) => {
  const load = (module: string) =>
    loadModule({ module, memoryBytes: 2 ** 25, options: {}, secrets: [], timeoutMs: 500 })
  t.same(await load(resolve('test/custom/modules/signer.mjs')), {
    exports: { prepare: 'function', rejected: 'function' },
  })
  t.same(await load(resolve('test/custom/modules/nothing.mjs')), {
    problem: 'found no such file',
  })
})
