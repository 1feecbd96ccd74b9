/**
 * What a request into a service costs behind nginx, http-proxy and Sidegate; what many keys cost; what a
 * password costs once it is known; what a start costs.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Owner, createFolder } from '../test/interop/programs.ts'
import { type Effort, type Page, type RunRound, type Table, compare } from './compare.ts'
import { loadWith, writeKeyScript } from './load.ts'
import { measureTree } from './process-tree.ts'
import { formatSpread, formatTable, summarise } from './statistics.ts'
import * as subjects from './subjects.ts'

async function benchPeers(effort: Effort, owner: Owner, upstreamPort: number): Promise<Table> {
  const started = new Map<string, subjects.Subject>([
    ['nginx', await subjects.startNginxPeer(owner, upstreamPort)],
    ...(await Promise.all(
      (['default agent', 'keep-alive agent'] as const).map(
        async (agent) =>
          [
            `http-proxy 1.18.1, ${agent}`,
            await subjects.startHttpProxyPeer(owner, upstreamPort, agent),
          ] as const,
      ),
    )),
    ['Sidegate', await subjects.startGate(owner, { upstreamPort })],
    ['Sidegate, access log', await subjects.startGate(owner, { upstreamPort, access: true })],
  ])
  const headers = { 'X-API-Key': subjects.KEY }
  const targets = new Map<string, RunRound>()
  for (const [name, { pid, port }] of started) {
    await subjects.verify(name, port, headers, 'mobile')
    targets.set(name, loadWith({ pid, port, headers }))
  }
  return compare(effort, targets)
}

const KEY_COUNTS = [1, 1000, 100_000]
/** No more than these are used; a script for wrk with all of them would cost wrk too much. */
const USED_KEYS = 1000

interface KeysResult {
  readonly readyAfterMs: number
  readonly idleMib: number
}

async function benchKeys(effort: Effort, owner: Owner, upstreamPort: number) {
  const folder = await createFolder(owner)
  const starts = new Map<string, KeysResult>()
  const targets = new Map<string, RunRound>()
  for (const count of KEY_COUNTS) {
    const keys = Array.from({ length: count }, () => randomBytes(24).toString('base64url'))
    const lines = keys.map(
      (key, index) => `caller-${index} sha256:${createHash('sha256').update(key).digest('hex')}`,
    )
    const gate = await subjects.startGate(owner, {
      upstreamPort,
      security: '',
      groups: 'groups:\n  - { name: callers, keys_file: keys.txt }',
      accepts: 'groups: [callers]',
      files: { 'keys.txt': `${lines.join('\n')}\n` },
    })
    const step = Math.max(1, Math.floor(count / USED_KEYS))
    const used = keys.filter((_, index) => index % step === 0)
    const name = count.toLocaleString('en')
    await subjects.verify(
      name,
      gate.port,
      { 'x-api-key': keys.at(-1) ?? '' },
      `caller-${count - 1}`,
    )
    await sleep(1000)
    starts.set(name, {
      readyAfterMs: gate.readyAfterMs,
      idleMib: measureTree(gate.pid).residentMib,
    })
    const script = await writeKeyScript(join(folder, `${count}.lua`), used)
    targets.set(name, loadWith({ pid: gate.pid, port: gate.port, headers: {}, script }))
  }
  return { starts, results: await compare(effort, targets) }
}

async function benchPasswords(effort: Effort, owner: Owner, upstreamPort: number): Promise<Table> {
  const password = randomBytes(18).toString('base64url')
  const passwordHash = execFileSync(process.execPath, [join('dist', 'main.js'), 'hash'], {
    input: password,
    encoding: 'utf8',
  }).trim()
  const { pid, port } = await subjects.startGate(owner, {
    upstreamPort,
    security: `security:
  - { name: mobile, type: api_key, key: ${subjects.KEY} }
  - { name: crm, type: basic_auth, username: crm, password_hash: "${passwordHash}" }`,
    accepts: 'security: [mobile, crm]',
  })
  const basic = `Basic ${Buffer.from(`crm:${password}`).toString('base64')}`
  await subjects.verify('Basic', port, { authorization: basic }, 'crm')
  return compare(
    effort,
    new Map([
      ['API key', loadWith({ pid, port, headers: { 'X-API-Key': subjects.KEY } })],
      ['Basic, scrypt ln=15', loadWith({ pid, port, headers: { Authorization: basic } })],
    ]),
  )
}

async function benchStarts({ starts }: Effort, owner: Owner, upstreamPort: number) {
  const readyAfterMs: number[] = []
  const idleMib: number[] = []
  for (let start = 0; start < starts; start += 1) {
    const gate = await subjects.startGate(owner, { upstreamPort })
    readyAfterMs.push(gate.readyAfterMs)
    await sleep(1000)
    idleMib.push(measureTree(gate.pid).residentMib)
    await subjects.stop(gate.child)
  }
  return { readyAfterMs: summarise(readyAfterMs), idleMib: summarise(idleMib) }
}

/** All tables of this side. */
export async function benchInbound(effort: Effort, owner: Owner, page: Page): Promise<object> {
  const upstreamPort = await subjects.startUpstream(owner)
  const peers = await benchPeers(effort, owner, upstreamPort)
  page.report('Small GET with an API key, one upstream', 'gate', peers)
  const keys = await benchKeys(effort, owner, upstreamPort)
  page.report('API keys in one group', 'keys', keys.results)
  const rows = [...keys.starts].map(([name, { readyAfterMs, idleMib }]) => [
    name,
    readyAfterMs.toFixed(0),
    idleMib.toFixed(0),
  ])
  page.say(formatTable(['keys', 'ms to /readyz', 'idle RSS MiB'], rows))
  const passwords = await benchPasswords(effort, owner, upstreamPort)
  page.report('Credentials that have been seen before', 'credential', passwords)
  const starts = await benchStarts(effort, owner, upstreamPort)
  page.say(
    `Start: ready after ${formatSpread(starts.readyAfterMs)} ms, idle at ${formatSpread(starts.idleMib)} MiB`,
  )
  return {
    peers: Object.fromEntries(peers),
    keys: { load: Object.fromEntries(keys.results), starts: Object.fromEntries(keys.starts) },
    passwords: Object.fromEntries(passwords),
    starts,
  }
}
