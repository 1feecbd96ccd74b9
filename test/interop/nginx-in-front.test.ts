// nginx in front of the gate with kept connections, as an ingress: each end of a kept connection closes
// it when it likes, and where both disagree the user sees a 502.
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { KEY, renderGate, startGate } from './gate.ts'
import { startNginx } from './nginx.ts'
import { missing } from './programs.ts'

const skip = missing('nginx')
const REQUESTS = 10_000
const CONNECTIONS = 32

/** A service whose connections live for a few requests only, as those of PHP or of old servers do. */
async function startService(t: Test): Promise<number> {
  const service = createServer((incoming, response) => {
    incoming.resume()
    incoming.on('end', () => response.end(String(incoming.headers['x-authenticated-user'])))
  })
  service.maxRequestsPerSocket = 100
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    service.close()
    service.closeAllConnections()
  })
  return (service.address() as AddressInfo).port
}

function startIngress(t: Test, gatePort: number): Promise<{ readonly port: number }> {
  return startNginx(t, {
    http: `upstream gate { server 127.0.0.1:${gatePort}; keepalive ${CONNECTIONS}; }`,
    server: `
    keepalive_requests 1000;
    location / {
      proxy_pass http://gate;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_next_upstream off;
    }`,
  })
}

function askOnce(agent: Agent, port: number, index: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const method = index % 4 === 0 ? 'POST' : 'GET'
    const headers = { 'x-api-key': KEY }
    const outgoing = request({ agent, port, host: '127.0.0.1', path: '/api/a', method, headers })
    outgoing.on('error', reject)
    outgoing.on('response', (answer) => {
      let text = ''
      answer.setEncoding('latin1').on('data', (piece: string) => (text += piece))
      answer.on('error', reject)
      answer.on('end', () => resolve(`${answer.statusCode ?? 0} ${text}`))
    })
    outgoing.end(method === 'POST' ? 'x'.repeat(index % 3000) : undefined)
  })
}

void t.test('10,000 requests through nginx and the gate bring not one 502', { skip }, async (t) => {
  const gate = await startGate(t, renderGate(await startService(t)))
  const ingress = await startIngress(t, gate.port('inbound'))
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  t.after(() => agent.destroy())
  const answers = new Map<string, number>()
  let next = 0
  const worker = async () => {
    while (next < REQUESTS) {
      const index = next
      next += 1
      const answer = await askOnce(agent, ingress.port, index).catch((error: unknown) =>
        String(error),
      )
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
  t.same([...answers], [['200 mobile', REQUESTS]])
  t.equal(gate.severeLines.length, 0)
})

void t.test(
  'connections that nginx kept while idle are used again without a 502',
  { skip },
  async (t) => {
    const gate = await startGate(t, renderGate(await startService(t)))
    const ingress = await startIngress(t, gate.port('inbound'))
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
    t.after(() => agent.destroy())
    // Longer than the 5 s for which Node keeps an idle connection by itself, on either side of the gate.
    for (const pauseMs of [0, 3000, 4000, 5000, 6000]) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      const answers = await Promise.all(
        Array.from({ length: CONNECTIONS }, (_, index) => askOnce(agent, ingress.port, index)),
      )
      t.same([...new Set(answers)], ['200 mobile'], `after ${pauseMs} ms`)
    }
  },
)
