// A channel with every default, for tests that care about a few of its settings.
import type { ChannelConfig } from '../../src/config/model.ts'

const timeouts = {
  headerMs: 10_000,
  bodyIdleMs: 60_000,
  keepAliveMs: 75_000,
  connectMs: 5000,
  firstByteMs: 60_000,
  websocketIdleMs: 3_600_000,
}

/** An open channel `sample` for every path, changed where the test says so. */
export function sampleChannel(change: Partial<ChannelConfig> = {}): ChannelConfig {
  return {
    name: 'sample',
    path: '/*',
    host: undefined,
    methods: undefined,
    upstream: {
      address: { kind: 'tcp', scheme: 'http', host: '127.0.0.1', port: 8080 },
      authority: '127.0.0.1:8080',
      tls: undefined,
    },
    security: 'none',
    groups: [],
    realm: undefined,
    encodedSlashes: false,
    emptySegments: false,
    pathParameters: false,
    doubleEncoding: false,
    accessLog: true,
    isActive: true,
    identityHeader: 'X-Authenticated-User',
    forwardIdentity: [],
    forwardCredentials: false,
    allowHeaderNames: [],
    upstreamHost: 'keep',
    timeouts,
    ...change,
  }
}
