import { writeFile } from 'node:fs/promises'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createFolder, runCli } from './run-cli.ts'

/** Something that answers like an admin listener. */
async function listen(t: Test, place: number | string, status: number): Promise<Server> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? status : 404).end()
  })
  await new Promise<void>((resolve) => {
    if (typeof place === 'string') server.listen(place, resolve)
    else server.listen(place, '127.0.0.1', resolve)
  })
  t.after(() => server.close())
  return server
}

const portOf = (server: Server) => (server.address() as AddressInfo).port

t.test('a ready gate gives 0', async (t) => {
  const port = portOf(await listen(t, 0, 200))
  for (const url of [`http://127.0.0.1:${port}/readyz`, `http://127.0.0.1:${port}`]) {
    t.same(await runCli(['health', '--url', url]), { code: 0, stdout: 'ready\n', stderr: '' })
  }
})

t.test('a gate that is not ready gives 1', async (t) => {
  const port = portOf(await listen(t, 0, 503))
  const { code, stdout, stderr } = await runCli(['health', '--url', `http://127.0.0.1:${port}`])
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^sidegate health: not ready: http:\S+ answered 503\n$/)
})

t.test('nobody there gives 1, in one line', async (t) => {
  const server = await listen(t, 0, 200)
  const port = portOf(server)
  await new Promise((resolve) => server.close(resolve))
  const { code, stderr } = await runCli(['health', '--url', `http://localhost:${port}`])
  t.equal(code, 1)
  t.match(stderr, /^sidegate health: not ready: .* could not be asked \(ECONNREFUSED\)\n$/)
})

t.test('a unix socket can be asked', async (t) => {
  const folder = await createFolder(t)
  await listen(t, join(folder, 'admin.sock'), 200)
  const { code } = await runCli(['health', '--url', `unix:${folder}/admin.sock`])
  t.equal(code, 0)
})

t.test('the address comes from the configuration, probes before admin', async (t) => {
  const cwd = await createFolder(t)
  const port = portOf(await listen(t, 0, 200))
  const texts = [
    `admin: { listen: 127.0.0.1:${port} }`,
    `admin: { listen: 127.0.0.1:1, probes: 0.0.0.0:${port} }`,
  ]
  for (const text of texts) {
    const channels = 'channels: [{ name: a, security: none }]'
    const inbound = 'inbound: { listen: 127.0.0.1:0, upstream: http://127.0.0.1:1 }'
    await writeFile(join(cwd, 'sidegate.yaml'), `${text}\n${inbound}\n${channels}\n`)
    const run = await runCli(['health'], { cwd })
    t.equal(run.code, 0, run.stderr)
  }
})

t.test('a wrong URL is a matter of usage', async (t) => {
  for (const url of ['nonsense', 'https://127.0.0.1/readyz', 'ftp://x']) {
    t.equal((await runCli(['health', '--url', url])).code, 2)
  }
})
