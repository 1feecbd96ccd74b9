/**
 * `make bench`: what a request costs behind nginx, http-proxy and Sidegate; what many keys cost; what
 * a password costs once it is known; what a start costs. Rounds are interleaved, so that a busy
 * minute of the machine hits all alike. Prints tables, writes bench/results/latest.json.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Owner, createFolder, missing } from '../test/interop/programs.ts'
import { CONNECTIONS, type Round, type Target, runRound, writeKeyScript } from './load.ts'
import { measureTree } from './process-tree.ts'
import { type Spread, formatSpread, formatTable, summarise, summariseFields } from './statistics.ts'
import * as subjects from './subjects.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    starts: { type: 'string', default: '7' },
    results: { type: 'string', default: join('bench', 'results') },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)

/** Ends everything that was started, last first. */
class Cleanup implements Owner {
  readonly #ends: (() => unknown)[] = []

  after(end: () => unknown): void {
    this.#ends.push(end)
  }

  async run(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }
}

const FIELDS = ['microsPerRequest', 'requestsPerSecond', 'p50Ms', 'p99Ms', 'residentMib'] as const
type Summary = Record<(typeof FIELDS)[number], Spread>

/** Loads all targets in turn, round after round, after one round each that does not count. */
async function compare(targets: ReadonlyMap<string, Target>): Promise<Map<string, Summary>> {
  const results = new Map<string, Round[]>()
  for (const target of targets.values()) await runRound(target, 2)
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, target] of targets) {
      const result = await runRound(target, seconds)
      results.set(name, [...(results.get(name) ?? []), result])
    }
  }
  return new Map([...results].map(([name, all]) => [name, summariseFields(all, FIELDS)]))
}

const HEAD = ['µs CPU/request', 'requests/s', 'p50 ms', 'p99 ms', 'RSS MiB']

function report(title: string, column: string, results: ReadonlyMap<string, Summary>): void {
  const rows = [...results].map(([name, summary]) => [
    name,
    ...FIELDS.map((field) => formatSpread(summary[field])),
  ])
  console.log(`\n${title}\n\n${formatTable([column, ...HEAD], rows)}`)
}

async function benchPeers(owner: Owner, upstreamPort: number): Promise<Map<string, Summary>> {
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
  const targets = new Map<string, Target>()
  for (const [name, { pid, port }] of started) {
    await subjects.verify(name, port, headers, 'mobile')
    targets.set(name, { pid, port, headers })
  }
  return compare(targets)
}

const KEY_COUNTS = [1, 1000, 100_000]
/** No more than these are used; a script for wrk with all of them would cost wrk too much. */
const USED_KEYS = 1000

interface KeysResult {
  readonly readyAfterMs: number
  readonly idleMib: number
}

async function benchKeys(owner: Owner, upstreamPort: number) {
  const folder = await createFolder(owner)
  const starts = new Map<string, KeysResult>()
  const targets = new Map<string, Target>()
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
    targets.set(name, { pid: gate.pid, port: gate.port, headers: {}, script })
  }
  return { starts, results: await compare(targets) }
}

async function benchPasswords(owner: Owner, upstreamPort: number): Promise<Map<string, Summary>> {
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
    new Map<string, Target>([
      ['API key', { pid, port, headers: { 'X-API-Key': subjects.KEY } }],
      ['Basic, scrypt ln=15', { pid, port, headers: { Authorization: basic } }],
    ]),
  )
}

async function benchStarts(owner: Owner, upstreamPort: number) {
  const readyAfterMs: number[] = []
  const idleMib: number[] = []
  for (let start = 0; start < Number(values.starts); start += 1) {
    const gate = await subjects.startGate(owner, { upstreamPort })
    readyAfterMs.push(gate.readyAfterMs)
    await sleep(1000)
    idleMib.push(measureTree(gate.pid).residentMib)
    await subjects.stop(gate.child)
  }
  return { readyAfterMs: summarise(readyAfterMs), idleMib: summarise(idleMib) }
}

async function main(): Promise<void> {
  const reason = missing('nginx', 'wrk')
  if (reason !== false) throw new Error(`nothing was measured: ${reason}`)
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`
  console.log(`Node ${process.version}, ${machine}, ${CONNECTIONS} connections of wrk`)
  console.log(`median (lowest–highest) of ${rounds} interleaved rounds of ${seconds} s`)

  const isolated = async <T>(
    work: (owner: Owner, upstreamPort: number) => Promise<T>,
  ): Promise<T> => {
    const cleanup = new Cleanup()
    try {
      return await work(cleanup, await subjects.startUpstream(cleanup))
    } finally {
      await cleanup.run()
    }
  }

  const peers = await isolated(benchPeers)
  report('Small GET with an API key, one upstream', 'gate', peers)
  const keys = await isolated(benchKeys)
  report('API keys in one group', 'keys', keys.results)
  const rows = [...keys.starts].map(([name, { readyAfterMs, idleMib }]) => [
    name,
    readyAfterMs.toFixed(0),
    idleMib.toFixed(0),
  ])
  console.log(`\n${formatTable(['keys', 'ms to /readyz', 'idle RSS MiB'], rows)}`)
  const passwords = await isolated(benchPasswords)
  report('Credentials that have been seen before', 'credential', passwords)
  const starts = await isolated(benchStarts)
  console.log(
    `\nStart: ready after ${formatSpread(starts.readyAfterMs)} ms, idle at ${formatSpread(starts.idleMib)} MiB`,
  )

  mkdirSync(values.results, { recursive: true })
  const file = join(values.results, 'latest.json')
  const all = {
    node: process.version,
    machine,
    at: new Date().toISOString(),
    connections: CONNECTIONS,
    rounds,
    seconds,
    peers: Object.fromEntries(peers),
    keys: { load: Object.fromEntries(keys.results), starts: Object.fromEntries(keys.starts) },
    passwords: Object.fromEntries(passwords),
    starts,
  }
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
  console.log(`\nwritten to ${file}`)
}

await main()
