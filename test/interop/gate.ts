/** The built program, `node dist/main.js serve`, as an operator starts it. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SidegateProcess } from '../harness/sidegate-process.ts'
import { type Owner, createFolder } from './programs.ts'

/** The key of the definition `mobile` in `renderGate`. */
export const KEY = 'interop-key-0123456789abcdefghijklmnop'
/** Username and password of the definition `crm` in `renderGate`. */
export const USER = 'crm'
/** See `USER`. */
export const PASSWORD = 'interop password: with a colon'

/** A configuration with one open channel and one for key or password; `rest` are more channels. */
export function renderGate(upstreamPort: number, rest = ''): string {
  return `
inbound:
  listen: 127.0.0.1:0
  upstream: http://127.0.0.1:${upstreamPort}
admin:
  listen: 127.0.0.1:0
log: { format: json, access: false }
shutdown: { drain_delay: 0s, drain_timeout: 5s }
security:
  - { name: mobile, type: api_key, key: ${KEY} }
  - { name: crm, type: basic_auth, username: ${USER}, password: "${PASSWORD}" }
channels:
  - { name: open, path: /open/*, security: none }
  - { name: api, path: /api/*, security: [mobile, crm] }
${rest}`
}

/** Starts the program on a file or folder and waits until it is ready; the test ends it. */
export async function startGateOn(
  t: Owner,
  path: string,
  folder: string,
): Promise<SidegateProcess> {
  const child = spawn(process.execPath, [join('dist', 'main.js'), 'serve', '--config', path], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gate = new SidegateProcess(child, folder)
  t.after(() => gate.kill())
  try {
    await gate.ready()
  } catch (cause) {
    throw new Error(`the gate did not get ready:\n${gate.output}`, { cause })
  }
  return gate
}

/** The same for the text of a configuration. */
export async function startGate(t: Owner, config: string): Promise<SidegateProcess> {
  const folder = await createFolder(t)
  const file = join(folder, 'sidegate.yaml')
  await writeFile(file, config, { mode: 0o600 })
  return startGateOn(t, file, folder)
}

/** Watches resident memory until `stop`, which gives the highest value seen, in MiB. */
export function watchMemory(gate: SidegateProcess): { stop(): Promise<number> } {
  let highestKib = 0
  const stopping = new AbortController()
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      highestKib = Math.max(highestKib, await gate.residentKib())
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  return {
    async stop() {
      stopping.abort()
      await watching
      return highestKib / 1024
    },
  }
}
