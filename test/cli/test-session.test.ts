/** `sidegate test` with a session: logs in once, calls once, logs out, and says what was wrong. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AppServer } from '../session/app-server.ts'
import { createFolder, runCli } from './run-cli.ts'

t.setTimeout(60_000)

const PASSWORD = 'correct-horse-battery'

async function run(t: Test, url: string, more: object = {}) {
  const cwd = await createFolder(t)
  const definition = {
    name: 'portal',
    type: 'session',
    username: 'svc',
    password: PASSWORD,
    login: { url: `${url}/login`, body: '{password}', headers: { 'Content-Type': 'text/plain' } },
    extract: { sid: 'cookie:SID' },
    apply: { cookies: { SID: '{sid}' }, headers: { 'X-Session': '{sid}' } },
    logout: { method: 'POST', url: `${url}/logout` },
    ...more,
  }
  const config = {
    egress: { listen: '127.0.0.1:0' },
    security: [definition],
    outgoing: [{ name: 'api', url: `${url}/api`, security: 'portal', allow_plaintext: true }],
  }
  await writeFile(join(cwd, 'sidegate.yaml'), JSON.stringify(config), { mode: 0o600 })
  const result = await runCli(['test', 'api', '--path', '/me'], { cwd })
  const printed = result.stdout + result.stderr
  t.notMatch(printed, PASSWORD)
  t.notMatch(printed, 'session-number-')
  const rows = new Map<string, string>()
  for (const [, label = '', text = ''] of result.stdout.matchAll(/^(\S+) +(.*)$/gm)) {
    rows.set(label, text)
  }
  return { ...result, printed, row: (label: string) => rows.get(label) ?? '' }
}

t.test('a session that works says so, and is logged out', async (t) => {
  const app = await AppServer.start(t)
  const usual = app.answer
  app.answer = (response, seen, count) => {
    // An API that writes what it was sent into a header.
    response.setHeader('Content-Type', `text/${seen.headers.cookie?.slice(4) ?? 'plain'}`)
    usual(response, seen, count)
  }
  const { code, printed, row } = await run(t, app.url)
  t.equal(code, 0, printed)
  t.equal(row('login'), `at ${app.url}/login as "svc": done, for 600 s, renewed after half of that`)
  t.equal(row('verdict'), 'it works')
  t.match(row('answer'), '200, "text/[redacted]"')
  t.same(
    app.requests.map(({ method, url, headers }) => `${method} ${url} ${headers.cookie ?? '-'}`),
    ['POST /login -', 'GET /api/me SID=session-number-1', 'POST /logout SID=session-number-1'],
  )
})

t.test('a login that is refused, or leaves out what is wanted, is explained', async (t) => {
  const app = await AppServer.start(t)
  app.answer = (response) => response.writeHead(401).end(`no ${PASSWORD}`)
  const refused = await run(t, app.url)
  t.equal(refused.code, 1, refused.printed)
  t.equal(refused.row('verdict'), `the login failed (127.0.0.1:${app.port})`)
  t.equal(refused.row('why'), 'the login was answered with 401, wanted 200')
  t.match(refused.row('cure'), 'check username and password of "portal"')

  app.answer = (response) => response.end('{}')
  const empty = await run(t, app.url)
  t.equal(empty.code, 1)
  t.match(empty.row('cure'), 'check extract of "portal"')
  t.same(app.seen('/api'), [], 'the API was not asked')

  const absent = await run(t, 'http://127.0.0.1:1')
  t.match(absent.row('why'), /nothing listens on this port.*ECONNREFUSED/)
})

t.test('an API that does not take the session is told apart from the login', async (t) => {
  const app = await AppServer.start(t)
  const usual = app.answer
  app.answer = (response, seen, count) => {
    if (seen.url.startsWith('/login')) usual(response, seen, count)
    else response.writeHead(seen.url.startsWith('/logout') ? 500 : 401).end()
  }
  const { code, row } = await run(t, app.url)
  t.equal(code, 1)
  t.match(row('why'), 'the login was taken, and its session is not')
  t.match(row('cure'), 'check extract and apply')
  t.match(row('logout'), 'the server did not take it')
})
