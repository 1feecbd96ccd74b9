/** What the README says of calls that go out, run as it is written (but for the ports). */
import { execFile, spawn } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { createFolder, runCli } from '../cli/run-cli.ts'
import { eventually } from '../harness/eventually.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { readFences } from './fences.ts'

const run = promisify(execFile)
const env = { PATH: process.env['PATH'] }
const text = (await readFile('README.md', 'utf8')).split('\n')
const from = text.indexOf('## Two more: the calls that go out') + 1
const to = text.findIndex((line, index) => index > from && line.startsWith('## ')) + 1
const fences = readFences('README.md').filter(({ line }) => from < line && line < to)
const yaml = fences.find(({ language }) => language === 'yaml')?.text ?? ''
const lines = fences.filter(({ language }) => language === 'sh').flatMap((f) => f.text.split('\n'))

/** Words of a `sidegate` line, without its comment. */
function wordsOf(line: string): string[] {
  return line.replace(/ +#.*/, '').split(' ').slice(1)
}

/** An API that remembers what it was asked. */
async function startApi(t: Test) {
  const asked: { readonly url: string; readonly key: unknown }[] = []
  const server = createHttpServer((request, answer) => {
    asked.push({ url: request.url ?? '', key: request.headers['x-api-key'] })
    answer.end('answered')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { asked, authority: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

t.test('the calls that go out go as the README says', { timeout: 120_000 }, async (t) => {
  t.equal(lines.length, 6, 'a line that is added needs a place below')
  const [makeKey = '', serve = '', byName = '', byProxy = '', explain = '', tryIt = ''] = lines
  const api = await startApi(t)
  const made = await createFolder(t)
  const init = ['init', '--upstream', `http://${api.authority}`, '--listen', '127.0.0.1:0']
  t.equal((await runCli(init, { cwd: made })).code, 0)
  const ours = await readFile(join(made, 'sidegate.yaml'), 'utf8')
  const egress = yaml.replace('127.0.0.1:8080', api.authority).replace(':3128', ':0')

  t.same(wordsOf(serve), ['serve', '-c', 'sidegate.yaml', '-c', 'egress.yaml'])
  const sidegate = await SidegateProcess.start(t, {
    config: `admin: { listen: 127.0.0.1:0 }\n${ours}`,
    files: { 'egress.yaml': egress },
    prepare: async (cwd) => {
      await run('sh', ['-c', makeKey], { cwd, env })
    },
    args: (folder) => ['-c', join(folder, 'egress.yaml')],
  })
  const cwd = sidegate.folder
  const key = (await readFile(join(cwd, 'billing.key'), 'utf8')).trim()
  t.equal((await stat(join(cwd, 'billing.key'))).mode & 0o777, 0o600)
  t.match(key, /^[0-9a-f]{64}$/)

  const gate = `127.0.0.1:${await sidegate.listener('egress')}`
  const curl = async (line: string): Promise<string> => {
    const filled = line.replaceAll('127.0.0.1:3128', gate).replace('127.0.0.1:8080', api.authority)
    return (await run('sh', ['-c', filled], { cwd, env })).stdout
  }
  const call = { url: '/v1/invoices', key }
  t.match(byName, /^curl http:/)
  t.equal(await curl(byName), 'answered')
  t.match(byProxy, /^curl .*-x http:/)
  t.equal(await curl(byProxy), 'answered')
  t.same(api.asked, [call, call], 'the API gets X-API-Key both times')

  const explained = await runCli(wordsOf(explain), { cwd })
  t.equal(explained.code, 0, explained.stderr + explained.stdout)
  t.match(explained.stdout, 'billing')
  t.match(explained.stdout, `http://${api.authority} gets`)
  t.match(explained.stdout, 'GET /v1/invoices HTTP/1.1')
  t.match(explained.stdout, /X-API-Key: \[masked\]/)
  t.equal(api.asked.length, 2, 'explain has sent nothing')

  const tried = await runCli(wordsOf(tryIt), { cwd })
  t.equal(tried.code, 0, tried.stderr + tried.stdout)
  t.same(api.asked.slice(2), [{ url: '/v1', key }])
  t.notOk((explained.stdout + tried.stdout).includes(key), 'and the key is shown by neither')

  const shown = text.slice(from, to).join('\n')
  const [, stranger = ''] = /try `(-x http:\S+ http:\S+)`/.exec(shown) ?? []
  t.match(stranger, 'http://example.com/')
  const refused = await curl(`curl -s --noproxy '' ${stranger}`)
  t.match(refused, /"code":"unmatched_host"/)
  t.match(refused, 'http://example.com', 'the lines to add are in the answer')
})

t.test('the service of the README prints the headers that it gets', async (t) => {
  const all = readFences('README.md').filter(({ language }) => language === 'sh')
  const line = all.map((fence) => fence.text).find((each) => each.startsWith('node -e ')) ?? ''
  const port = await findFreePort()
  const moved = line.replace('8080', String(port))
  t.not(moved, line)
  const child = spawn('sh', ['-c', `exec ${moved}`], { env, stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const answer = await eventually('the service', () =>
    fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-authenticated-user': 'crm' } }).catch(
      () => undefined,
    ),
  )
  t.match(await answer.json(), { 'x-authenticated-user': 'crm' })
})
