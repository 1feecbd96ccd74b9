// NTLM against servers that nobody here wrote: Apache with gss-ntlmssp, Squid with Samba, and an acceptor
// that demands channel bindings. Who is logged in is what their echo page says, never what we think.
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { ask } from './bytes.ts'
import { accounts, skipLab, startLab, type Lab, type LoggedRequest } from './ntlm-lab.ts'

t.setTimeout(120_000)

/** Squid alone resolves it; loopback would need no proxy. */
const FAR = 'ntlm.sidegate.test'

interface Echo {
  readonly user: string
  readonly method: string
  readonly bytes: number
  readonly sha256: string
  readonly port: string
}

interface Gate {
  readonly sidegate: SidegateProcess
  readonly port: number
  echo(path: string, init?: Parameters<typeof ask>[2]): Promise<Echo>
  status(path: string, init?: Parameters<typeof ask>[2]): Promise<string>
}

const post = (body: Buffer) => ({
  method: 'POST',
  headers: { 'content-length': body.length },
  body: Readable.from([body]),
})

type Definition = keyof typeof accounts | 'wrong'

async function startGate(t: Test, lab: Lab, files: Readonly<Record<string, string>> = {}) {
  const far = (url: string) => url.replace(/\/\/[^:]+:/, `//${FAR}:`)
  const proxy = { url: lab.proxy, security: 'games' }
  const tls = { ca: 'lab.crt' }
  const security = [
    ...Object.entries(accounts).map(([name, account]) => ({
      name: name === 'jürgen' ? 'jurgen' : name,
      type: 'ntlm',
      ...account,
    })),
    { name: 'wrong', type: 'ntlm', username: accounts.bob.username, password: '${file:bob.txt}' },
  ]
  const on = (name: string, url: string, by: Definition | 'jurgen', more: object = {}) => ({
    name,
    url,
    security: by,
    match: 'name',
    ...(url.startsWith('http:') ? { allow_plaintext: true } : { tls }),
    ...more,
  })
  const sidegate = await SidegateProcess.start(t, {
    config: {
      egress: { listen: '127.0.0.1:0' },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json' },
      shutdown: { drain_delay: '0s', drain_timeout: '2s' },
      security,
      outgoing: [
        on('alice', lab.http, 'alice', { match: 'host' }),
        on('bob', lab.http, 'bob'),
        on('secure', lab.https, 'alice'),
        on('games', lab.accelerator, 'games'),
        on('bound', lab.bindings, 'jurgen'),
        on('wrong', lab.http, 'wrong'),
        on('open-far', far(lab.http), 'alice', { security: 'none', proxy }),
        on('tunnel-far', far(lab.https), 'alice', {
          tls: { ...tls, server_name: 'localhost' },
          proxy,
        }),
      ],
    },
    env: {},
    files: { 'lab.crt': lab.ca, 'bob.txt': 'not-bobs-password', ...files },
  })
  const port = await sidegate.listener('egress')
  const gate: Gate = {
    sidegate,
    port,
    async echo(path, init = {}) {
      const answer = await ask(port, path, init)
      const text = await readText(answer)
      if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode ?? 0} ${text}`)
      return JSON.parse(text) as Echo
    },
    async status(path, init = {}) {
      const answer = await ask(port, path, init)
      await readText(answer)
      const code = answer.headers['x-sidegate-error']
      return `${answer.statusCode ?? 0}${typeof code === 'string' ? ` ${code}` : ''}`
    },
  }
  return gate
}

const shown = (requests: readonly LoggedRequest[], type: number) =>
  requests.filter(({ messageType }) => messageType === type)

void t.test('NTLM', { skip: skipLab }, async (t) => {
  const lab = await startLab(t)
  const gate = await startGate(t, lab)

  await t.test(
    'logs in over http and https, with channel bindings required, at Squid',
    async (t) => {
      t.equal((await gate.echo('/alice/ntlm/echo')).user, accounts.alice.username)
      t.equal((await gate.echo('/secure/ntlm/echo')).user, accounts.alice.username)
      for (const mode of ['cbt-off', 'cbt-optional', 'cbt-required']) {
        const found = (await gate.echo(`/bound/${mode}`)) as Echo & { channelBound: boolean }
        t.equal(found.user, accounts.jürgen.username)
        t.equal(found.channelBound, mode !== 'cbt-off', mode)
      }
      t.equal(await gate.status('/games/open/hello.txt'), '200')
      t.equal((await gate.echo('/alice/ntlm-basic/echo')).user, accounts.alice.username)
    },
  )

  await t.test(
    'two users, interleaved 200 times on one host, are never taken for each other',
    async (t) => {
      const wrong: string[] = []
      const call = async (name: 'alice' | 'bob') => {
        const { user } = await gate.echo(`/${name}/ntlm/echo`)
        if (user !== accounts[name].username) wrong.push(`${name}: ${user}`)
      }
      for (let at = 0; at < 50; at++) {
        await Promise.all([call('alice'), call('bob'), call('bob'), call('alice')])
      }
      t.strictSame(wrong, [])
    },
  )

  await t.test('100 requests on one connection shake hands once', async (t) => {
    const before = (await lab.requests()).length
    const ports = new Set<string>()
    for (let at = 0; at < 100; at++) ports.add((await gate.echo('/secure/ntlm/echo')).port)
    const seen = (await lab.requests()).slice(before)
    t.equal(ports.size, 1)
    t.ok(shown(seen, 3).length <= 1, 'it may have been closed before')
  })

  await t.test(
    'a body arrives once and whole, on a new connection and on one that is kept',
    async (t) => {
      for (const size of [5, 60_000, 5 * 1024 * 1024]) {
        const body = randomBytes(size)
        const sha256 = createHash('sha256').update(body).digest('hex')
        const before = (await lab.requests()).length
        t.match(await gate.echo('/alice/ntlm/echo', post(body)), {
          method: 'POST',
          bytes: size,
          sha256,
        })
        const whole = (await lab.requests())
          .slice(before)
          .filter(({ line, status }) => line.startsWith('POST') && status === 200)
        t.equal(whole.length, 1)
      }
    },
  )

  await t.test('50 calls at once do not make 50 handshakes', async (t) => {
    const before = (await lab.requests()).length
    const path = '/alice/ntlm/hello.txt'
    const found = await Promise.all(Array.from({ length: 50 }, () => gate.status(path)))
    t.strictSame(new Set(found), new Set(['200']))
    const seen = (await lab.requests()).slice(before)
    t.ok(shown(seen, 3).length <= 32, `${shown(seen, 3).length} handshakes`)
  })

  await t.test(
    'a wrong password is shown once, whatever comes at once, until it is changed',
    async (t) => {
      const before = (await lab.requests()).length
      const path = '/wrong/ntlm/hello.txt'
      const found = await Promise.all(Array.from({ length: 50 }, () => gate.status(path)))
      t.equal(found.filter((status) => status === '502 ntlm_failed').length, 1)
      t.equal(found.filter((status) => status === '503 credential_held').length, 49)
      t.equal(shown((await lab.requests()).slice(before), 3).length, 1)
      t.match(await gate.sidegate.status(), { held: [{ definition: 'wrong', refusals: 1 }] })
      t.match(
        (await gate.sidegate.admin('/metrics')).text,
        'sidegate_credential_held{definition="wrong"} 1',
      )
      t.equal(await gate.status('/bob/ntlm/hello.txt'), '200', 'another definition is not held')

      const released = await gate.sidegate.admin('/reload?release=wrong', { method: 'POST' })
      t.equal(released.status, 200)
      t.equal(
        await gate.status(path),
        '502 ntlm_failed',
        'it was released, and is as wrong as before',
      )

      await gate.sidegate.write('bob.txt', accounts.bob.password)
      t.match(await gate.sidegate.admin('/reload', { method: 'POST' }), { status: 200 })
      t.equal((await gate.echo('/wrong/ntlm/echo')).user, accounts.bob.username)
      t.match(await gate.sidegate.status(), { held: [] })
    },
  )

  await t.test('a server that never gives a challenge is 502, and nothing is held', async (t) => {
    const fresh = await startGate(t, lab)
    t.equal(await fresh.status('/bob/unbound/hello.txt'), '502 ntlm_failed')
    t.match(await fresh.sidegate.status(), { held: [] }, 'nothing was refused')
  })

  await t.test('through a parent proxy that asks for NTLM itself', async (t) => {
    t.equal(await gate.status('/open-far/open/hello.txt'), '200')
    t.equal((await gate.echo('/tunnel-far/ntlm/echo')).user, accounts.alice.username)
    const body = randomBytes(1024 * 1024)
    const sha256 = createHash('sha256').update(body).digest('hex')
    t.match(await gate.echo('/open-far/open/echo', post(body)), { bytes: body.length, sha256 })
    t.match(await gate.echo('/tunnel-far/ntlm/echo', post(body)), { bytes: body.length, sha256 })
  })

  await t.test(
    'the absolute form logs in like the NAME form, and no message reaches the app',
    async (t) => {
      const url = `${lab.http}/ntlm/hello.txt`
      const answer = await ask(gate.port, url, { headers: { host: new URL(url).host } })
      t.equal(answer.statusCode, 200)
      t.equal(answer.headers['www-authenticate'], undefined)
      t.equal(await readText(answer), 'hello from apache\n')
    },
  )

  await t.test('no password and no message of a handshake is in what was printed', (t) => {
    for (const { password } of Object.values(accounts)) t.notMatch(gate.sidegate.output, password)
    t.notMatch(gate.sidegate.output, 'TlRMTVNTUA')
    t.strictSame(gate.sidegate.severeLines, [])
    t.end()
  })
})
