/** The first five minutes of the README, run as they are written (but for the ports). */
import { execFile } from 'node:child_process'
import { appendFile, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { createFolder, runCli } from '../cli/run-cli.ts'
import { eventually } from '../harness/eventually.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { readFences } from './fences.ts'

const run = promisify(execFile)
const text = (await readFile('README.md', 'utf8')).split('\n')
const from = text.indexOf('## First five minutes') + 1
const to = text.findIndex((line, index) => index > from && line.startsWith('## ')) + 1
const fences = readFences('README.md').filter(({ line }) => from < line && line < to)
const lines = fences.filter(({ language }) => language === 'sh').flatMap((f) => f.text.split('\n'))
const yaml = fences.find(({ language }) => language === 'yaml')?.text ?? ''

/** Words of a line that begins with `sidegate`, for a command without a shell. */
function findArguments(command: string): string[] {
  const line = lines.find((candidate) => candidate.startsWith(`sidegate ${command}`)) ?? ''
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, bare]) => quoted ?? bare ?? '',
  )
  return words.slice(1)
}

t.test('the first five minutes go as the README says', { timeout: 120_000 }, async (t) => {
  const upstream = createServer((request, answer) => {
    answer.end(`told ${String(request.headers['x-authenticated-user'])}`)
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.after(() => upstream.close())
  const service = `127.0.0.1:${(upstream.address() as AddressInfo).port}`

  const cwd = await createFolder(t)
  const initWords = findArguments('init').map((word) => word.replace('127.0.0.1:8080', service))
  t.ok(initWords.some((word) => word.includes(service)))
  const made = await runCli([...initWords, '--listen', '127.0.0.1:0'], { cwd })
  t.equal(made.code, 0, made.stderr)
  t.equal((await runCli(findArguments('check'), { cwd })).code, 0)
  const password = /password of crm +(\S+)/.exec(made.stdout)?.[1] ?? ''
  const key = /API key of mobile +(\S+)/.exec(made.stdout)?.[1] ?? ''

  t.same(findArguments('serve'), ['serve'])
  const written = await readFile(join(cwd, 'sidegate.yaml'), 'utf8')
  const config = `admin: { listen: 127.0.0.1:0 }\n${written}`
  const sidegate = await SidegateProcess.start(t, { config })
  const gate = `127.0.0.1:${await sidegate.listener('inbound')}`

  const fill = (line: string) =>
    line.replaceAll('127.0.0.1:8000', gate).replace('PASSWORD', password).replace('KEY', key)
  const curl = async (line: string) => {
    const { stdout } = await run('sh', ['-c', fill(line)], { env: { PATH: process.env['PATH'] } })
    return stdout
  }
  const curls = lines.filter((line) => line.startsWith('curl'))
  t.equal(curls.length, 3)
  const [refused = '', basic = '', byKey = ''] = curls
  t.match(refused, /# 401$/)
  t.match(await curl(refused), /^HTTP\/1\.1 401 /)
  t.match(await curl(basic), /^HTTP\/1\.1 200 [^]*told crm$/)
  t.match(await curl(byKey), /^HTTP\/1\.1 200 [^]*told mobile$/)

  const file = join(sidegate.folder, 'sidegate.yaml')
  const reports = basic.replace('/api/hello', '/reports/today')
  t.match(await curl(reports), /^HTTP\/1\.1 404 /)
  const [, list = ''] = yaml.split('channels:\n')
  await appendFile(file, `${list}\n`)
  await eventually('the reload', async () => (await curl(reports)).startsWith('HTTP/1.1 200 '))

  const explained = await runCli([...findArguments('explain').map(fill), '-c', file])
  t.equal(explained.code, 1)
  t.match(explained.stdout, 'no credential was sent in a header that the channel accepts')
})
