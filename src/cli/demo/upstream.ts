/**
 * The service of the demo: it knows nothing of authentication and shows what it received, so that
 * one can see what a service behind Sidegate is told.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A running demo service. */
export interface DemoUpstream {
  readonly port: number
  close(): void
}

/** Starts the service on a free port of 127.0.0.1. */
export function createDemoUpstream(): Promise<DemoUpstream> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      const { method, url, headers } = request
      const seen = { service: 'a service without authentication', method, path: url, headers }
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(`${JSON.stringify(seen, undefined, 2)}\n`)
    })
  })
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
