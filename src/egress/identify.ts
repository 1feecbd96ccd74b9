/** Who asks: the client that shows its credentials, or that opened the tunnel. */
import type { Exchange } from '../http/exchange.ts'
import { findHeader } from '../http/headers.ts'
import type { ClientVerdict } from './clients.ts'
import type { EgressGeneration } from './generation.ts'
import type { TunnelContext } from './services.ts'

const NOBODY: ClientVerdict = { kind: 'client', client: undefined }

/** `client` is `undefined` where egress asks nobody. */
export function identify(
  generation: EgressGeneration,
  { names, headers, peer }: Pick<Exchange, 'names' | 'headers' | 'peer'>,
  tunnel: TunnelContext | undefined,
): ClientVerdict | Promise<ClientVerdict> {
  const { clients } = generation
  if (clients === undefined) return NOBODY
  if (tunnel !== undefined) return identifyTunnel(generation, tunnel)
  return clients.verify(findHeader(names, headers, 'proxy-authorization'), peer.address)
}

/** Whoever opened a tunnel may have lost the right since, or come to the end of its secret. */
function identifyTunnel(
  { clients, definitions }: EgressGeneration,
  { client, clientFingerprint }: TunnelContext,
): ClientVerdict {
  const definition = definitions.get(client?.definition ?? '')
  const isStillClient =
    client !== undefined &&
    definition?.isActive === true &&
    definition.fingerprint === clientFingerprint &&
    clients?.isStillOne(client) === true
  return isStillClient ? { kind: 'client', client } : { kind: 'refused' }
}
