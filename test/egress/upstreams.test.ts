/** Connections to destinations, kept and let go: real sockets to a server of the test's own. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createDestination, type DestinationKind } from '../../src/egress/destination.ts'
import { DestinationUpstreams } from '../../src/egress/upstreams.ts'

const settings = { tls: undefined, connectTimeoutMs: 5000, proxyFor: () => undefined }

async function startScene(t: Test) {
  const state = { opened: 0, isSlow: false }
  const server = createServer((_request: IncomingMessage, answer) => {
    setTimeout(() => answer.end('ok'), state.isSlow ? 100 : 0)
  }).on('connection', () => (state.opened += 1))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const upstreams = new DestinationUpstreams({
    policy: () => ({ findHostRefusal: () => undefined, findAddressRefusal: () => undefined }),
    maxHeaderBytes: () => 65_536,
    via: 'sidegate-test',
    onSocketOpened: () => undefined,
    onSocketClosed: () => undefined,
  })
  t.after(() => {
    upstreams.close()
  })
  upstreams.commit('rules 1')
  const destinationOf = (kind: DestinationKind) =>
    createDestination(kind, '127.0.0.1', { scheme: 'http', host: '127.0.0.1', port })
  const destinations = new Map<DestinationKind, ReturnType<typeof destinationOf>>()
  const ask = (kind: DestinationKind): Promise<number> =>
    new Promise((resolve, reject) => {
      const destination = destinations.get(kind) ?? destinationOf(kind)
      destinations.set(kind, destination)
      let status = 0
      const request = {
        method: 'GET',
        path: '/',
        headers: ['Host', destination.authority],
        body: undefined,
        isWebSocket: false,
      }
      upstreams
        .of(destination, settings)
        .prepare(request, {
          connected: () => undefined,
          information: () => undefined,
          answered: (found) => {
            status = found
            return true
          },
          received: () => true,
          ended: () => {
            resolve(status)
          },
          upgraded: () => undefined,
          failed: reject,
        })
        .start()
    })
  return { state, upstreams, ask }
}

t.test('under other rules only what is named keeps its connections', async (t) => {
  for (const kind of ['named', 'unmatched_allow'] as const) {
    const { state, upstreams, ask } = await startScene(t)
    t.equal(await ask(kind), 200)
    upstreams.commit('rules 1')
    t.equal(await ask(kind), 200)
    t.equal(state.opened, 1, 'kept while nothing changes')
    upstreams.commit('rules 2')
    t.equal(await ask(kind), 200)
    t.equal(state.opened, kind === 'named' ? 1 : 2, kind)
  }
})

t.test('a request under way ends as it would have', async (t) => {
  const { state, upstreams, ask } = await startScene(t)
  state.isSlow = true
  const answer = ask('unmatched_allow')
  await new Promise((resolve) => setTimeout(resolve, 30))
  upstreams.commit('rules 2')
  t.equal(await answer, 200)
  t.equal(await ask('unmatched_allow'), 200)
  t.equal(state.opened, 2)
})
