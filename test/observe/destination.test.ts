import { execFile, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { openDestination } from '../../src/observe/destination.ts'

const built = pathToFileURL(join(import.meta.dirname, '../../src/observe/')).href

/** Runs a program that has a log on its stdout. */
function programOf(body: string): string[] {
  return [
    '--input-type=module',
    '-e',
    `import { openDestination } from '${built}destination.js'
     import { createLog } from '${built}log.js'
     import { createRedactor } from '${built}redact.js'
     const stream = openDestination(1, { maxPendingBytes: 200_000 })
     const log = createLog({ level: 'info', format: 'json', stream, redactor: createRedactor(), nowMs: Date.now })
     ${body}`,
  ]
}

function run(body: string): Promise<{ code: number | null; lines: string[] }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, programOf(body), { maxBuffer: 64e6 }, (_, stdout) => {
      resolve({ code: child.exitCode, lines: stdout.split('\n').slice(0, -1) })
    })
  })
}

t.test('texts come out whole and in order', async (t) => {
  const path = join(t.testdir(), 'log')
  const fd = openSync(path, 'w')
  t.teardown(() => {
    closeSync(fd)
  })
  const destination = openDestination(fd)
  for (let i = 0; i < 1000; i++) {
    destination.write(`${i} ä\n`)
    if (i % 100 === 0) await new Promise(setImmediate)
  }
  await destination.flush()
  const wanted = Array.from({ length: 1000 }, (_, i) => `${i} ä\n`).join('')
  t.equal(readFileSync(path, 'utf8'), wanted)
  await destination.flush()
  destination.write('last\n')
  destination.flushSync()
  await destination.flush()
  t.equal(readFileSync(path, 'utf8'), `${wanted}last\n`)
})

t.test('beyond the bound nothing is taken, and what was taken is written', async (t) => {
  const path = join(t.testdir(), 'log')
  const fd = openSync(path, 'w')
  t.teardown(() => {
    closeSync(fd)
  })
  const destination = openDestination(fd, { maxPendingBytes: 10 })
  t.equal(destination.write('12345\n'), true)
  t.equal(destination.write('a\nb\nc\n'), false)
  t.equal(destination.write('123\n'), true)
  await destination.flush()
  t.equal(destination.write('12345678\n'), true)
  await destination.flush()
  t.equal(readFileSync(path, 'utf8'), '12345\n123\n12345678\n')
})

t.test('a descriptor that cannot be written to ends the writing and nothing else', async (t) => {
  const path = join(t.testdir({ log: '' }), 'log')
  const fd = openSync(path, 'r')
  t.teardown(() => {
    closeSync(fd)
  })
  const destination = openDestination(fd)
  destination.write('a\n')
  await destination.flush()
  t.equal(destination.write('b\n'), false)
  destination.flushSync()
  await destination.flush()
  t.equal(readFileSync(path, 'utf8'), '')
})

t.test('lines are out when a process ends by itself', async (t) => {
  const { code, lines } = await run(`for (let i = 0; i < 100; i++) log.info('line', { i })`)
  t.equal(code, 0)
  t.equal(lines.length, 100)
})

t.test('lines are out on exit, with flushSync', async (t) => {
  const { code, lines } = await run(`
    process.on('exit', () => log.flushSync())
    for (let i = 0; i < 2000; i++) log.info('line', { i })
    process.exit(3)`)
  t.equal(code, 3)
  t.same(
    lines.map((line) => (JSON.parse(line) as { i: number }).i),
    Array.from({ length: 2000 }, (_, i) => i),
  )
})

t.test('a reader that goes away does not end the process', async (t) => {
  const child = spawn(
    process.execPath,
    programOf(`
      let left = 20
      const timer = setInterval(() => {
        log.info('line')
        if (--left === 0) { clearInterval(timer); await_end() }
      }, 10)
      async function await_end() { await log.flush(); process.exitCode = 5 }`),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  child.stdout.destroy()
  const code = await new Promise((resolve) => child.on('exit', resolve))
  t.equal(code, 5)
})

t.test('a reader that takes nothing costs lines, not memory or time', async (t) => {
  const child = spawn(
    process.execPath,
    programOf(`
      for (let i = 0; i < 20_000; i++) log.info('line', { i })
      const timer = setInterval(() => log.info('alive'), 20)
      process.on('SIGTERM', () => { clearInterval(timer) })`),
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  child.stdout.pause()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (text.includes('log_lines_lost')) child.kill('SIGTERM')
  })
  child.stdout.resume()
  await new Promise((resolve) => child.on('close', resolve))
  const records = text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { event: string; count?: number })
  const reports = records.filter(({ event }) => event === 'log_lines_lost')
  const written = records.filter(({ event }) => event === 'line').length
  const lost = reports.reduce((sum, { count }) => sum + (count ?? 0), 0)
  t.ok(written < 20_000)
  // Lines that say "alive" may be lost too, one in 20 ms.
  t.ok(lost >= 20_000 - written && lost < 20_000 - written + 200, `${lost} of ${20_000 - written}`)
})
