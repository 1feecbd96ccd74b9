/**
 * The service of the demo: it knows nothing of authentication and shows what it received, so that
 * one can see what a service behind Sidegate is told.
 */
import { createServer } from 'node:http'
import { type DemoServer, listen } from './server.ts'

/** Starts the service. */
export function createDemoUpstream(): Promise<DemoServer> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      const { method, url, headers } = request
      const seen = { service: 'a service without authentication', method, path: url, headers }
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(`${JSON.stringify(seen, undefined, 2)}\n`)
    })
  })
  return listen(server)
}
