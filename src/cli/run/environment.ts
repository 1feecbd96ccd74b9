/**
 * The environment of a command behind the gate: every spelling of the proxy and CA variables, and no
 * variable that the configuration reads.
 */
import { BUNDLE_VARIABLES } from '../../tls/roots.ts'
import type { ProxyAddress } from './proxy.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What the environment is made from. */
export interface EnvironmentOptions {
  readonly proxy: ProxyAddress
  /** Where the bundle of authorities is; CA variables are left alone without it. */
  readonly trust: Readonly<Record<'pem' | 'java' | 'wget', string>> | undefined
  /** Variables to take away. */
  readonly secrets: ReadonlySet<string>
}

/** Ours: the secret of `--proxy-user`, which is in the proxy URL already. */
const OWN_SECRET = 'SIDEGATE_PROXY_PASSWORD'
/** A configuration may read them, and no program can do without. */
const ESSENTIAL = new Set(['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'PWD', 'TMPDIR', 'LANG'])
const LOOPBACK = 'localhost,127.0.0.1,::1,.localhost'
const JAVA_LOOPBACK = 'localhost|127.*|[::1]|*.localhost'

/** The environment of the command. */
export function createEnvironment(
  env: Environment,
  { proxy, trust, secrets }: EnvironmentOptions,
): Record<string, string> {
  const { url } = proxy
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || name === OWN_SECRET || (secrets.has(name) && !ESSENTIAL.has(name))
      ? []
      : [[name, value] as const],
  )
  return {
    ...Object.fromEntries(kept),
    ...inBothCases({ HTTP_PROXY: url, HTTPS_PROXY: url, ALL_PROXY: url, NO_PROXY: LOOPBACK }),
    // Node 22.21 and later; Node 20 has no such thing.
    NODE_USE_ENV_PROXY: '1',
    ...(trust && Object.fromEntries(BUNDLE_VARIABLES.map((name) => [name, trust.pem]))),
    ...(trust && { WGETRC: trust.wget }),
    JAVA_TOOL_OPTIONS: joinJavaOptions(
      secrets.has('JAVA_TOOL_OPTIONS') ? undefined : env['JAVA_TOOL_OPTIONS'],
      proxy,
      trust?.java,
    ),
  }
}

/** curl reads `http_proxy` in lower case alone, others only the upper. */
function inBothCases(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => [
      [name, value],
      [name.toLowerCase(), value],
    ]),
  )
}

/** Java reads none of the variables; of an option that is given twice the last counts. */
function joinJavaOptions(
  given: string | undefined,
  { host, port }: ProxyAddress,
  trustStore: string | undefined,
): string {
  const options = [
    ...['http', 'https'].flatMap((scheme) => [
      `-D${scheme}.proxyHost=${host}`,
      `-D${scheme}.proxyPort=${port}`,
    ]),
    `-Dhttp.nonProxyHosts=${JAVA_LOOPBACK}`,
    ...(trustStore === undefined
      ? []
      : [`"-Djavax.net.ssl.trustStore=${trustStore}"`, '-Djavax.net.ssl.trustStoreType=JKS']),
  ]
  return [...(given === undefined || given === '' ? [] : [given]), ...options].join(' ')
}
