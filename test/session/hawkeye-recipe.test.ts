/** The recipe for Keysight Hawkeye, as it stands in the documentation, against a server of its kind. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { loadConfiguration } from '../../src/config/load.ts'
import type { SessionDefinition } from '../../src/config/model.ts'
import { createLog } from '../../src/observe/log.ts'
import { createRedactor } from '../../src/observe/redact.ts'
import { mergeCookies } from '../../src/session/cookies.ts'
import { readAnswer } from '../../src/session/read-answer.ts'
import { SessionCache } from '../../src/session/session-cache.ts'
import type { Session } from '../../src/session/session.ts'
import { readFences } from '../docs/fences.ts'
import { MemoryDestination } from '../harness/memory-destination.ts'
import { AppServer } from './app-server.ts'
import { createUpstream } from './scene.ts'

const password = 'hawk&eye=9f2c long'

/** Logs in by form or JSON, keeps sessions by `PHPSESSID`, forgets them on log-out. */
class Hawkeye {
  readonly app: AppServer
  readonly live = new Set<string>()
  issued = 0

  constructor(app: AppServer) {
    this.app = app
    app.answer = (response, { method, url, headers, body }) => {
      const sid = /(?:^|; )PHPSESSID=([^;]*)/.exec(headers.cookie ?? '')?.[1] ?? ''
      response.setHeader('Content-Type', 'application/json')
      if (method === 'POST' && url === '/api/login') {
        const isForm = headers['content-type'] === 'application/x-www-form-urlencoded'
        const fields: unknown = isForm
          ? Object.fromEntries(new URLSearchParams(body))
          : JSON.parse(body)
        const { username, password: shown } = fields as Record<string, string>
        if (username !== 'svc-network-tests' || shown !== password) {
          response.writeHead(401).end('{"message":"Unauthorized"}')
          return
        }
        const fresh = `php-session-${++this.issued}`
        this.live.add(fresh)
        response.setHeader('Set-Cookie', `PHPSESSID=${fresh}; path=/; HttpOnly`)
        response.end('{"result":"ok"}')
      } else if (!this.live.has(sid)) {
        response.writeHead(401).end('{"message":"Unauthorized"}')
      } else if (method === 'POST' && url === '/api/logout') {
        this.live.delete(sid)
        response.setHeader('Set-Cookie', 'PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT')
        response.end('{}')
      } else {
        response.end('[{"id":5129}]')
      }
    }
  }
}

async function loadRecipe(t: Test, index: number, url: string): Promise<SessionDefinition> {
  const fence = readFences('docs/recipes/session-hawkeye.md').filter(
    ({ language }) => language === 'yaml',
  )[index]
  const folder = mkdtempSync(join(tmpdir(), 'sidegate-hawkeye-'))
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const path = join(folder, 'sidegate.yaml')
  const text = (fence?.text ?? '').replaceAll('https://hawkeye.example.com', url)
  writeFileSync(path, text, { mode: 0o600 })
  const env = { HAWKEYE_PASSWORD: password }
  const fingerprintKey = randomBytes(32)
  const loaded = await loadConfiguration({ paths: [path], env, fingerprintKey, nowMs: Date.now() })
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  const definition = loaded.config.definitions.get('hawkeye')
  if (definition?.type !== 'session') throw new Error('the recipe has no session "hawkeye"')
  return definition
}

for (const [index, form] of ['a form', 'JSON'].entries()) {
  t.test(`login by ${form}, calls, one that has expired, log-out`, async (t) => {
    const hawkeye = new Hawkeye(await AppServer.start(t))
    const { url } = hawkeye.app
    const definition = await loadRecipe(t, index, url)
    const destination = new MemoryDestination()
    const redactor = createRedactor()
    const log = createLog({
      level: 'trace',
      format: 'json',
      stream: destination,
      redactor,
      nowMs: Date.now,
    })
    let monotonicMs = 0
    const sessions = new SessionCache<SessionDefinition>({
      monotonicMs: () => monotonicMs,
      nowMs: Date.now,
      log,
      onResult: () => undefined,
      upstreamOf: (_, target) => createUpstream(target),
    })
    sessions.configure([definition])

    /** What an outgoing connection does with a call of the app. */
    async function call(session: Session) {
      const cookie = mergeCookies(
        ['lang=en; PHPSESSID=of-the-app'],
        session.cookies,
        session.cookieNames,
      )
      const answer = await fetch(`${url}/api/tests`, { headers: { Cookie: cookie } })
      await answer.body?.cancel()
      return {
        cookie,
        status: answer.status,
        ...readAnswer(session, answer.status, [...answer.headers].flat()),
      }
    }

    const session = await sessions.get(definition)
    t.match(await call(session), {
      status: 200,
      isExpired: false,
      cookie: 'lang=en; PHPSESSID=php-session-1',
    })
    hawkeye.live.clear()
    monotonicMs = 6000
    t.match(await call(session), { status: 401, isExpired: true })
    const other = await sessions.expired(session)
    t.ok(other)
    t.match(await call(other ?? session), {
      status: 200,
      cookie: 'lang=en; PHPSESSID=php-session-2',
    })
    t.equal(hawkeye.live.size, 1)
    await sessions.close()
    if (index === 0) t.equal(hawkeye.live.size, 0, 'logged out')
    log.flushSync()
    t.notMatch(destination.text, /php-session|9f2c/)
  })
}
