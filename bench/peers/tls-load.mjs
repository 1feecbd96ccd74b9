// Load through a forward proxy: CONNECT, TLS, requests. As a process of its own, so that what it costs is
// not counted. Prints one line of JSON.
// node tls-load.mjs PROXY_PORT HOST:PORT CA_FILE CONNECTIONS SECONDS REQUESTS_PER_CONNECTION
import { readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { connect as connectTls, createSecureContext } from 'node:tls'

const [proxyPort, authority, caFile, connections, seconds, perConnection] = process.argv.slice(2)
const secureContext = createSecureContext({ ca: readFileSync(caFile) })
const [host] = authority.split(':')
const request = `GET /api/a HTTP/1.1\r\nHost: ${authority}\r\nX-Unrelated: yes\r\n\r\n`
const until = performance.now() + Number(seconds) * 1000
const latencies = []
let handshakes = 0
let failure

function fail(why) {
  failure ??= why
}

function openTunnel() {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(Number(proxyPort), '127.0.0.1')
    socket.setNoDelay(true)
    socket.once('error', reject)
    socket.once('connect', () =>
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`),
    )
    let head = ''
    const read = (chunk) => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', read)
      if (/^HTTP\/1\.[01] 200/.test(head)) resolve(socket)
      else reject(new Error(head))
    }
    socket.on('data', read)
  })
}

async function openConnection() {
  const socket = await openTunnel()
  return new Promise((resolve, reject) => {
    const tls = connectTls({ socket, servername: host, secureContext }, () => {
      handshakes += 1
      resolve(tls)
    })
    tls.once('error', reject)
  })
}

/** One request; its answer has a Content-Length. */
function exchange(tls) {
  return new Promise((resolve, reject) => {
    let text = ''
    const read = (chunk) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1]
      if (text.length < end + 4 + Number(length)) return
      tls.off('data', read)
      tls.off('close', reject)
      if (text.startsWith('HTTP/1.1 200')) resolve(text)
      else reject(new Error(text))
    }
    tls.on('data', read)
    tls.once('close', reject)
    tls.write(request)
  })
}

async function work() {
  while (performance.now() < until && failure === undefined) {
    const tls = await openConnection()
    for (let at = 0; at < Number(perConnection) && performance.now() < until; at += 1) {
      const startedAt = performance.now()
      await exchange(tls)
      latencies.push(performance.now() - startedAt)
    }
    tls.destroy()
  }
}

const startedAt = performance.now()
await Promise.all(
  Array.from({ length: Number(connections) }, () => work().catch((error) => fail(String(error)))),
)
const elapsedS = (performance.now() - startedAt) / 1000
latencies.sort((a, b) => a - b)
const at = (share) => latencies[Math.floor((latencies.length - 1) * share)]
console.log(
  JSON.stringify({
    requests: latencies.length,
    handshakes,
    elapsedS,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    failure,
  }),
)
