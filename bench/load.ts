/** One round of wrk against one subject: what the subject paid for it and what the client saw. */
import { writeFile } from 'node:fs/promises'
import { run } from '../test/interop/programs.ts'
import { measureTree } from './process-tree.ts'

/** What is loaded: the process and the requests it gets. */
export interface Target {
  readonly pid: number
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  /** Of the URL; `/api/a` unless told otherwise. */
  readonly path?: string
  /** A Lua script for wrk that varies the requests. */
  readonly script?: string
  /** `CONNECTIONS` unless told otherwise. */
  readonly connections?: number
  /** It closes connections without a word, which wrk counts as errors though the answers came. */
  readonly mayClose?: boolean
}

/** What one round came to. */
export interface Round {
  readonly microsPerRequest: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly residentMib: number
}

export const CONNECTIONS = 64

/** Rounds of wrk against this target. */
export function loadWith(target: Target): (seconds: number) => Promise<Round> {
  return (seconds) => runRound(target, seconds)
}

/** Loads the target for so many seconds; a single failed request fails the benchmark. */
async function runRound(target: Target, seconds: number): Promise<Round> {
  const headers = Object.entries(target.headers).flatMap(([name, value]) => [
    '-H',
    `${name}: ${value}`,
  ])
  const script = target.script === undefined ? [] : ['-s', target.script]
  const before = measureTree(target.pid)
  const { stdout, stderr, exitCode } = await run('wrk', [
    ...[
      '-t',
      '1',
      '-c',
      String(target.connections ?? CONNECTIONS),
      '-d',
      `${seconds}s`,
      '--latency',
    ],
    ...headers,
    ...script,
    `http://127.0.0.1:${target.port}${target.path ?? '/api/a'}`,
  ])
  const after = measureTree(target.pid)
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  const errors =
    target.mayClose === true
      ? /Socket errors: (?!connect 0, read \d+, write 0, timeout 0)|Non-2xx/
      : /Socket errors|Non-2xx/
  if (exitCode !== 0 || !(requests > 0) || errors.test(stdout)) {
    throw new Error(`wrk saw errors:\n${stdout}${stderr}`)
  }
  return {
    microsPerRequest: (after.cpuMicros - before.cpuMicros) / requests,
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Ms: parseLatency(stdout, '50'),
    p99Ms: parseLatency(stdout, '99'),
    residentMib: after.residentMib,
  }
}

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

function parseLatency(text: string, percentile: string): number {
  const match = new RegExp(`^\\s+${percentile}%\\s+([\\d.]+)([a-z]+)`, 'm').exec(text)
  return Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? Number.NaN)
}

/** A wrk script that goes through the keys, one a request. */
export async function writeKeyScript(path: string, keys: readonly string[]): Promise<string> {
  const requests = `
local keys = { ${keys.map((key) => `"${key}"`).join(', ')} }
local requests = {}
local next = 0
init = function(args)
  for index, key in ipairs(keys) do
    wrk.headers["X-API-Key"] = key
    requests[index] = wrk.format()
  end
end
request = function()
  next = next % #requests + 1
  return requests[next]
end
`
  await writeFile(path, requests)
  return path
}

/** A wrk script that asks a proxy for a URL, in absolute form. */
export async function writeProxyScript(path: string, url: string): Promise<string> {
  await writeFile(path, `request = function() return wrk.format("GET", "${url}") end\n`)
  return path
}
