/** `explain` and `test` with modules: what they say, and that they give no secret away. */
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createFolder, runCli } from './run-cli.ts'

t.setTimeout(60_000)

const SECRET = 'canary-of-the-module-0123456789'

async function prepare(t: Test, url: string) {
  const cwd = await createFolder(t)
  for (const name of ['hostile', 'signer']) {
    const module = await readFile(`test/custom/modules/${name}.mjs`, 'utf8')
    await writeFile(join(cwd, `${name}.mjs`), module)
  }
  const own = { type: 'custom', secrets: { OWN: SECRET }, options: { list: [] } }
  const config = {
    inbound: { listen: '127.0.0.1:0', upstream: 'http://127.0.0.1:1' },
    egress: { listen: '127.0.0.1:0' },
    security: [
      { ...own, name: 'callers', module: 'hostile.mjs', timeout: '500ms' },
      { ...own, name: 'signer', module: 'signer.mjs', headers: ['X-Own'] },
    ],
    channels: [{ name: 'all', path: '/*', security: 'callers' }],
    outgoing: [{ name: 'api', url, security: 'signer', allow_plaintext: true }],
  }
  await writeFile(join(cwd, 'sidegate.yaml'), JSON.stringify(config), { mode: 0o600 })
  return async (...args: string[]) => {
    const result = await runCli(args, { cwd })
    t.notMatch(result.stdout + result.stderr, SECRET)
    return result
  }
}

t.test('explain asks the module who a caller is', async (t) => {
  const run = await prepare(t, 'http://127.0.0.1:1')
  const named = await run('explain', 'GET', '/ok', '-H', 'X-User: ada')
  t.equal(named.code, 0, named.stdout + named.stderr)
  t.match(named.stdout, /^caller +callers \(custom\), told as "ada"$/m)
  const nobody = await run('explain', 'GET', '/nobody')
  t.equal(nobody.code, 1)
  t.match(nobody.stdout, /refused: 401 unauthorized/)
  t.match(nobody.stdout, 'the module of "callers" gave null')
  const faulty = await run('explain', 'GET', '/throw')
  t.equal(faulty.code, 1)
  t.match(faulty.stdout, /refused: 500 scheme_failed/)
})

t.test('explain --egress says which headers a module makes, and does not ask it', async (t) => {
  const run = await prepare(t, 'http://127.0.0.1:1')
  const { code, stdout } = await run('explain', '--egress', 'GET', '/api/x', '-H', 'X-Own: mine')
  t.equal(code, 0, stdout)
  t.match(stdout, 'the module signer.mjs makes the headers; it is not asked here')
  t.match(stdout, /^ +X-Own: \[masked\]$/m)
})

t.test('test asks the module, and tells its faults from those of the API', async (t) => {
  const seen: unknown[] = []
  const api = createServer((request, response) => {
    seen.push(request.headers['x-own'])
    response.end('fine')
  })
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  t.after(() => api.close())
  const run = await prepare(t, `http://127.0.0.1:${(api.address() as AddressInfo).port}`)
  const fine = await run('test', 'api', '--path', '/x')
  t.equal(fine.code, 0, fine.stdout)
  t.match(fine.stdout, /^ +X-Own: \[masked\]$/m)
  t.same(seen, [`${SECRET}-1`])
  const faulty = await run('test', 'api', '--path', '/throw')
  t.equal(faulty.code, 1)
  t.match(faulty.stdout, 'nothing was sent: the module failed')
  t.match(faulty.stdout, /prepare threw Error at signer\.mjs:\d+:\d+/)
  t.equal(seen.length, 1)
})
