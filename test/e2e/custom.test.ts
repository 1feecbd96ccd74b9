/** Modules of users, both directions: who is let in, what goes out, and what neither may do. */
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { RecordingUpstream } from '../harness/recording-upstream.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'

t.setTimeout(60_000)

const SECRET = 'canary-of-the-module-0123456789'
const env = { MODULE_SECRET: SECRET }

const moduleOf = (name: string) => readFile(`test/custom/modules/${name}.mjs`, 'utf8')

async function startInbound(t: Test, more: object = {}) {
  const upstream = await RecordingUpstream.listen(t)
  const sidegate = await SidegateProcess.start(t, {
    env,
    files: { 'scheme.mjs': await moduleOf('hostile') },
    config: {
      inbound: { listen: '127.0.0.1:0', upstream: upstream.url },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json', level: 'trace' },
      security: [
        {
          name: 'own',
          type: 'custom',
          module: 'scheme.mjs',
          secrets: { OWN: '${env:MODULE_SECRET}' },
          options: { list: [1] },
          timeout: '500ms',
          ...more,
        },
        { name: 'mobile', type: 'api_key', key: 'a-key-of-the-mobile-app-0123456789' },
      ],
      channels: [
        { name: 'keys', path: '/keys', security: 'mobile' },
        { name: 'all', path: '/*', security: 'own' },
      ],
    },
  })
  const port = await sidegate.listener('inbound')
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init)
    await answer.text()
    const code = answer.headers.get('x-sidegate-error') ?? ''
    return { said: `${answer.status} ${code}`.trim(), headers: answer.headers }
  }
  return { upstream, sidegate, ask }
}

t.test('a module lets in whom it names, and nobody by any other answer', async (t) => {
  const { upstream, sidegate, ask } = await startInbound(t)
  t.equal(
    (await ask('/ok?a=1', { headers: { 'X-User': 'ada', 'X-Authenticated-User': 'root' } })).said,
    '200',
  )
  t.same(upstream.requests[0]?.values('x-authenticated-user'), ['ada'])
  const refused = await ask('/nobody')
  t.equal(refused.said, '401 unauthorized')
  t.equal(refused.headers.get('www-authenticate'), 'Custom realm="all"')
  const faulty = [
    '/undefined',
    '/text',
    '/no-user',
    '/more',
    '/empty',
    '/lines',
    '/unicode',
    '/blank',
  ]
  for (const path of [...faulty, '/long', '/throw', '/reject', '/never', '/getter', '/exit']) {
    t.equal((await ask(path)).said, '500 scheme_failed', path)
  }
  for (const user of ['mobile', 'own']) {
    const { said } = await ask('/ok', { headers: { 'X-User': user } })
    t.equal(said, '500 scheme_failed', 'the identity of a definition is nobody else')
  }
  t.equal((await ask('/ok')).said, '200')
  t.equal(upstream.requests.length, 2)
  t.notMatch(sidegate.output, SECRET)
  t.strictSame(sidegate.severeLines, [])
})

t.test('a module in a loop holds up nobody else', async (t) => {
  const { ask } = await startInbound(t)
  const loop = ask('/loop')
  const headers = { 'X-API-Key': 'a-key-of-the-mobile-app-0123456789' }
  for (let at = 0; at < 20; at++) t.equal((await ask('/keys', { headers })).said, '200')
  t.equal((await loop).said, '500 scheme_failed')
})

t.test('the body is there for a module that wants it, and then goes on', async (t) => {
  const { upstream, ask } = await startInbound(t, { body: true, body_limit: '1KiB' })
  const post = (body: string) => ask('/body', { method: 'POST', body })
  t.equal((await post('signed-by-somebody')).said, '200')
  t.same(upstream.requests[0]?.values('x-authenticated-user'), ['signed-by-somebody'])
  t.equal(upstream.requests[0]?.body.toString(), 'signed-by-somebody')
  t.equal((await post('x'.repeat(1025))).said, '413 body_too_large')
  t.equal((await ask('/body')).said, '200', 'a request without one has an empty one')
})

