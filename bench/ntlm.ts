/**
 * What NTLM costs on connections that are logged in, beside the same without: at Apache as origin, and
 * at Squid as parent proxy, where cntlm does the same job.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../test/harness/eventually.ts'
import { ask, hash } from '../test/interop/bytes.ts'
import { isListening } from '../test/interop/nginx.ts'
import { type Lab, accounts, skipLab, startLab } from '../test/interop/ntlm-lab.ts'
import {
  type Owner,
  createFolder,
  findFreePort,
  missing,
  startDaemon,
} from '../test/interop/programs.ts'
import { type Effort, type Page, type RunRound, compare } from './compare.ts'
import { loadWith, writeProxyScript } from './load.ts'
import { type Subject, startSidegate } from './subjects.ts'

/** Apache of the lab serves 25 at a time. */
const CONNECTIONS = 16
/** Squid alone resolves it; for loopback no proxy would be asked. */
const FAR = 'ntlm.sidegate.test'

const farUrl = (lab: Lab) => lab.http.replace('127.0.0.1', FAR)

const startGate = (owner: Owner, lab: Lab) =>
  startSidegate(
    owner,
    (port) => `
egress: { listen: "127.0.0.1:${port}" }
log: { format: json, access: false }
security:
  - { name: alice, type: ntlm, username: '${accounts.alice.username}', password: '${accounts.alice.password}' }
  - { name: games, type: ntlm, username: '${accounts.games.username}', password: '${accounts.games.password}' }
outgoing:
  - { name: open, url: "${lab.http}", security: none, match: name }
  - { name: alice, url: "${lab.http}", security: alice, match: name, allow_plaintext: true }
  - name: far
    url: "${farUrl(lab)}"
    security: none
    proxy: { url: "${lab.proxy}", security: games }
`,
  )

async function startCntlm(owner: Owner, lab: Lab): Promise<Subject> {
  const folder = await createFolder(owner)
  const port = await findFreePort()
  const file = join(folder, 'cntlm.conf')
  const [domain, user] = accounts.games.username.split('\\')
  await writeFile(
    file,
    `Username ${user ?? ''}
Domain ${domain ?? ''}
Password ${accounts.games.password}
Auth NTLMv2
Proxy ${lab.proxy.replace('http://', '')}
Listen 127.0.0.1:${port}
`,
    { mode: 0o600 },
  )
  const child = startDaemon(owner, 'cntlm', ['-f', '-c', file])
  await eventually('cntlm listens', () => isListening(port), 10_000)
  return { pid: child.pid ?? 0, port }
}

async function verify(name: string, port: number, path: string): Promise<void> {
  // To a client that wants to close, cntlm hands on the 407 of its parent.
  const answer = await ask(port, path, { headers: { connection: 'keep-alive' } })
  await hash(answer)
  if (answer.statusCode !== 200) throw new Error(`${name} answered ${answer.statusCode ?? 0}`)
}

/** Both tables of NTLM; none without its servers. */
export async function benchNtlm(effort: Effort, owner: Owner, page: Page): Promise<object> {
  if (skipLab !== false) {
    page.say(`No NTLM: ${skipLab}`)
    return {}
  }
  const lab = await startLab(owner)
  const gate = await startGate(owner, lab)
  const load = async (name: string, { pid, port }: Subject, path: string) => {
    await verify(name, port, path)
    return [name, loadWith({ pid, port, path, headers: {}, connections: CONNECTIONS })] as const
  }
  const resource = '/hello.txt'
  const origin = await compare(
    effort,
    new Map<string, RunRound>([
      await load('Sidegate, nothing added', gate, `/open/open${resource}`),
      await load('Sidegate, NTLM', gate, `/alice/ntlm${resource}`),
    ]),
  )
  page.report('Small GET to Apache, NAME form, connections that are logged in', 'gate', origin)

  const url = `${farUrl(lab)}/open${resource}`
  const script = await writeProxyScript(join(await createFolder(owner), 'proxy.lua'), url)
  const subjects = new Map<string, Subject>([['Sidegate, NTLM', gate]])
  const reason = missing('cntlm')
  if (reason === false) subjects.set('cntlm', await startCntlm(owner, lab))
  else page.say(`No cntlm: ${reason}`)
  const targets = new Map<string, RunRound>()
  for (const [name, { pid, port }] of subjects) {
    await verify(name, port, url)
    // Squid's `Connection: keep-alive` is not cntlm's `Proxy-Connection`: it closes after each answer.
    const mayClose = name === 'cntlm'
    const common = { pid, port, headers: {}, connections: CONNECTIONS }
    targets.set(name, loadWith({ ...common, script, mayClose }))
  }
  const parent = await compare(effort, targets)
  page.report('Small GET through Squid, which asks for NTLM', 'proxy', parent)
  return { origin: Object.fromEntries(origin), parent: Object.fromEntries(parent) }
}
