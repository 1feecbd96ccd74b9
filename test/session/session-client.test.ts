import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import t from 'tap'
import { SidegateError } from '../../src/errors.ts'
import {
  SessionClient,
  type LoggedIn,
  type LoginFailure,
} from '../../src/session/session-client.ts'
import type { SessionDefinition, SessionSettings } from '../../src/session/settings.ts'
import { AppServer, startRaw } from './app-server.ts'
import { password, sampleDefinition } from './sample-definition.ts'
import { createUpstream } from './scene.ts'

const nowMs = () => Date.UTC(2026, 0, 1)

async function logIn(
  url: string,
  changes: Partial<SessionSettings> = {},
): Promise<LoggedIn | LoginFailure> {
  const client = new SessionClient({ nowMs, upstreamOf: (_, target) => createUpstream(target) })
  return await client.login(sampleDefinition(url, changes))
}

t.test('a login is one request, framed and on a connection of its own', async (t) => {
  const server = await AppServer.start(t)
  const outcome = await logIn(server.url)
  t.match(outcome, { kind: 'session', applied: { cookies: [['SID', 'session-number-1']] } })
  const [request] = server.requests
  t.match(request, { method: 'POST', url: '/login?tenant=1' })
  t.equal(request?.body, 'user=svc+app&password=pass%22word%269f2c-long')
  t.match(request?.headers, {
    host: `127.0.0.1:${server.port}`,
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(request?.body.length),
    accept: '*/*',
    'user-agent': 'sidegate',
    connection: 'close',
    'transfer-encoding': undefined,
    'accept-encoding': undefined,
  })
})

t.test('a password with quotes stays within its JSON string', async (t) => {
  const server = await AppServer.start(t)
  const { login } = sampleDefinition(server.url).settings
  await logIn(server.url, {
    login: {
      ...login,
      headers: [['content-type', 'application/json']],
      body: '{{"p":"{password}"}}',
    },
  })
  t.same(JSON.parse(server.requests[0]?.body ?? ''), { p: password })
})

t.test('steps follow in order with what was taken before them', async (t) => {
  const server = await AppServer.start(t)
  server.answer = (response, { url }) => {
    if (url.startsWith('/login')) response.setHeader('X-Ticket', 'ticket-1')
    if (url === '/csrf') response.setHeader('Set-Cookie', 'SID=abc')
    response.end('{"data":{"csrf":"csrf-1"}}')
  }
  const outcome = await logIn(server.url, {
    extract: [['ticket', 'header:X-Ticket']],
    steps: [
      {
        method: 'GET',
        url: `${server.url}/csrf`,
        headers: [['Authorization', 'Ticket {ticket}']],
        body: undefined,
        success: [200],
        extract: [
          ['csrf', '/data/csrf'],
          ['sid', 'cookie:SID'],
        ],
      },
      {
        method: 'POST',
        url: `${server.url}/select`,
        headers: [['Cookie', 'SID={sid}']],
        body: undefined,
        success: [200],
        extract: [],
      },
    ],
    apply: { headers: [['X-CSRF', '{csrf}']], cookies: [['SID', '{sid}']] },
  })
  t.match(outcome, {
    kind: 'session',
    applied: { headers: [['X-CSRF', 'csrf-1']], cookies: [['SID', 'abc']] },
  })
  const [, csrf, select] = server.requests
  t.match(csrf, { method: 'GET', url: '/csrf', headers: { authorization: 'Ticket ticket-1' } })
  t.equal(csrf?.headers['content-length'], undefined)
  t.match(select, { method: 'POST', headers: { cookie: 'SID=abc', 'content-length': '0' } })
})

t.test('a redirect is never followed, and can be what is wanted', async (t) => {
  const server = await AppServer.start(t)
  server.answer = (response) => {
    response.writeHead(302, { Location: '/home', 'Set-Cookie': 'SID=abc' }).end()
  }
  t.match(await logIn(server.url), {
    kind: 'failure',
    result: 'refused',
    isLasting: true,
    detail: 'the login was answered with 302, wanted 200 (redirects are not followed)',
  })
  const { login } = sampleDefinition(server.url).settings
  t.match(await logIn(server.url, { login: { ...login, success: [302] } }), { kind: 'session' })
  t.same(server.seen('/home'), [])
})

t.test('a failure says which request it was, and tells apart what will last', async (t) => {
  const server = await AppServer.start(t)
  const { login } = sampleDefinition(server.url).settings
  const steps = [{ ...login, url: `${server.url}/step`, extract: [['a', '/a']] as const }]
  for (const [status, isLasting] of [
    [401, true],
    [403, true],
    [429, false],
    [500, false],
  ] as const) {
    server.answer = (response) => response.writeHead(status, { 'Retry-After': '7' }).end(password)
    t.match(await logIn(server.url), {
      result: 'refused',
      isLasting,
      retryAfterMs: 7000,
      detail: `the login was answered with ${status}, wanted 200`,
    })
  }
  server.answer = (response, { url }) => {
    if (url !== '/step') response.setHeader('Set-Cookie', 'SID=abc')
    response.end('{}')
  }
  t.match(await logIn(server.url, { steps }), {
    result: 'malformed',
    detail: 'step 1: "a" (/a) is not in the answer',
    opened: { cookies: [['SID', 'abc']] },
  })
})

