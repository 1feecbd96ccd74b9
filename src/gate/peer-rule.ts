/** Who may connect to egress at all (`client_networks`). */
import { BlockList, isIP } from 'node:net'
import type { EgressConfig } from '../config/model.ts'

/** Loopback, unix sockets and the networks that are named, where nobody is asked who he is. */
export function createPeerRule({
  clients,
  clientNetworks,
}: Pick<EgressConfig, 'clients' | 'clientNetworks'>): (address: string) => boolean {
  if (clients !== 'none') return () => true
  const networks = new BlockList()
  for (const cidr of ['127.0.0.0/8', '::1/128', ...clientNetworks]) {
    const [address = '', bits] = cidr.split('/')
    const isV6 = isIP(address) === 6
    networks.addSubnet(address, Number(bits ?? (isV6 ? 128 : 32)), isV6 ? 'ipv6' : 'ipv4')
  }
  return (address) =>
    address === 'unix' || networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}
