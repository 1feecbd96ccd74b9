/** How the embedded servers of the demo listen: on a free port of 127.0.0.1. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A running server of the demo. */
export interface DemoServer {
  readonly port: number
  close(): void
}

/** Resolves when the server listens. */
export function listen(server: Server): Promise<DemoServer> {
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      resolve({
        port,
        close: () => {
          server.close()
          server.closeAllConnections()
        },
      })
    })
  })
}
