/**
 * What is compared: nginx with a key map, a minimal gate on http-proxy, and Sidegate, all in front of the
 * same upstream. Each checks an API key, removes it and says who is calling. Nothing is timed before
 * the answers and the identity header have been checked.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { ask, hash } from '../test/interop/bytes.ts'
import { isListening, startNginx } from '../test/interop/nginx.ts'
import { type Owner, createFolder, findFreePort } from '../test/interop/programs.ts'
import { eventually } from '../test/harness/eventually.ts'

/** A running subject. */
export interface Subject {
  readonly pid: number
  readonly port: number
}

/** A running Sidegate and how long it took to get ready. */
export interface StartedGate extends Subject {
  readonly readyAfterMs: number
  readonly child: ChildProcess
}

export const KEY = 'bench-key-0123456789abcdefghijklmnopqrst'

/** A small static answer; `X-Seen-User` and `X-Seen-Key` say what arrived. */
export async function startUpstream(owner: Owner): Promise<number> {
  const { port } = await startNginx(owner, {
    http: 'keepalive_requests 1000000000;',
    server: `location / {
      add_header X-Seen-User "$http_x_authenticated_user";
      add_header X-Seen-Key "$http_x_api_key";
      return 200 "hello, this is a small answer of the service\\n";
    }`,
  })
  return port
}

/** nginx with a map from key to user. */
export function startNginxPeer(owner: Owner, upstreamPort: number): Promise<Subject> {
  return startNginx(owner, {
    http: `
    keepalive_requests 1000000000;
    map_hash_bucket_size 128;
    map $http_x_api_key $user { default ""; "${KEY}" "mobile"; }
    upstream service { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; }`,
    server: `location / {
      if ($user = "") { return 401; }
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-API-Key "";
      proxy_set_header X-Authenticated-User $user;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }`,
  })
}

/** The minimal gate on http-proxy. */
export async function startHttpProxyPeer(
  owner: Owner,
  upstreamPort: number,
  agent: 'default agent' | 'keep-alive agent',
): Promise<Subject> {
  const port = await findFreePort()
  const file = join('bench', 'peers', 'http-proxy.mjs')
  const child = startNode(owner, [file, String(port), String(upstreamPort), KEY, agent])
  await eventually('http-proxy listens', () => isListening(port))
  return { pid: child.pid ?? 0, port }
}

/** How a Sidegate is configured. */
export interface GateOptions {
  readonly upstreamPort: number
  readonly access?: boolean
  /** YAML for `security`; the definition `mobile` with `KEY` unless told otherwise. */
  readonly security?: string
  /** YAML for `groups`. */
  readonly groups?: string
  /** What the one channel accepts. */
  readonly accepts?: string
  /** Other files of its folder. */
  readonly files?: Readonly<Record<string, string>>
}

/** Sidegate as it is built, ready to be asked. */
export async function startGate(owner: Owner, options: GateOptions): Promise<StartedGate> {
  return startSidegate(owner, (port) => renderConfiguration(port, options), options.files)
}

/** Any Sidegate: `render` gives its YAML without `admin` and `shutdown`, for the port it is to have. */
export async function startSidegate(
  owner: Owner,
  render: (port: number) => string,
  files: Readonly<Record<string, string>> = {},
): Promise<StartedGate> {
  const folder = await createFolder(owner)
  const [port, adminPort] = [await findFreePort(), await findFreePort()]
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content, { mode: 0o600 })
  }
  const file = join(folder, 'sidegate.yaml')
  const common = `admin: { listen: "127.0.0.1:${adminPort}" }
shutdown: { drain_delay: 0s, drain_timeout: 1s }
`
  await writeFile(file, `${common}${render(port)}`, { mode: 0o600 })
  const startedAt = performance.now()
  const child = startNode(owner, [join('dist', 'main.js'), 'serve', '--config', file])
  await eventually('/readyz', () => isReady(child, adminPort), 60_000)
  return { pid: child.pid ?? 0, port, child, readyAfterMs: performance.now() - startedAt }
}

function renderConfiguration(port: number, options: GateOptions): string {
  const { security, groups = '', accepts = 'security: mobile' } = options
  return `
inbound: { listen: "127.0.0.1:${port}", upstream: "http://127.0.0.1:${options.upstreamPort}" }
log: { format: json, access: ${String(options.access ?? false)} }
${security ?? `security:\n  - { name: mobile, type: api_key, key: ${KEY} }`}
${groups}
channels:
  - { name: api, path: /api/*, ${accepts} }
`
}

async function isReady(child: ChildProcess, adminPort: number): Promise<boolean> {
  if (child.exitCode !== null) throw new Error('sidegate ended; try its configuration with "check"')
  try {
    const answer = await ask(adminPort, '/readyz')
    await hash(answer)
    return answer.statusCode === 200
  } catch {
    return false
  }
}

/** A Node program; its output goes nowhere. */
export function startNode(owner: Owner, args: readonly string[]): ChildProcess {
  // The log goes nowhere, as to a collector that is quick enough.
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  owner.after(() => stop(child))
  return child
}

/** Ends a subject and waits for it. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Fails unless the subject lets the right caller in, as who he is, and nobody else. */
export async function verify(
  name: string,
  port: number,
  headers: Readonly<Record<string, string>>,
  user: string,
): Promise<void> {
  const forged = { ...headers, 'x-authenticated-user': 'root' }
  const answer = await ask(port, '/api/a', { headers: forged })
  const text = await hash(answer)
  const refused = await ask(port, '/api/a', { headers: { 'x-api-key': 'wrong' } })
  await hash(refused)
  const seen = [
    answer.statusCode,
    answer.headers['x-seen-user'],
    answer.headers['x-seen-key'] ?? '',
  ]
  if (seen.join() !== `200,${user},` || refused.statusCode !== 401 || text === '') {
    throw new Error(`${name} answered ${seen.join()} and ${refused.statusCode ?? 0} to a wrong key`)
  }
}