t.test('a module that changes is loaded anew, and a faulty one is not taken over', async (t) => {
  const { upstream, sidegate, ask } = await startInbound(t)
  t.equal((await ask('/ok')).said, '200')
  await sidegate.write('scheme.mjs', "export const authenticate = () => ({ user: 'second' })\n")
  t.match(await sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  t.equal((await ask('/nobody')).said, '200')
  t.same(upstream.requests.at(-1)?.values('x-authenticated-user'), ['second'])
  await sidegate.write('scheme.mjs', 'export const authenticate = (\n')
  const refused = await sidegate.admin('/reload', { method: 'POST' })
  t.equal(refused.status, 422)
  t.match(refused.text, /the module cannot be loaded/)
  t.equal((await ask('/x')).said, '200')
})

async function startEgress(t: Test, options: object = {}, more: object = {}) {
  const upstream = await RecordingUpstream.listen(t)
  const sidegate = await SidegateProcess.start(t, {
    env,
    files: { 'scheme.mjs': await moduleOf('signer') },
    config: {
      egress: { listen: '127.0.0.1:0' },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json', level: 'trace' },
      security: [
        {
          name: 'own',
          type: 'custom',
          module: 'scheme.mjs',
          secrets: { OWN: '${env:MODULE_SECRET}' },
          headers: ['X-Own'],
          options,
          ...more,
        },
      ],
      outgoing: [{ name: 'api', url: upstream.url, security: 'own', allow_plaintext: true }],
    },
  })
  const port = await sidegate.listener('egress')
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api${path}`, init)
    await answer.text()
    const code = answer.headers.get('x-sidegate-error') ?? ''
    return `${answer.status} ${code}`.trim()
  }
  const sent = () => upstream.requests.map((request) => request.values('x-own').join())
  return { upstream, sidegate, ask, sent }
}

t.test('a module makes the headers of each request, of declared names alone', async (t) => {
  const { upstream, sidegate, ask, sent } = await startEgress(t)
  t.equal(await ask('/a', { headers: { 'x-own': 'of the app' } }), '200')
  t.equal(await ask('/b'), '200')
  t.same(sent(), [`${SECRET}-1`, `${SECRET}-2`])
  for (const path of ['/undeclared', '/host', '/lines', '/framing', '/none', '/throw']) {
    t.equal(await ask(path), '500 scheme_failed', path)
  }
  t.equal(upstream.requests.length, 2, 'nothing went out bare')
  t.equal(await ask('/describe?x=1', { headers: { 'X-App': 'seen' } }), '200')
  t.equal(sent().at(-1), 'GET /describe x=1 true seen -1')
  t.notMatch(sidegate.output, SECRET)
  t.strictSame(sidegate.severeLines, [])
})

t.test('a module that wants the body gets it, and it goes on', async (t) => {
  const { upstream, ask, sent } = await startEgress(t, {}, { body: true, body_limit: '1KiB' })
  t.equal(await ask('/describe', { method: 'POST', body: 'twelve bytes' }), '200')
  t.equal(sent()[0], 'POST /describe  true  12')
  t.equal(upstream.requests[0]?.body.toString(), 'twelve bytes')
  t.equal(await ask('/x', { method: 'POST', body: 'x'.repeat(1025) }), '413 body_too_large')
})

t.test('what is good for a while is made once, and anew when it is spent', async (t) => {
  const { upstream, ask, sent } = await startEgress(t, { ttl: 60 })
  const cold = await Promise.all(Array.from({ length: 50 }, () => ask('/x')))
  t.same(new Set(cold), new Set(['200']))
  t.same(new Set(sent()), new Set([`${SECRET}-1`]))
  let spent = `${SECRET}-1`
  upstream.scripts.set('/spent', (request, socket) => {
    const isSpent = request.values('x-own')[0] === spent
    const head = isSpent ? '401 No\r\nX-Spent: yes' : '200 OK'
    socket.write(`HTTP/1.1 ${head}\r\nContent-Length: 0\r\n\r\n`)
  })
  t.equal(await ask('/spent'), '401', 'a credential of less than 5 s is not made anew')
  await new Promise((resolve) => setTimeout(resolve, 5100))
  t.equal(await ask('/spent'), '200')
  t.same(sent().slice(-2), [`${SECRET}-1`, `${SECRET}-2`])
  spent = ''
  t.equal(await ask('/x'), '200')
  t.equal(sent().at(-1), `${SECRET}-2`)
})
