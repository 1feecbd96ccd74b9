/** Sessions end to end: one login for all, cookies that the app never sees, expiry, and log-out. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { scriptPath } from '../../harness/egress-cases.ts'
import { forms } from '../../harness/egress-forms.ts'
import { startEgressGate } from '../../harness/egress-gate.ts'
import { SidegateProcess } from '../../harness/sidegate-process.ts'
import { AppServer } from '../../session/app-server.ts'

t.setTimeout(60_000)

const PASSWORD = 'p&ss="word" of the session'
const env = { SESSION_PASSWORD: PASSWORD }

const definitionOf = (url: string, more: object = {}) => ({
  name: 'portal',
  type: 'session',
  username: 'svc',
  password: '${env:SESSION_PASSWORD}',
  login: {
    url: `${url}/login`,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: 'user={username}&password={password}',
  },
  extract: { sid: 'cookie:SID' },
  apply: { headers: { 'X-Session': 'v={sid}' }, cookies: { SID: '{sid}' } },
  expired_when: { status: [401], location: '/login' },
  logout: { method: 'POST', url: `${url}/logout` },
  ...more,
})

async function startScene(t: Test, more: object = {}) {
  const app = await AppServer.start(t)
  const config = {
    egress: { listen: '127.0.0.1:0' },
    admin: { listen: '127.0.0.1:0' },
    log: { format: 'json', level: 'trace', access: true },
    shutdown: { drain_delay: '0s', drain_timeout: '2s' },
    security: [definitionOf(app.url, more)],
    outgoing: [{ name: 'api', url: `${app.url}/api`, security: 'portal', allow_plaintext: true }],
  }
  const sidegate = await SidegateProcess.start(t, { config, env })
  const port = await sidegate.listener('egress')
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 })
  t.after(() => {
    agent.destroy()
  })
  const ask = (path: string, headers: Record<string, string> = {}, body = '') =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; text: string }>(
      (resolve, reject) => {
        const method = body === '' ? 'GET' : 'POST'
        const call = request(
          { host: '127.0.0.1', port, path: `/api${path}`, method, headers, agent },
          (answer) => {
            let text = ''
            answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
            answer.on('end', () => {
              resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text })
            })
          },
        )
        call.on('error', reject)
        call.end(body)
      },
    )
  const checkOutput = (t: Test) => {
    for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'session-number-']) {
      t.notOk(sidegate.output.includes(secret), `no ${secret.slice(0, 4)}… in what was printed`)
    }
    t.strictSame(sidegate.severeLines, [])
  }
  return { app, sidegate, config, ask, checkOutput }
}

t.test('every form carries the session, beside the cookies of the app', async (t) => {
  const app = await AppServer.start(t)
  const gate = await startEgressGate(t, {
    security: [definitionOf(app.url, { password: '${env:SVC_PASSWORD}' })],
    kinds: { open: { security: 'portal', allow_plaintext: true } },
  })
  const upstream = gate.world.upstreams.open
  const path = scriptPath('open', '/x')
  upstream.scripts.set(path, (_, socket) => {
    socket.write(
      'HTTP/1.1 200 OK\r\nSet-Cookie: theme=dark\r\nSet-Cookie: sid=renewed; Path=/\r\nContent-Length: 2\r\n\r\nok',
    )
  })
  for (const form of forms) {
    const way = await form.open(t, gate, 'open')
    const before = upstream.requests.length
    const lines = 'Cookie: a=1; SID=forged\r\nCookie: b=2\r\nX-Session: forged\r\n'
    const text = `GET ${way.target('/x')} HTTP/1.1\r\n${way.host}${lines}\r\n`
    const answer = await way.client.request(text, 'GET')
    t.equal(answer.status, 200, form.name)
    t.same(
      answer.headers
        .filter(([name]) => name.toLowerCase() === 'set-cookie')
        .map(([, value]) => value),
      ['theme=dark'],
      form.name,
    )
    const [seen] = upstream.requests.slice(before)
    t.match(seen?.values('cookie'), [/^a=1; b=2; SID=(?:session-number-1|renewed)$/], form.name)
    t.match(seen?.values('x-session'), [/^v=(?:session-number-1|renewed)$/], form.name)
    await gate.check(t, way.client)
    way.client.destroy()
  }
  t.equal(app.logins, 1)
})

t.test('a thousand cold calls make one login', async (t) => {
  const { app, ask, sidegate, checkOutput } = await startScene(t)
  app.isHolding = true
  const calls = Array.from({ length: 1000 }, () => ask('/x'))
  await eventually('the login', () => app.requests.length > 0)
  await sleep(100)
  app.release()
  const answers = await Promise.all(calls)
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
  t.equal(app.logins, 1)
  t.equal(app.seen('/api/x').length, 1000)
  t.same(new Set(app.seen('/api/x')), new Set(['GET SID=session-number-1']))
  const [login] = app.requests
  t.same(Object.fromEntries(new URLSearchParams(login?.body)), { user: 'svc', password: PASSWORD })
  t.match(await sidegate.status(), {
    tokens: [{ definition: 'portal', scopes: [], last_error: null }],
  })
  await ask('/echo/session-number-1')
  const { text } = await sidegate.admin('/metrics')
  t.match(text, 'sidegate_token_requests_total{definition="portal",result="success"} 1')
  checkOutput(t)
})

t.test('an API that renews the cookie is followed, and the app sees none of it', async (t) => {
  const { app, ask, checkOutput } = await startScene(t)
  const usual = app.answer
  app.answer = (response, seen, count) => {
    if (seen.url === '/api/renew') response.setHeader('Set-Cookie', 'SID=session-number-renewed')
    usual(response, seen, count)
  }
  t.equal((await ask('/renew')).headers['set-cookie'], undefined)
  await ask('/after')
  t.same(app.seen('/api/after'), ['GET SID=session-number-renewed'])
  checkOutput(t)
})

t.test('a session that is gone is replaced and the call sent once more', async (t) => {
  const { app, ask, checkOutput } = await startScene(t)
  let gone = ''
  let how = 401
  const usual = app.answer
  app.answer = (response, seen, count) => {
    const { cookie = '' } = seen.headers
    if (seen.url.startsWith('/api') && gone !== '' && cookie.includes(gone)) {
      response.writeHead(how, { Location: '/login?again', 'Set-Cookie': 'SID=of-a-stranger' })
      response.end()
    } else usual(response, seen, count)
  }
  t.equal((await ask('/x')).status, 200)
  gone = 'session-number-1'
  const early = await ask('/early')
  t.equal(early.status, 401, 'a login of less than 5 s is no reason for another')
  t.equal(early.headers['set-cookie'], undefined)
  await sleep(5100)
  const posted = await ask('/posted', {}, 'a body')
  t.equal(posted.status, 200)
  const bodies = app.requests.filter(({ url }) => url === '/api/posted').map(({ body }) => body)
  t.same(bodies, ['a body', 'a body'])
  t.same(app.seen('/api/posted'), ['POST SID=session-number-1', 'POST SID=session-number-2'])

  gone = 'session-number-2'
  how = 302
  await sleep(5100)
  t.equal((await ask('/moved')).status, 200, 'a redirect to the login means it, too')
  t.same(app.seen('/api/moved'), ['GET SID=session-number-2', 'GET SID=session-number-3'])
  checkOutput(t)
})

t.test('without a session nothing is sent bare', async (t) => {
  const { app, ask, checkOutput, sidegate } = await startScene(t)
  app.answer = (response) => {
    response.writeHead(403).end(`no ${PASSWORD}`)
  }
  const first = await ask('/x')
  t.equal(first.status, 502)
  t.equal(first.headers['x-sidegate-error'], 'login_failed')
  t.match(first.headers['retry-after'], /^\d+$/)
  t.equal((await ask('/x')).headers['x-sidegate-error'], 'login_failed')
  t.same(app.seen('/api'), [])
  t.equal(app.seen('/login').length, 1, 'a refusal is remembered')
  t.match(await sidegate.status(), {
    tokens: [{ definition: 'portal', age_s: null, last_error: /answered with 403, wanted 200/ }],
  })
  checkOutput(t)
})

t.test('sessions are logged out: of a definition that changed, and at the end', async (t) => {
  const { app, ask, sidegate, config, checkOutput } = await startScene(t)
  await ask('/x')
  const changed = { ...config, security: [definitionOf(app.url, { username: 'other' })] }
  await sidegate.write('sidegate.yaml', JSON.stringify(changed))
  t.match(await sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
  await ask('/y')
  t.same(app.seen('/api'), ['GET SID=session-number-1', 'GET SID=session-number-2'])
  t.same(app.seen('/logout'), [])
  await sidegate.stop()
  t.same([...app.seen('/logout')].sort(), [
    'POST SID=session-number-1',
    'POST SID=session-number-2',
  ])
  checkOutput(t)
})
