/** The real NTLM servers of `ntlm-servers.sh`, on ports of their own, for one test file. */
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFolder, findFreePort, missing, run, type Owner } from './programs.ts'

/** Valid in the lab alone. */
export const accounts = {
  alice: { username: 'LABDOM\\alice', password: 'Alice-Pass-1' },
  bob: { username: 'LABDOM\\bob', password: 'Bob-Pass-2' },
  jürgen: { username: 'LABDOM\\jürgen', password: 'Pässwörd-€-9' },
  /** Of Samba, behind Squid. */
  games: { username: 'LABSRV\\games', password: 'Gam3s-Pass!' },
} as const

const MODULES = ['/usr/lib/apache2/modules/mod_auth_gssapi.so', '/usr/share/doc/gss-ntlmssp']

/** A user of one of the servers. */
export type Account = (typeof accounts)[keyof typeof accounts]

/** `false`, or why there can be no lab. */
export const skipLab: string | false = findReason()

function findReason(): string | false {
  if (process.getuid?.() !== 0) return 'winbindd and the users of apache and squid need root'
  const absent = MODULES.filter((path) => !existsSync(path))
  if (absent.length > 0) return `${absent.join(' and ')} not there ("make interop" installs it)`
  return missing('apache2', 'squid', 'winbindd', 'smbpasswd', 'ntlm_auth', 'openssl', 'python3')
}

export interface Lab {
  /** Apache with mod_auth_gssapi. */
  readonly http: string
  readonly https: string
  /** Squid as forward proxy that asks for NTLM. */
  readonly proxy: string
  /** Squid before Apache, asking for NTLM itself. */
  readonly accelerator: string
  /**
   * An acceptor that checks channel bindings: `/cbt-off`, `/cbt-optional`, `/cbt-required`; `/negotiate`
   * offers Negotiate alone.
   */
  readonly bindings: string
  /** PEM of the certificate of all of them, and its key. */
  readonly ca: string
  readonly key: string
  /** Gives a user of Apache another password. */
  setPassword(account: Account, password: string): Promise<void>
  /** The lines of Apache's log so far. */
  requests(): Promise<readonly LoggedRequest[]>
}

/** A request as Apache saw it. */
export interface LoggedRequest {
  readonly line: string
  readonly status: number
  /** Port of the client: tells connections apart. */
  readonly port: string
  /** 1 and 3 for the messages of a handshake, 0 where nothing was shown. */
  readonly messageType: number
  readonly user: string
}

/** Tests run in the root of the checkout, wherever they were compiled to. */
const SCRIPT = resolve('test/interop/ntlm-servers.sh')

export async function startLab(t: Owner): Promise<Lab> {
  const parent = await createFolder(t)
  // Apache and Squid run as users of their own.
  await chmod(parent, 0o755)
  const folder = join(parent, 'lab')
  const ports = await Promise.all(Array.from({ length: 5 }, findFreePort))
  const [http = 0, https = 0, squid = 0, accelerator = 0, cbt = 0] = ports
  const env = {
    PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    NTLM_LAB_DIR: folder,
    NTLM_LAB_HTTP: String(http),
    NTLM_LAB_HTTPS: String(https),
    NTLM_LAB_SQUID: String(squid),
    NTLM_LAB_ACCEL: String(accelerator),
    NTLM_LAB_CBT: String(cbt),
  }
  t.after(() => run('bash', [SCRIPT, 'stop'], { env }))
  const { exitCode, stdout, stderr } = await run('bash', [SCRIPT, 'start'], { env })
  if (exitCode !== 0) throw new Error(`the NTLM servers did not start: ${stdout}${stderr}`)
  return {
    http: `http://127.0.0.1:${http}`,
    https: `https://localhost:${https}`,
    proxy: `http://127.0.0.1:${squid}`,
    accelerator: `http://127.0.0.1:${accelerator}`,
    bindings: `https://localhost:${cbt}`,
    ca: await readFile(join(folder, 'etc', 'server.crt'), 'utf8'),
    key: await readFile(join(folder, 'etc', 'server.key'), 'utf8'),
    async setPassword({ username }, password) {
      const users = join(folder, 'etc', 'ntlm-users')
      const start = `${username.replace('\\', ':')}:`
      const lines = (await readFile(users, 'utf8')).split('\n')
      const changed = lines.map((line) => (line.startsWith(start) ? start + password : line))
      // In place: its owner and mode are Apache's.
      await writeFile(users, changed.join('\n'))
    },
    async requests() {
      // Apache writes a line when the connection is done with its request.
      await sleep(300)
      const text = await readFile(join(folder, 'log', 'apache-access.log'), 'utf8')
      return text.split('\n').flatMap(parseLine)
    },
  }
}

const LINE =
  /^\d+ (?<port>\d+) k=\d+ (?<line>.+) -> (?<status>\d+) auth=(?<auth>.*) user=(?<user>.*)$/

function parseLine(text: string): LoggedRequest[] {
  const { port = '', line = '', status, auth = '', user = '' } = LINE.exec(text)?.groups ?? {}
  if (status === undefined) return []
  const [, token] = auth.split(' ')
  const messageType =
    token === undefined ? 0 : (Buffer.from(token, 'base64').subarray(8, 9)[0] ?? 0)
  return [{ port, line, status: Number(status), messageType, user }]
}
