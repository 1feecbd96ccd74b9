// The baseline: a gate as one would write it with http-proxy, in so few lines that nothing but the
// library costs. Arguments: port to listen on, port of the upstream, key, and whether connections to the
// upstream are kept, which the library does not do unless it is given an agent that does.
import http from 'node:http'
import httpProxy from 'http-proxy'

const [port, upstreamPort, key, kind] = process.argv.slice(2)
const agent =
  kind === 'keep-alive agent' ? new http.Agent({ keepAlive: true, maxSockets: 256 }) : undefined
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${upstreamPort}`, agent })
proxy.on('error', (_error, _request, response) => {
  if (!response.headersSent) response.writeHead(502)
  response.end()
})
const users = new Map([[key, 'mobile']])

http
  .createServer((request, response) => {
    const user = users.get(request.headers['x-api-key'])
    if (user === undefined) {
      response.writeHead(401).end()
      return
    }
    delete request.headers['x-api-key']
    request.headers['x-authenticated-user'] = user
    proxy.web(request, response)
  })
  .listen(Number(port), '127.0.0.1')
