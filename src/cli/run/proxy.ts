/** The URL by which an application on this machine reaches egress, with its credentials if it needs any. */
import { CommandError, UsageError } from '../command.ts'
import type { Outline } from './outline.ts'

/** Every address is reached on loopback. */
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/** Where the proxy is. */
export interface ProxyAddress {
  /** With the port, even if it is the default one (curl would take 1080), and with credentials. */
  readonly url: string
  /** Without brackets. */
  readonly host: string
  readonly port: number
}

/** The first TCP listener of egress; throws `CommandError` where there is none. */
export function findProxy(
  { egress }: Outline,
  user: string | undefined,
  password: string | undefined,
): ProxyAddress {
  if (egress === undefined) {
    throw new CommandError('the configuration has no egress, so that there is no proxy to name')
  }
  const [address, isTls] = findAddress(egress.listeners)
  if (address.port === 0) {
    throw new CommandError('egress.listen has port 0, which is another one each time')
  }
  const host = LOOPBACK[address.host] ?? address.host
  const authority = `${host.includes(':') ? `[${host}]` : host}:${address.port}`
  const credentials = findCredentials(egress.hasClients, user, password)
  return {
    url: `${isTls ? 'https' : 'http'}://${credentials}${authority}`,
    host,
    port: address.port,
  }
}

/** `USER:PASSWORD@`, or nothing. */
function findCredentials(
  hasClients: boolean,
  user: string | undefined,
  password: string | undefined,
): string {
  if (user === undefined) {
    if (!hasClients) return ''
    throw new CommandError(
      'egress.clients asks who calls, wanted --proxy-user USER and the password in SIDEGATE_PROXY_PASSWORD',
    )
  }
  if (user === '' || user.includes(':')) {
    throw new UsageError('--proxy-user: a name without ":" was wanted')
  }
  if (password === undefined || password === '') {
    throw new CommandError(
      'SIDEGATE_PROXY_PASSWORD is not set, wanted the password of --proxy-user',
    )
  }
  return `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
}

function findAddress(
  listeners: NonNullable<Outline['egress']>['listeners'],
): readonly [{ readonly host: string; readonly port: number }, boolean] {
  for (const { address, isTls } of listeners) if (address.kind === 'tcp') return [address, isTls]
  throw new CommandError('egress listens on unix sockets alone, which proxy variables cannot name')
}
