// Ten minutes (SOAK_MINUTES) of everything at once: keys, passwords, uploads, clients that go away,
// refusals, reloads. Memory and open files must be at the end what they were after warming up.
import { readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { SidegateProcess } from '../harness/sidegate-process.ts'
import { ask, createBody, hash } from '../interop/bytes.ts'
import { KEY, PASSWORD, USER, renderGate, startGateOn } from '../interop/gate.ts'
import { createFolder } from '../interop/programs.ts'

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? '10')
const GROWTH_MIB = 48
const GROWTH_FILES = 32
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`

async function startService(t: Test): Promise<number> {
  const service = createServer((request, response) => {
    request.on('error', () => undefined)
    request.resume().on('end', () => response.end('hello'))
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    service.close()
    service.closeAllConnections()
  })
  return (service.address() as AddressInfo).port
}

async function countFiles(gate: SidegateProcess): Promise<number> {
  return (await readdir(`/proc/${gate.child.pid ?? 0}/fd`)).length
}

/** A client that goes away in the middle of its request or of its answer. */
async function leaveEarly(port: number, afterMs: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(
    `POST /api/a HTTP/1.1\r\nHost: a\r\nX-API-Key: ${KEY}\r\nContent-Length: 100000\r\n\r\nx`,
  )
  await sleep(afterMs)
  socket.destroy()
}

async function expectStatus(
  port: number,
  status: number,
  headers: Record<string, string>,
): Promise<void> {
  const answer = await ask(port, '/api/a', { headers })
  await hash(answer)
  if (answer.statusCode !== status)
    throw new Error(`${answer.statusCode ?? 0} instead of ${status}`)
}

/** One turn of everything. */
async function turn(port: number, index: number): Promise<void> {
  await Promise.all([
    expectStatus(port, 200, { 'x-api-key': KEY }),
    expectStatus(port, 200, { authorization: BASIC }),
    expectStatus(port, 401, { 'x-api-key': `wrong-${index}` }),
    expectStatus(port, 401, {
      authorization: `Basic ${Buffer.from(`u${index}:x`).toString('base64')}`,
    }),
    leaveEarly(port, index % 20),
    index % 50 === 0
      ? ask(port, '/api/a', {
          method: 'PUT',
          headers: { 'x-api-key': KEY },
          body: createBody(4),
        }).then(hash)
      : undefined,
  ])
}

void t.test(`after ${MINUTES} minutes memory and open files are where they were`, async (t) => {
  const upstream = await startService(t)
  const folder = await createFolder(t)
  const file = join(folder, 'sidegate.yaml')
  const content = (version: number) =>
    renderGate(upstream, `  - { name: extra, path: /extra/${version}, security: none }\n`)
  await writeFile(file, content(0))
  const gate = await startGateOn(t, file, folder)
  const port = gate.port('inbound')

  const startedAt = performance.now()
  const endsAt = startedAt + MINUTES * 60_000
  const warmAt = startedAt + Math.min(60_000, MINUTES * 20_000)
  let baseline: { readonly mebibytes: number; readonly files: number } | undefined
  let turns = 0
  let nextReloadAt = startedAt
  while (performance.now() < endsAt) {
    turns += 4
    await Promise.all([0, 1, 2, 3].map((offset) => turn(port, turns + offset)))
    if (performance.now() > nextReloadAt) {
      await writeFile(file, content(turns))
      nextReloadAt = performance.now() + 5000
    }
    if (baseline === undefined && performance.now() > warmAt) {
      baseline = { mebibytes: (await gate.residentKib()) / 1024, files: await countFiles(gate) }
    }
  }
  await sleep(10_000)
  const mebibytes = (await gate.residentKib()) / 1024
  const files = await countFiles(gate)
  t.comment(
    `${turns} turns; before ${JSON.stringify(baseline)}, now ${mebibytes} MiB and ${files} files`,
  )
  t.ok(baseline !== undefined && mebibytes - baseline.mebibytes < GROWTH_MIB, 'memory')
  t.ok(baseline !== undefined && files - baseline.files < GROWTH_FILES, 'open files')
  t.same(gate.severeLines, [])
})
