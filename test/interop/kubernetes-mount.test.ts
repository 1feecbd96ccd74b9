// A ConfigMap mount as kubelet writes it: `..data` is a link to a dated folder and is swapped by one
// rename, after which the old folder goes. Fifty times, under load.
import { mkdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventually } from '../harness/eventually.ts'
import { ask, hash } from './bytes.ts'
import { KEY, renderGate, startGateOn } from './gate.ts'
import { createFolder } from './programs.ts'

const SWAPS = 50
const CONNECTIONS = 8

async function startService(t: Test): Promise<number> {
  const service = createServer((_incoming, response) => response.end('hello'))
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    service.close()
    service.closeAllConnections()
  })
  return (service.address() as AddressInfo).port
}

/** Puts a new content in place as kubelet does. */
async function swap(mount: string, number: number, content: string): Promise<void> {
  const name = `..2026_11_23_${number}`
  await mkdir(join(mount, name))
  await writeFile(join(mount, name, 'sidegate.yaml'), content)
  await symlink(name, join(mount, '..data_tmp'))
  const old = await readlink(join(mount, '..data')).catch(() => undefined)
  await rename(join(mount, '..data_tmp'), join(mount, '..data'))
  if (old !== undefined) await rm(join(mount, old), { recursive: true })
}

/** Asks on and on; gives what was not a 200. */
function startLoad(
  t: Test,
  port: number,
): { stop(): Promise<{ answers: number; faults: string[] }> } {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  t.after(() => agent.destroy())
  const faults: string[] = []
  let answers = 0
  let isStopped = false
  const askOnce = () =>
    new Promise<void>((resolve) => {
      const headers = { 'x-api-key': KEY }
      const outgoing = request(
        { agent, port, host: '127.0.0.1', path: '/api/a', headers },
        (answer) => {
          answers += 1
          if (answer.statusCode !== 200) faults.push(String(answer.statusCode))
          answer.on('error', (error) => faults.push(error.message))
          answer.resume().on('close', resolve)
        },
      )
      outgoing.on('error', (error) => {
        faults.push(error.message)
        resolve()
      })
      outgoing.end()
    })
  const workers = Array.from({ length: CONNECTIONS }, async () => {
    while (!isStopped) {
      await askOnce()
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })
  return {
    async stop() {
      isStopped = true
      await Promise.all(workers)
      return { answers, faults }
    },
  }
}

for (const kind of ['file', 'directory'] as const) {
  const swaps = kind === 'file' ? SWAPS : 10
  void t.test(
    `${swaps} swaps of a mount (--config names the ${kind}) are all seen and no request fails`,
    async (t) => {
      const mount = await createFolder(t)
      const upstream = await startService(t)
      const content = (number: number) =>
        renderGate(upstream, `  - { name: swap, path: /open/swap-${number}, security: mobile }\n`)
      await swap(mount, 0, content(0))
      await symlink(join('..data', 'sidegate.yaml'), join(mount, 'sidegate.yaml'))
      const path = kind === 'file' ? join(mount, 'sidegate.yaml') : mount
      const gate = await startGateOn(t, path, mount)
      const port = gate.port('inbound')
      const load = startLoad(t, port)
      for (let number = 1; number <= swaps; number += 1) {
        await swap(mount, number, content(number))
        // Open until the new generation has a channel of its own for it, that wants a key.
        await eventually(
          `swap ${number}`,
          async () => {
            const answer = await ask(port, `/open/swap-${number}`)
            await hash(answer)
            return answer.statusCode === 401
          },
          30_000,
        )
      }
      const { answers, faults } = await load.stop()
      t.same(faults, [])
      t.ok(answers > swaps * 10, `${answers} answers under load`)
      t.equal(await gate.metric('sidegate_config_generation'), swaps + 1)
      t.equal((await gate.metric('sidegate_config_reloads_total{result="failure"}')) ?? 0, 0)
      t.ok(gate.isAlive)
    },
  )
}
