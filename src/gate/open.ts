/**
 * Opens the listeners of the first configuration: what stands behind them follows every reload, the
 * addresses stay.
 */
import { hostname } from 'node:os'
import { createAdminHandler, type AdminOptions } from '../admin/handler.ts'
import type { Config, InboundConfig } from '../config/model.ts'
import type { ExchangeHandler } from '../http/exchange.ts'
import { createRequestId } from '../http/request-id.ts'
import { createInboundHandler, type InboundServices } from '../inbound/handler.ts'
import type { Log } from '../observe/log.ts'
import type { Metrics, Side } from '../observe/metrics.ts'
import type { Listeners } from './listeners.ts'

/** A connection costs about this much memory; a container with less of it takes fewer. */
const BYTES_PER_CONNECTION = 32 * 1024

const ADMIN_LIMITS = {
  form: 'origin',
  headerBytes: 16 * 1024,
  headerTimeoutMs: 10_000,
  keepAliveMs: 75_000,
  maxConnections: 256,
} as const

export interface OpenServices {
  readonly log: Log
  readonly metrics: Metrics
}

/** Opens what `inbound` asks for; throws `ListenError`. */
export async function openInbound(
  listeners: Listeners,
  inbound: InboundConfig,
  services: OpenServices & InboundServices,
): Promise<void> {
  const { metrics, log } = services
  const handler = createInboundHandler(services)
  for (const listener of inbound.listeners) {
    const address = await listeners.open(listener, {
      form: 'origin',
      headerBytes: inbound.limits.headerBytes,
      headerTimeoutMs: inbound.timeouts.headerMs,
      keepAliveMs: inbound.timeouts.keepAliveMs,
      maxConnections: boundConnections(inbound.limits.connections),
      handler,
      ...countConnections(metrics, 'inbound'),
    })
    log.info('listening', { side: 'inbound', address, tls: listener.tls !== undefined })
  }
}

/** Opens the admin listener and that of the probes; throws `ListenError`. */
export async function openAdmin(
  listeners: Listeners,
  admin: Config['admin'],
  services: OpenServices & Omit<AdminOptions, 'probesOnly' | 'ownNames' | 'createRequestId'>,
): Promise<void> {
  if (admin === undefined) return
  const open = async (
    address: NonNullable<Config['admin']>['listen'],
    side: 'admin' | 'probes',
  ): Promise<void> => {
    const handler: ExchangeHandler = createAdminHandler({
      ...services,
      probesOnly: side === 'probes',
      ownNames: [hostname()],
      createRequestId,
    })
    const bound = await listeners.open(
      { address, tls: undefined },
      { ...ADMIN_LIMITS, handler, onConnectionOpened: ignore, onConnectionClosed: ignore },
    )
    services.log.info('listening', { side, address: bound })
  }
  await open(admin.listen, 'admin')
  if (admin.probes !== undefined) await open(admin.probes, 'probes')
}

/** `wanted`, or what the memory of the container allows. */
export function boundConnections(wanted: number): number {
  const memory = process.constrainedMemory()
  // 0 or an absurd number means that there is no limit.
  if (memory <= 0 || memory > Number.MAX_SAFE_INTEGER) return wanted
  return Math.max(1, Math.min(wanted, Math.floor(memory / BYTES_PER_CONNECTION)))
}

/** What keeps `sidegate_open_connections` of a side. */
export function countConnections(
  metrics: Metrics,
  side: Side,
): { onConnectionOpened: () => void; onConnectionClosed: () => void } {
  return {
    onConnectionOpened: () => {
      metrics.connectionOpened(side)
    },
    onConnectionClosed: () => {
      metrics.connectionClosed(side)
    },
  }
}

function ignore(): void {
  // Admin connections are not a side of the metric.
}