t.test('nothing that the server wrote stands in a failure', async (t) => {
  const server = await AppServer.start(t)
  const echo = 'echoed-secret-7c1d'
  server.answer = (response, { body }) => {
    response.setHeader('Set-Cookie', `OTHER=${echo}`)
    response.setHeader('X-Echo', encodeURIComponent(body))
    response.end(JSON.stringify({ token: { echo, body }, long: echo }))
  }
  for (const source of ['cookie:SID', 'header:X-Ticket', '/token', '/none']) {
    const text = inspect(await logIn(server.url, { extract: [['sid', source]] }), { depth: 9 })
    t.match(text, /'failure'/, source)
    t.notMatch(text, new RegExp(`${echo}|9f2c`), source)
  }
})

t.test('an extracted value that fits no header fails the login, unquoted', async (t) => {
  const server = await AppServer.start(t)
  server.answer = (response) => response.end('{"sid":"a\\r\\nX-Evil: 1"}')
  const changes = { extract: [['sid', '/sid']] as const }
  t.match(await logIn(server.url, changes), {
    result: 'malformed',
    detail: 'a control character would stand in cookie "SID"',
  })
})

t.test('a huge body, announced or not, is not read', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nSet-Cookie: SID=a\r\n'
  const detail = 'the login: the answer is larger than 1 MiB'
  const announced = await startRaw(t, [`${head}Content-Length: 1048577\r\n\r\n`])
  t.match(await logIn(announced), { result: 'malformed', detail })
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
  function* endless(): Generator<string> {
    yield `${head}Transfer-Encoding: chunked\r\n\r\n`
    for (;;) yield chunk
  }
  t.match(await logIn(await startRaw(t, endless())), { result: 'malformed', detail })
})

t.test('headers without end are cut off', async (t) => {
  function* endless(): Generator<string> {
    yield 'HTTP/1.1 200 OK\r\n'
    for (let i = 0; ; i++) yield `X-${i}: ${'y'.repeat(1000)}\r\n`
  }
  t.match(await logIn(await startRaw(t, endless())), { result: 'malformed' })
})

t.test('an answer that drips is given up in time', async (t) => {
  function* drip(): Generator<string> {
    yield 'HTTP/1.1 200 OK\r\nSet-Cookie: SID=a\r\nContent-Length: 100000\r\n\r\n'
    for (;;) yield 'x'
  }
  const began = performance.now()
  t.match(await logIn(await startRaw(t, drip(), 20), { timeoutMs: 300 }), {
    result: 'timeout',
    detail: 'the login: no answer within 300 ms',
  })
  t.ok(performance.now() - began < 5000)
})

t.test('answers that are not HTTP, or framed in two ways, are malformed', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\nSet-Cookie: SID=a\r\n'
  for (const answer of [
    'nonsense\r\n\r\n',
    `${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`,
    `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'HTTP/1.1 200 OK\r\nSet-Cookie: SID=a\x00b\r\nContent-Length: 0\r\n\r\n',
  ]) {
    const outcome = await logIn(await startRaw(t, [answer]), { timeoutMs: 2000 })
    t.match(outcome, { result: 'malformed' }, JSON.stringify(answer))
  }
})

t.test('a cookie with a control character that HTTP lets through is absent', async (t) => {
  const answer = 'HTTP/1.1 200 OK\r\nSet-Cookie: SID=a\x01b\r\nContent-Length: 0\r\n\r\n'
  const outcome = await logIn(await startRaw(t, [answer]), { timeoutMs: 2000 })
  t.match(outcome, { kind: 'failure', result: 'malformed' })
})

t.test('nobody there, and nobody that may be asked', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  t.match(await logIn(`http://127.0.0.1:${port}`), {
    result: 'unreachable',
    detail: 'the login: no connection (ECONNREFUSED)',
  })
  const client = new SessionClient<SessionDefinition>({
    nowMs,
    upstreamOf: () => {
      throw new SidegateError('destination_refused')
    },
  })
  t.match(await client.login(sampleDefinition('http://127.0.0.1:1')), {
    result: 'failed',
    detail: 'the login: the server may not be asked: destination_refused',
  })
})

t.test('logging out carries the session', async (t) => {
  const server = await AppServer.start(t)
  const client = new SessionClient({ nowMs, upstreamOf: (_, target) => createUpstream(target) })
  const applied = {
    headers: [['X-CSRF', 'c']] as const,
    cookies: [
      ['A', '1'],
      ['B', '2'],
    ] as const,
  }
  const definition = sampleDefinition(server.url)
  t.equal(await client.logout(definition, applied), true)
  t.match(server.requests[0], {
    method: 'POST',
    url: '/logout',
    headers: { cookie: 'A=1; B=2', 'x-csrf': 'c', 'content-length': '0' },
  })
  server.answer = (response) => response.writeHead(500).end()
  t.equal(await client.logout(definition, applied), false)
  t.equal(
    await client.logout(sampleDefinition(server.url, { logout: undefined }), applied),
    undefined,
  )
})
