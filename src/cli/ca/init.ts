/**
 * `sidegate ca init`: the authority as two files, the key readable by its owner alone from its first
 * byte. Nothing that exists is touched.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { WantedError, parseHostPattern } from '../../config/network.ts'
import { createAuthority } from '../../tls/authority.ts'
import { CommandError, UsageError } from '../command.ts'
import { loadOutline } from '../run/outline.ts'
import { createPaint, print } from '../terminal.ts'
import { renderScalar } from '../yaml-text.ts'
import type { CaValues } from './manual.ts'

const MAX_DAYS = 36_500

/** The hosts, and the folder of the configuration that they come from. */
interface Hosts {
  readonly hosts: readonly string[]
  readonly directory: string | undefined
}

/** Writes ca.pem and ca-key.pem and says what comes next. */
export async function initAuthority({ config, host, out = '.', days }: CaValues): Promise<number> {
  const validityDays = parseDays(days)
  if (host.length > 0 && config.length > 0) {
    throw new UsageError('--host and --config together, wanted one of them')
  }
  const { hosts, directory } = host.length > 0 ? parseHosts(host) : findHosts(config)
  const { certPem, keyPem } = await createAuthority({ hosts, validityDays, nowMs: Date.now() })
  const cert = join(out, 'ca.pem')
  const key = join(out, 'ca-key.pem')
  await mkdir(out, { recursive: true })
  await writeNew(cert, certPem, 0o644)
  try {
    await writeNew(key, keyPem, 0o600)
  } catch (error) {
    await rm(cert)
    throw error
  }
  printNext({ cert, key, hosts, directory, validityDays })
  return 0
}

function parseDays(text = '3650'): number {
  const days = Number(text)
  if (!/^\d{1,5}$/.test(text) || days < 1 || days > MAX_DAYS) {
    throw new UsageError(`--days "${text}": 1 to ${MAX_DAYS} was wanted`)
  }
  return days
}

function parseHosts(texts: readonly string[]): Hosts {
  const hosts = texts.map((text) => {
    try {
      return parseHostPattern(text)
    } catch (error) {
      if (!(error instanceof WantedError)) throw error
      throw new UsageError(`--host "${text}": ${error.message}`)
    }
  })
  return { hosts: [...new Set(hosts)], directory: undefined }
}

/** What CONNECT may be answered for: `match: name` is reached by the NAME form alone. */
function findHosts(cliPaths: readonly string[]): Hosts {
  const { outgoing, directory } = loadOutline(cliPaths)
  const tls = outgoing.filter(({ scheme, match }) => scheme === 'https' && match !== 'name')
  const intercepted = tls.filter(({ https }) => https === 'intercept')
  const chosen =
    intercepted.length > 0 ? intercepted : tls.filter(({ https }) => https !== 'tunnel')
  if (chosen.length === 0) {
    throw new CommandError(
      'no outgoing connection to intercept, wanted one with an https:// url and https: intercept, or --host NAME',
    )
  }
  return { hosts: [...new Set(chosen.map(({ host }) => host))], directory }
}

/** `wx` makes checking and writing one step. */
async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new CommandError(`"${path}" exists and is left as it is`)
    }
    throw error
  }
}

interface Written extends Hosts {
  readonly cert: string
  readonly key: string
  readonly validityDays: number
}

function printNext({ cert, key, hosts, directory, validityDays }: Written): void {
  const paint = createPaint(process.stdout, process.env)
  // As the configuration would name it: relative to its own folder.
  const show = (path: string): string =>
    renderScalar(directory === undefined ? resolve(path) : relative(directory, resolve(path)))
  print(`${paint.bold(`Wrote ${cert} and ${key}`)}, valid for ${validityDays} days, for`)
  for (const host of hosts) print(`  ${host}`)
  print(
    'and for no other host. Whoever has the key can pretend to be these; keep it with Sidegate.',
  )
  print()
  print(paint.bold('Into the configuration:'))
  print('  egress:')
  print('    ca:')
  print(`      cert: ${show(cert)}`)
  print(`      key: ${show(key)}`)
  print('  outgoing:  # those that are to be intercepted')
  print('    - https: intercept')
  print()
  print(paint.bold('Next:'))
  print('  sidegate check')
  print('  sidegate run -- CMD                   # CMD with proxy and CA variables')
  print('  sidegate ca bundle --out bundle.pem   # for applications that are started otherwise')
}
