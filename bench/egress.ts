/**
 * What a call of the app costs on its way out in NAME form, with a key or a warm token added, beside
 * nginx with `proxy_set_header` and Squid with `request_header_add` in front of the same service.
 */
import { createServer } from 'node:http'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { eventually } from '../test/harness/eventually.ts'
import { ask, hash } from '../test/interop/bytes.ts'
import { isListening, startNginx } from '../test/interop/nginx.ts'
import {
  type Owner,
  createFolder,
  findFreePort,
  missing,
  startDaemon,
} from '../test/interop/programs.ts'
import { type Effort, type Page, type RunRound, type Table, compare } from './compare.ts'
import { loadWith } from './load.ts'
import { KEY, type Subject, startSidegate } from './subjects.ts'

const TOKEN = 'bench-token-0123456789abcdefghijklmnopqrst'

/** Says what arrived: the key, or the token. */
async function startApi(owner: Owner): Promise<number> {
  const { port } = await startNginx(owner, {
    http: 'keepalive_requests 1000000000;',
    server: `location / {
      add_header X-Seen-Credential "$http_x_api_key$http_authorization";
      return 200 "hello, this is a small answer of the API\\n";
    }`,
  })
  return port
}

/** Gives the same token to everybody, for an hour. */
async function startTokenServer(owner: Owner): Promise<number> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ access_token: TOKEN, token_type: 'Bearer', expires_in: 3600 }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  owner.after(() => server.close())
  return (server.address() as AddressInfo).port
}

function startNginxPeer(owner: Owner, apiPort: number): Promise<Subject> {
  return startNginx(owner, {
    http: `
    keepalive_requests 1000000000;
    upstream api { server 127.0.0.1:${apiPort}; keepalive 128; keepalive_requests 1000000000; }`,
    server: `location /key/ {
      proxy_pass http://api/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host 127.0.0.1:${apiPort};
      proxy_set_header X-API-Key "${KEY}";
    }`,
  })
}

/** As a reverse proxy: what it does for a client that knows nothing of proxies. */
async function startSquidPeer(owner: Owner, apiPort: number): Promise<Subject> {
  const folder = await createFolder(owner)
  // Started by root it becomes somebody else, who has to read and write here.
  await chmod(folder, 0o755)
  const logs = join(folder, 'logs')
  await mkdir(logs)
  await chmod(logs, 0o777)
  const port = await findFreePort()
  const file = join(folder, 'squid.conf')
  await writeFile(
    file,
    `
http_port 127.0.0.1:${port} accel defaultsite=127.0.0.1:${apiPort} no-vhost
visible_hostname squid.test
pid_filename ${logs}/pid
coredump_dir ${logs}
cache_log ${logs}/cache.log
access_log none
cache deny all
cache_mem 8 MB
max_filedescriptors 4096
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
client_persistent_connections on
server_persistent_connections on
cache_peer 127.0.0.1 parent ${apiPort} 0 no-query no-digest originserver name=api
request_header_add X-API-Key "${KEY}"
http_access allow all
`,
  )
  const child = startDaemon(owner, 'squid', ['-N', '-f', file, '-n', `bench${process.pid}`])
  await eventually('Squid listens', () => isListening(port), 20_000)
  return { pid: child.pid ?? 0, port }
}

const startGate = (owner: Owner, apiPort: number, tokenPort: number) =>
  startSidegate(
    owner,
    (port) => `
egress: { listen: "127.0.0.1:${port}" }
log: { format: json, access: false }
security:
  - { name: key, type: api_key, key: ${KEY} }
  - name: token
    type: bearer_token
    username: bench
    password: bench-client-secret-0123456789abcdef
    auth_server_url: "http://127.0.0.1:${tokenPort}/token"
    allow_plaintext: true
outgoing:
  - { name: none, url: "http://127.0.0.1:${apiPort}", security: none, match: name }
  - { name: key, url: "http://127.0.0.1:${apiPort}", security: key, match: name, allow_plaintext: true }
  - { name: token, url: "http://127.0.0.1:${apiPort}", security: token, match: name, allow_plaintext: true }
`,
  )

/** Fails unless the API gets the credential that it should get. */
async function verify(name: string, port: number, path: string, credential: string): Promise<void> {
  const answer = await ask(port, path, { headers: { 'x-unrelated': 'yes' } })
  await hash(answer)
  const seen = answer.headers['x-seen-credential'] ?? ''
  if (answer.statusCode !== 200 || seen !== credential) {
    throw new Error(`${name} answered ${answer.statusCode ?? 0}, the API saw "${String(seen)}"`)
  }
}

/** All tables of this side. */
export async function benchEgress(effort: Effort, owner: Owner, page: Page): Promise<object> {
  const apiPort = await startApi(owner)
  const gate = await startGate(owner, apiPort, await startTokenServer(owner))
  const subjects: [name: string, subject: Subject, path: string, credential: string][] = [
    ['nginx, proxy_set_header', await startNginxPeer(owner, apiPort), '/key/api/a', KEY],
    ['Sidegate, nothing added', gate, '/none/api/a', ''],
    ['Sidegate, API key', gate, '/key/api/a', KEY],
    ['Sidegate, warm Bearer token', gate, '/token/api/a', `Bearer ${TOKEN}`],
  ]
  const reason = missing('squid')
  if (reason === false) {
    const squid = await startSquidPeer(owner, apiPort)
    subjects.splice(1, 0, ['Squid, request_header_add', squid, '/api/a', KEY])
  } else {
    page.say(`No Squid: ${reason}`)
  }
  const targets = new Map<string, RunRound>()
  for (const [name, { pid, port }, path, credential] of subjects) {
    await verify(name, port, path, credential)
    targets.set(name, loadWith({ pid, port, headers: {}, path }))
  }
  const table: Table = await compare(effort, targets)
  page.report('Small GET of an app to an API, NAME form, one upstream', 'gate', table)
  return Object.fromEntries(table)
}
