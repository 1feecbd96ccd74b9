/**
 * The gate that hostile tests attack: one real Sidegate before one recording upstream, with a
 * protected channel `/p/*`, an open one `/o/*`, and secrets that can be told apart in any spelling.
 */
import type { Test } from 'tap'
import { Invariants } from './invariants.ts'
import { RawClient } from './raw-client.ts'
import { RecordingUpstream } from './recording-upstream.ts'
import { SidegateProcess } from './sidegate-process.ts'

/** Values of the definitions; the characters make their raw, URL-encoded and base64 forms differ. */
export const secrets = {
  mobile: 'mobile+key/8f3Qz7LwYh2VtRk9==s1',
  partner: 'partner+key/Tn5WcJx4uBd0GmEa==s2',
  retired: 'retired+key/Zk1PvSy6oHq3NfCi==s3',
  elsewhere: 'elsewhere+key/Xr7DjMg2wLb9KuVe==s4',
  expired: 'expired+key/Ua4HtOz8pRn1FyQs==s5',
  password: 'pass:w/rd+Gk2ZxMq7RvTn5Yb==s6',
} as const

/** `Authorization` value of the Basic definition `crm`. */
export const basic = `Basic ${Buffer.from(`crm:${secrets.password}`).toString('base64')}`

/** The header line of the API key `mobile`. */
export const mobileKey = `X-API-Key: ${secrets.mobile}\r\n`

/** A Host line that every request needs. */
export const host = 'Host: gate.example\r\n'

/** Settings that replace or add to those of the standard gate. */
export interface GateSettings {
  readonly inbound?: Readonly<Record<string, unknown>>
  readonly channels?: readonly object[]
  readonly shutdown?: object
  /** Spread over the whole configuration. */
  readonly top?: Readonly<Record<string, unknown>>
}

/** A running gate with all that watches it. */
export interface Gate {
  readonly sidegate: SidegateProcess
  readonly upstream: RecordingUpstream
  readonly invariants: Invariants
  readonly port: number
  /** A new connection. */
  connect(t: Test): Promise<RawClient>
}

/** The configuration of the standard gate before `upstreamUrl`. */
export function gateConfig(upstreamUrl: string, settings: GateSettings = {}): object {
  return {
    inbound: { listen: '127.0.0.1:0', upstream: upstreamUrl, ...settings.inbound },
    admin: { listen: '127.0.0.1:0' },
    log: { level: 'trace', format: 'json' },
    shutdown: settings.shutdown ?? { drain_delay: '0s', drain_timeout: '2s' },
    security: [
      { name: 'mobile', type: 'api_key', key: '${env:MOBILE_KEY}' },
      { name: 'partner', type: 'api_key', header: 'X-Partner-Key', key: '${env:PARTNER_KEY}' },
      { name: 'retired', type: 'api_key', key: '${env:RETIRED_KEY}', is_active: false },
      { name: 'elsewhere', type: 'api_key', key: '${env:ELSEWHERE_KEY}' },
      {
        name: 'expired',
        type: 'api_key',
        keys: [{ label: 'old', key: '${env:EXPIRED_KEY}', not_after: '2020-01-01T00:00:00Z' }],
      },
      { name: 'crm', type: 'basic_auth', username: 'crm', password: '${env:CRM_PASSWORD}' },
    ],
    channels: [
      {
        name: 'protected',
        path: '/p/*',
        security: ['mobile', 'partner', 'retired', 'expired', 'crm'],
      },
      { name: 'open', path: '/o/*', security: 'none' },
      { name: 'other', path: '/other/*', security: 'elsewhere' },
      ...(settings.channels ?? []),
    ],
    ...settings.top,
  }
}

/** The environment that `gateConfig` reads its secrets from. */
export const gateEnv = {
  MOBILE_KEY: secrets.mobile,
  PARTNER_KEY: secrets.partner,
  RETIRED_KEY: secrets.retired,
  ELSEWHERE_KEY: secrets.elsewhere,
  EXPIRED_KEY: secrets.expired,
  CRM_PASSWORD: secrets.password,
}

/** Starts the standard gate; it and its upstream end with `t`. */
export async function startGate(t: Test, settings: GateSettings = {}): Promise<Gate> {
  const upstream = await RecordingUpstream.listen(t)
  const config = gateConfig(upstream.url, settings)
  const sidegate = await SidegateProcess.start(t, { config, env: gateEnv })
  const port = sidegate.port('inbound')
  const told = [...Object.values(secrets), basic.slice('Basic '.length)]
  return {
    sidegate,
    upstream,
    invariants: new Invariants(sidegate, upstream, told),
    port,
    connect: (test) => RawClient.connect(test, port),
  }
}
