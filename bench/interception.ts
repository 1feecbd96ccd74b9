/**
 * What a call costs whose TLS ends at the proxy and begins anew, beside mitmproxy: handshakes alone (a new
 * connection for each request) and requests on kept connections.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../test/harness/eventually.ts'
import { isListening, startNginx } from '../test/interop/nginx.ts'
import {
  type Owner,
  createFolder,
  findFreePort,
  missing,
  run,
  startDaemon,
} from '../test/interop/programs.ts'
import { type Effort, type Page, type RunRound, compare } from './compare.ts'
import type { Round } from './load.ts'
import { measureTree } from './process-tree.ts'
import { KEY, type Subject, startSidegate } from './subjects.ts'

/** Fewer than of wrk: the client does its half of the handshakes on the same machine. */
const CONNECTIONS = 16
const FOR_EVER = 1_000_000_000

interface Interceptor extends Subject {
  /** Certificate of its authority. */
  readonly caFile: string
}

interface Api {
  readonly port: number
  readonly certificateFile: string
}

/** Answers those alone who show the key, so that whoever is timed adds it. */
async function startApi(owner: Owner): Promise<Api> {
  const folder = await createFolder(owner)
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const made = await run('openssl', [
    ...request,
    ...['-nodes', '-days', '7', '-subj', '/CN=localhost', '-keyout', key, '-out', certificate],
    ...['-addext', 'subjectAltName=DNS:localhost'],
  ])
  if (made.exitCode !== 0) throw new Error(made.stderr)
  const tlsPort = await findFreePort()
  await startNginx(owner, {
    http: 'keepalive_requests 1000000000;',
    server: `
    listen 127.0.0.1:${tlsPort} ssl;
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    location / {
      if ($http_x_api_key != "${KEY}") { return 401; }
      return 200 "hello, this is a small answer of the API\\n";
    }`,
  })
  return { port: tlsPort, certificateFile: certificate }
}

async function startGate(owner: Owner, api: Api): Promise<Interceptor> {
  const folder = await createFolder(owner)
  const render = (port: number) => `
egress:
  listen: "127.0.0.1:${port}"
  ca: { cert: ${folder}/ca.pem, key: ${folder}/ca-key.pem }
log: { format: json, access: false }
security: [{ name: key, type: api_key, key: ${KEY} }]
outgoing:
  - name: api
    url: "https://localhost:${api.port}"
    https: intercept
    security: key
    tls: { ca: api.pem }
`
  const files = { 'api.pem': await readFile(api.certificateFile, 'utf8') }
  const draft = join(folder, 'sidegate.yaml')
  await writeAll(folder, { ...files, 'sidegate.yaml': render(await findFreePort()) })
  execFileSync(process.execPath, [
    join('dist', 'main.js'),
    ...['ca', 'init', '--config', draft, '--out', folder],
  ])
  const gate = await startSidegate(owner, render, files)
  return { ...gate, caFile: join(folder, 'ca.pem') }
}

async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o600 })
  }
}

async function startMitmproxy(owner: Owner, api: Api): Promise<Interceptor> {
  const folder = await createFolder(owner)
  const port = await findFreePort()
  const child = startDaemon(owner, 'mitmdump', [
    ...['--quiet', '--listen-host', '127.0.0.1', '--listen-port', String(port)],
    ...['--set', `confdir=${folder}`, '--set', 'flow_detail=0'],
    ...['--set', `ssl_verify_upstream_trusted_ca=${api.certificateFile}`],
    ...['--modify-headers', `/~q/X-API-Key/${KEY}`],
  ])
  const caFile = join(folder, 'mitmproxy-ca-cert.pem')
  await eventually('mitmproxy listens', () => isListening(port), 30_000)
  await eventually('mitmproxy has its authority', () => existsSync(caFile), 10_000)
  return { pid: child.pid ?? 0, port, caFile }
}

/** Rounds of our own client, since wrk speaks with no proxies. */
function loadThrough(subject: Interceptor, api: Api, requestsPerConnection: number): RunRound {
  return async (seconds): Promise<Round> => {
    const before = measureTree(subject.pid)
    const { stdout, stderr } = await run(process.execPath, [
      join('bench', 'peers', 'tls-load.mjs'),
      ...[String(subject.port), `localhost:${api.port}`, subject.caFile],
      ...[String(CONNECTIONS), String(seconds), String(requestsPerConnection)],
    ])
    const after = measureTree(subject.pid)
    if (stdout === '') throw new Error(stderr)
    const found = JSON.parse(stdout) as {
      requests: number
      elapsedS: number
      p50Ms: number
      p99Ms: number
      failure?: string
    }
    if (found.failure !== undefined) throw new Error(found.failure)
    return {
      microsPerRequest: (after.cpuMicros - before.cpuMicros) / found.requests,
      requestsPerSecond: found.requests / found.elapsedS,
      p50Ms: found.p50Ms,
      p99Ms: found.p99Ms,
      residentMib: after.residentMib,
    }
  }
}

/** Both tables of interception. */
export async function benchInterception(effort: Effort, owner: Owner, page: Page): Promise<object> {
  const api = await startApi(owner)
  const subjects = new Map<string, Interceptor>([['Sidegate', await startGate(owner, api)]])
  const reason = missing('mitmdump')
  if (reason === false) subjects.set('mitmproxy', await startMitmproxy(owner, api))
  else page.say(`No mitmproxy: ${reason}`)
  const tableOf = (requestsPerConnection: number) =>
    compare(
      effort,
      new Map(
        [...subjects].map(([name, subject]) => [
          name,
          loadThrough(subject, api, requestsPerConnection),
        ]),
      ),
    )
  const kept = await tableOf(FOR_EVER)
  page.report(`Intercepted calls on ${CONNECTIONS} kept connections`, 'proxy', kept)
  const fresh = await tableOf(1)
  page.report('Intercepted calls, each with a CONNECT and a handshake', 'proxy', fresh)
  return { kept: Object.fromEntries(kept), fresh: Object.fromEntries(fresh) }
}
