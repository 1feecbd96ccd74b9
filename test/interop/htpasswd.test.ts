// Debian's own htpasswd: what it writes with bcrypt is imported and lets in whom it let in, the rest is
// refused.
import { createServer } from 'node:http'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCli } from '../cli/run-cli.ts'
import { startGateOn } from './gate.ts'
import { createFolder, missing, run } from './programs.ts'

const skip = missing('htpasswd')
const PASSWORD = 'interop:pässword'

async function makeUsers(folder: string, ...kinds: readonly string[]): Promise<string> {
  const path = join(folder, 'users.htpasswd')
  await writeFile(path, '')
  for (const [index, kind] of kinds.entries()) {
    const made = await run('htpasswd', ['-i', ...kind.split(' '), path, `user ${index}`], {
      input: PASSWORD,
    })
    if (made.exitCode !== 0) throw new Error(made.stderr)
  }
  return path
}

async function startService(t: Test): Promise<number> {
  const service = createServer((request, response) => {
    response.end(String(request.headers['x-authenticated-user']))
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    service.close()
    service.closeAllConnections()
  })
  return (service.address() as AddressInfo).port
}

void t.test('users of htpasswd -B come in with their passwords', { skip }, async (t) => {
  const folder = await createFolder(t)
  const users = await makeUsers(folder, '-B', '-B -C 4', '-B -C 10')
  const out = join(folder, 'conf.d', 'users.yaml')
  const config = await writeConfiguration(t, folder)
  const made = await runCli(['import', 'htpasswd', users, '--out', out])
  t.equal(made.code, 0, made.stderr)
  t.equal((await stat(out)).mode & 0o777, 0o600)
  const gate = await startGateOn(t, config, folder)
  const ask = async (user: string, password: string) => {
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    const answer = await fetch(`http://127.0.0.1:${gate.port('inbound')}/`, {
      headers: { authorization },
    })
    return `${answer.status} ${answer.status === 200 ? await answer.text() : ''}`
  }
  for (const user of ['user 0', 'user 1', 'user 2']) {
    t.equal(await ask(user, PASSWORD), `200 ${user}`)
    t.equal(await ask(user, `${PASSWORD}x`), '401 ')
  }
})

/** A folder of configuration that lets in the users of the other file. */
async function writeConfiguration(t: Test, folder: string): Promise<string> {
  const place = join(folder, 'conf.d')
  await mkdir(place)
  const text = `
inbound: { listen: 127.0.0.1:0, upstream: "http://127.0.0.1:${await startService(t)}" }
admin: { listen: 127.0.0.1:0 }
log: { format: json, access: false }
shutdown: { drain_delay: 0s, drain_timeout: 5s }
channels:
  - { name: all, path: /*, security: [user-0, user-1, user-2] }
`
  await writeFile(join(place, 'gate.yaml'), text, { mode: 0o600 })
  return place
}

for (const kind of ['-m', '-s', '-d', '-p', '-2', '-5']) {
  void t.test(`one entry of htpasswd ${kind} refuses the file`, { skip }, async (t) => {
    const folder = await createFolder(t)
    const users = await makeUsers(folder, '-B', kind)
    const out = join(folder, 'users.yaml')
    const { code, stdout, stderr } = await runCli(['import', 'htpasswd', users, '--out', out])
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, `${users}:2:1: `)
    t.match(stderr, 'ask for a new password, and htpasswd -B')
    await t.rejects(readFile(out), { code: 'ENOENT' })
  })
}
