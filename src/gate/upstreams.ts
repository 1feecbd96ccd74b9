/**
 * The upstreams in use: channels with equal settings share connections, which outlive a reload
 * that leaves these settings alone.
 */
import type { ChannelConfig, InboundConfig } from '../config/model.ts'
import type { UpstreamOptions } from '../http/upstream-connection.ts'
import { Upstream } from '../http/upstream.ts'

export interface ConnectionCounter {
  readonly onSocketOpened: () => void
  readonly onSocketClosed: () => void
}

export class Upstreams {
  readonly #counter: ConnectionCounter
  #byKey = new Map<string, Upstream>()

  constructor(counter: ConnectionCounter) {
    this.#counter = counter
  }

  /** The upstreams of one configuration, by channel; call the result's `commit` once it is served. */
  prepare(
    channels: readonly ChannelConfig[],
    inbound: InboundConfig | undefined,
  ): { readonly of: (channel: ChannelConfig) => Upstream; readonly commit: () => void } {
    const next = new Map<string, Upstream>()
    const ofChannel = new Map<ChannelConfig, Upstream>()
    for (const channel of channels) {
      if (inbound === undefined) throw new Error('a channel without inbound')
      const options = this.#optionsOf(channel, inbound)
      const key = JSON.stringify(options)
      const upstream = next.get(key) ?? this.#byKey.get(key) ?? new Upstream(options)
      next.set(key, upstream)
      ofChannel.set(channel, upstream)
    }
    return {
      of: (channel) => {
        const upstream = ofChannel.get(channel)
        if (upstream === undefined) throw new Error(`no upstream of channel "${channel.name}"`)
        return upstream
      },
      commit: () => {
        this.#replace(next)
      },
    }
  }

  /** Lets every connection go that no request is on. */
  close(): void {
    this.#replace(new Map())
  }

  #replace(next: Map<string, Upstream>): void {
    for (const [key, upstream] of this.#byKey) {
      if (next.get(key) !== upstream) upstream.close()
    }
    this.#byKey = next
  }

  #optionsOf(channel: ChannelConfig, inbound: InboundConfig): UpstreamOptions {
    const { address, tls } = channel.upstream
    const isTls = address.kind === 'tcp' && address.scheme === 'https'
    return {
      address:
        address.kind === 'unix' ? address : { kind: 'tcp', host: address.host, port: address.port },
      tls: isTls
        ? {
            ca: tls?.ca,
            cert: tls?.cert,
            key: tls?.key?.reveal(),
            serverName: tls?.serverName,
          }
        : undefined,
      connectTimeoutMs: channel.timeouts.connectMs,
      keepAliveMs: inbound.upstreamKeepAliveMs,
      maxHeaderBytes: inbound.limits.responseHeaderBytes,
      ...this.#counter,
    }
  }
}
