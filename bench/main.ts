/**
 * `make bench`: what a request costs through Sidegate, side by side with what others would do the same
 * with. Rounds are interleaved. Prints tables, writes bench/results/latest.json and, with `--page FILE`,
 * the tables as a page.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Owner, missing } from '../test/interop/programs.ts'
import { withCleanup } from './cleanup.ts'
import { type Effort, Page } from './compare.ts'
import { benchEgress } from './egress.ts'
import { benchInbound } from './inbound.ts'
import { benchInterception } from './interception.ts'
import { CONNECTIONS } from './load.ts'
import { benchNtlm } from './ntlm.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    starts: { type: 'string', default: '7' },
    only: { type: 'string' },
    page: { type: 'string' },
    results: { type: 'string', default: join('bench', 'results') },
  },
})

/** Says of the page that it is made, and how. */
const HEADER = `<!-- Written by "make bench PAGE=docs/performance.md"; do not edit. -->

# Performance`

type Scenario = (effort: Effort, owner: Owner, page: Page) => Promise<object>

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  inbound: benchInbound,
  egress: benchEgress,
  interception: benchInterception,
  ntlm: benchNtlm,
}

async function main(): Promise<void> {
  const reason = missing('nginx', 'wrk')
  if (reason !== false) throw new Error(`nothing was measured: ${reason}`)
  const chosen = Object.entries(SCENARIOS).filter(
    ([name]) => values.only === undefined || values.only === name,
  )
  if (chosen.length === 0) {
    throw new Error(`--only takes one of ${Object.keys(SCENARIOS).join(', ')}`)
  }
  const effort = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
    starts: Number(values.starts),
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`
  const page = new Page()
  page.say(
    `Node ${process.version} on ${machine}, ${CONNECTIONS} connections unless a title says otherwise. ` +
      `Median (lowest–highest) of ${effort.rounds} interleaved rounds of ${effort.seconds} s. ` +
      'The machine is a shared one: what counts are the ratios within a table, processor time first.',
  )

  const tables: Record<string, object> = {}
  for (const [name, scenario] of chosen) {
    tables[name] = await withCleanup((owner) => scenario(effort, owner, page))
  }

  mkdirSync(values.results, { recursive: true })
  const file = join(values.results, 'latest.json')
  const all = {
    node: process.version,
    machine,
    at: new Date().toISOString(),
    connections: CONNECTIONS,
    ...effort,
    ...tables,
  }
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`)
  console.log(`\nwritten to ${file}`)
  if (values.page !== undefined) writeFileSync(values.page, `${HEADER}\n\n${page.toString()}\n`)
}

await main()
