/**
 * Squid on a free loopback port as somebody's parent proxy: it asks for a password, resolves the names
 * that a test gives it, and stands behind a pipe that keeps every byte that came to it.
 */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { eventually } from '../harness/eventually.ts'
import { isListening } from './nginx.ts'
import { type Owner, createFolder, findFreePort, missing, run, startDaemon } from './programs.ts'

/** Who may use it. */
export const SQUID_USER = 'sidegate'
/** See `SQUID_USER`. */
export const SQUID_PASSWORD = 'squid:pass+word/Tk6WnQz2RxLm9VbH=='

const HELPERS = ['/usr/lib/squid', '/usr/lib64/squid', '/usr/libexec/squid']
const helper = HELPERS.map((folder) => join(folder, 'basic_ncsa_auth')).find((path) =>
  existsSync(path),
)

/** `false`, or why Squid cannot be tried here. */
export const skipSquid: string | false =
  missing('squid', 'openssl') || (helper === undefined && 'this Squid checks no passwords')

/** A line of Squid's access log. */
export interface SquidLine {
  readonly method: string
  /** As the client wrote it; of CONNECT `host:port`. */
  readonly target: string
  /** `-` for nobody. */
  readonly user: string
  readonly status: number
}

/** A running Squid. */
export class Squid {
  /** Where clients go: a pipe to Squid. */
  readonly port: number
  /** Every byte that came to it, Latin-1. */
  received = ''
  readonly #log: string

  constructor(port: number, log: string) {
    this.port = port
    this.#log = log
  }

  /** Its access log so far. */
  async lines(): Promise<SquidLine[]> {
    const text = await readFile(this.#log, 'utf8').catch(() => '')
    return text.split('\n').flatMap((line) => {
      const [method = '', target = '', user = '', status = ''] = line.split(' ')
      return method === '' ? [] : [{ method, target, user, status: Number(status) }]
    })
  }

  /** Waits for a line; Squid writes it when a request, or a tunnel, has come to its end. */
  line(what: string, matches: (line: SquidLine) => boolean): Promise<SquidLine> {
    return eventually(what, async () => (await this.lines()).find(matches))
  }
}

/** Starts it; `names` are resolved to 127.0.0.1, and no others are. */
export async function startSquid(t: Owner, names: readonly string[]): Promise<Squid> {
  const folder = await createFolder(t)
  // Started by root it becomes somebody else, who has to read and write here.
  await chmod(folder, 0o755)
  const logs = join(folder, 'logs')
  await mkdir(logs)
  await chmod(logs, 0o777)
  await writeFile(join(folder, 'hosts'), `127.0.0.1 localhost ${names.join(' ')}\n`)
  const { stdout: hash } = await run('openssl', ['passwd', '-apr1', SQUID_PASSWORD])
  await writeFile(join(folder, 'users'), `${SQUID_USER}:${hash.trim()}\n`)
  const port = await findFreePort()
  const file = join(folder, 'squid.conf')
  await writeFile(file, render(folder, logs, port))
  // By its name it finds what it shares between processes: another Squid may run here.
  startDaemon(t, 'squid', ['-N', '-f', file, '-n', `sidegate${process.pid}`])
  await eventually('Squid listens', () => isListening(port), 20_000)
  const pipe = createServer()
  pipe.listen(0, '127.0.0.1')
  await once(pipe, 'listening')
  const squid = new Squid((pipe.address() as AddressInfo).port, join(logs, 'access.log'))
  const sockets = new Set<Socket>()
  pipe.on('connection', (near) => {
    const far = connect(port, '127.0.0.1')
    near.on('data', (chunk) => {
      squid.received += chunk.toString('latin1')
    })
    near.pipe(far)
    far.pipe(near)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => other.destroy())
    }
  })
  t.after(() => {
    pipe.close()
    for (const socket of sockets) socket.destroy()
  })
  return squid
}

function render(folder: string, logs: string, port: number): string {
  return `
http_port 127.0.0.1:${port}
visible_hostname squid.test
pid_filename ${logs}/pid
coredump_dir ${logs}
cache_log ${logs}/cache.log
logformat short %rm %ru %un %>Hs
access_log stdio:${logs}/access.log short
strip_query_terms off
cache deny all
cache_mem 8 MB
max_filedescriptors 1024
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
hosts_file ${folder}/hosts
dns_nameservers 127.0.0.1
dns_timeout 1 seconds
auth_param basic program ${helper ?? ''} ${folder}/users
auth_param basic children 1 startup=1
auth_param basic realm squid
acl known proxy_auth REQUIRED
acl forbidden dstdomain forbidden.sidegate.test
http_access deny forbidden
http_access allow known
http_access deny all
`
}
