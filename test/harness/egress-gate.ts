/**
 * The gate that tests of the egress side call through: a real `sidegate serve` with a connection of
 * every kind to a recording upstream, in cleartext and over TLS.
 */
import type { Test } from 'tap'
import { World, bases, kinds, secrets, type Kind } from './egress-world.ts'
import { RawClient, type Answer } from './raw-client.ts'
import type { RecordingUpstream } from './recording-upstream.ts'
import { SidegateProcess } from './sidegate-process.ts'

/** Settings that add to those of the standard gate; given the world, where ports are known. */
export interface EgressSettings {
  readonly egress?: Readonly<Record<string, unknown>>
  readonly security?: readonly object[]
  readonly outgoing?: readonly object[]
  /** Of the definition `crm-token`. */
  readonly bearer?: Readonly<Record<string, unknown>>
  /** Merged into the standard connections of these kinds, both schemes. */
  readonly kinds?: Readonly<Partial<Record<Kind, Readonly<Record<string, unknown>>>>>
  /** Spread over the whole configuration. */
  readonly top?: Readonly<Record<string, unknown>>
}

/** A running gate and what stands around it. */
export interface EgressGate {
  readonly world: World
  readonly sidegate: SidegateProcess
  readonly port: number
  /** The `Host` line of the NAME form. */
  readonly host: string
  /** A new connection. */
  connect(t: Test): Promise<RawClient>
  /** One request on a connection of its own. */
  ask(t: Test, text: string): Promise<Answer>
  /** The canary oracle, for clients that were used. */
  check(t: Test, ...clients: RawClient[]): Promise<void>
}

const definitionOf = { key: 'api', basic: 'svc', token: 'crm-token', open: 'none' } as const

/** `NAME` for cleartext and `NAME-tls` for TLS. */
function standardOutgoing(world: World, settings: EgressSettings): object[] {
  return kinds.flatMap((kind) => {
    const common = { security: definitionOf[kind], ...settings.kinds?.[kind] }
    const url = (scheme: 'http' | 'https') =>
      `${scheme}://${world.authorityOf(kind, scheme)}${bases[kind]}`
    return [
      { name: kind, url: url('http'), ...common },
      {
        name: `${kind}-tls`,
        url: url('https'),
        https: 'intercept',
        tls: { ca: 'upstreams.crt' },
        ...common,
      },
    ]
  })
}

/** The configuration of the standard gate. */
export function egressConfig(world: World, settings: EgressSettings = {}): object {
  return {
    egress: {
      listen: '127.0.0.1:0',
      ca: { cert: 'egress.crt', key: 'egress.key' },
      ...settings.egress,
    },
    admin: { listen: '127.0.0.1:0' },
    log: { level: 'trace', format: 'json' },
    shutdown: { drain_delay: '0s', drain_timeout: '2s' },
    security: [
      { name: 'api', type: 'api_key', key: '${env:API_KEY}' },
      { name: 'svc', type: 'basic_auth', username: 'svc', password: '${env:SVC_PASSWORD}' },
      {
        name: 'crm-token',
        type: 'bearer_token',
        username: 'my-client',
        password: '${env:CLIENT_SECRET}',
        auth_server_url: world.tokens.url,
        scopes: 'read:users write:users',
        ...settings.bearer,
      },
      { name: 'app', type: 'api_key', key: '${env:CLIENT_KEY}' },
      {
        name: 'batch',
        type: 'basic_auth',
        username: 'batch-user',
        password: '${env:CLIENT_PASSWORD}',
      },
      ...(settings.security ?? []),
    ],
    outgoing: [...standardOutgoing(world, settings), ...(settings.outgoing ?? [])],
    ...settings.top,
  }
}

/** The environment that `egressConfig` reads its secrets from. */
export const egressEnv = {
  API_KEY: secrets.key,
  SVC_PASSWORD: secrets.password,
  CLIENT_SECRET: secrets.clientSecret,
  CLIENT_KEY: secrets.clientKey,
  CLIENT_PASSWORD: secrets.clientPassword,
}

/** Starts the standard gate in a world of its own, or in the one given; all ends with `t`. */
export async function startEgressGate(
  t: Test,
  choose: EgressSettings | ((world: World) => EgressSettings) = {},
  given?: World,
  files: Readonly<Record<string, string>> = {},
): Promise<EgressGate> {
  const world = given ?? (await World.open(t))
  const settings = typeof choose === 'function' ? choose(world) : choose
  const sidegate = await SidegateProcess.start(t, {
    config: egressConfig(world, settings),
    env: egressEnv,
    files: {
      'upstreams.crt': world.authority.cert,
      'egress.crt': world.interceptor.cert,
      'egress.key': world.interceptor.key,
      ...files,
    },
  })
  world.canary.watchOutput(sidegate)
  const port = await sidegate.listener('egress')
  const connect = (test: Test) => RawClient.connect(test, port)
  return {
    world,
    sidegate,
    port,
    host: `Host: 127.0.0.1:${port}\r\n`,
    connect,
    ask: async (test, text) => (await connect(test)).request(text),
    check: (test, ...clients) => world.canary.check(test, sidegate, ...clients),
  }
}

/** Bytes that upstreams have got so far: a refusal must not change it. */
export function bytesUpstream(world: World): number {
  const all: readonly RecordingUpstream[] = Object.values(world.upstreams)
  const inTls = Object.values(world.fronts).reduce(
    (sum, { bytesReceived }) => sum + bytesReceived,
    0,
  )
  return all.reduce((sum, { bytesReceived }) => sum + bytesReceived, inTls)
}
