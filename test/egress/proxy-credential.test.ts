/** What a parent proxy is shown while a password ends, and which connections are kept meanwhile. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { BasicAuthDefinition } from '../../src/config/model.ts'
import { createDestination, type Destination } from '../../src/egress/destination.ts'
import { NtlmUpstreams } from '../../src/egress/ntlm/upstreams.ts'
import { createProxyFor } from '../../src/egress/parent-proxy.ts'
import { DestinationUpstreams, type DialSettings } from '../../src/egress/upstreams.ts'
import { basicAuth, passwordEntry } from '../inbound/sample-config.ts'

/** Says 200 to everything, be it a request, a CONNECT or what follows one; keeps what it was shown. */
async function startServer(t: Test) {
  const seen = { shown: [] as string[], connections: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    seen.connections += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1')
      const pair = /^proxy-authorization: Basic (\S+)/im.exec(text)?.[1] ?? ''
      seen.shown.push(Buffer.from(pair, 'base64').toString())
      const length = text.startsWith('CONNECT') ? '' : 'Content-Length: 0\r\n'
      socket.write(`HTTP/1.1 200 OK\r\n${length}\r\n`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { seen, port: (server.address() as AddressInfo).port }
}

function open(t: Test): DestinationUpstreams {
  const allowed = { findHostRefusal: () => undefined, findAddressRefusal: () => undefined }
  const upstreams = new DestinationUpstreams({
    policy: () => allowed,
    maxHeaderBytes: () => 16_384,
    onSocketOpened: () => undefined,
    onSocketClosed: () => undefined,
  })
  t.after(() => {
    upstreams.close()
  })
  return upstreams
}

/** One GET; rejects with what a caller would be told. */
async function ask(upstreams: DestinationUpstreams, to: Destination, settings: DialSettings) {
  const headers = ['Host', to.authority]
  const request = { method: 'GET', path: '/', headers, body: undefined, isWebSocket: false }
  await new Promise<void>((resolve, reject) => {
    const call = upstreams.of(to, settings).prepare(request, {
      connected: () => undefined,
      information: () => undefined,
      answered: () => true,
      received: () => true,
      ended: () => {
        resolve()
      },
      upgraded: () => undefined,
      failed: reject,
    })
    call.start()
  })
}

function to(host: string, port = 80): Destination {
  return createDestination('named', host, { scheme: 'http', host, port })
}

const rotation = basicAuth('px', [
  passwordEntry('old', { notAfterMs: 1000 }),
  passwordEntry('new', { notBeforeMs: 1000, notAfterMs: 2000 }),
])

/** Dials by a proxy that wants `px`, under a clock of the test's. */
async function startProxy(t: Test, definition: BasicAuthDefinition = rotation) {
  const clock = { nowMs: 0 }
  const { seen, port } = await startServer(t)
  const settingsOf = (px: BasicAuthDefinition): DialSettings => ({
    tls: undefined,
    connectTimeoutMs: 5000,
    proxyFor: createProxyFor(
      { url: `http://127.0.0.1:${port}`, security: 'px', noProxy: [] },
      new Map([['px', px]]),
      () => clock.nowMs,
      new NtlmUpstreams({ monotonicMs: () => 0, onHandshake: ignore, onHeld: ignore }),
    ),
  })
  return { clock, seen, settings: settingsOf(definition), settingsOf }
}

t.test('a password of a parent proxy that has ended is not shown any more', async (t) => {
  const { clock, seen, settings } = await startProxy(t)
  const upstreams = open(t)
  const far = to('far.example')
  await ask(upstreams, far, settings)
  clock.nowMs = 1000
  await ask(upstreams, far, settings)
  t.strictSame(seen.shown, ['px:old', 'px:new'])
  t.equal(seen.connections, 1, 'on the same connection')
  clock.nowMs = 2000
  await t.rejects(ask(upstreams, far, settings), { code: 'definition_inactive', message: /"px"/ })
  t.equal(seen.shown.length, 2, 'nothing was sent')
})

t.test('nor where it is asked for a tunnel', async (t) => {
  const { clock, seen, settings } = await startProxy(t)
  const upstreams = open(t)
  const dial = async () => {
    const socket = await upstreams.dial(to('far.example'), settings)
    socket.destroy()
  }
  await dial()
  clock.nowMs = 1000
  await dial()
  t.strictSame(seen.shown, ['px:old', 'px:new'])
  clock.nowMs = 2000
  await t.rejects(dial(), { code: 'definition_inactive' })
  t.equal(seen.shown.length, 2)
})

t.test('a definition that is switched off is not shown to a parent proxy', async (t) => {
  const { seen, settings } = await startProxy(t, { ...rotation, isActive: false })
  await t.rejects(ask(open(t), to('far.example'), settings), { code: 'definition_inactive' })
  t.strictSame(seen.shown, [])
})

t.test('a definition that has changed uses no connection of what it was', async (t) => {
  const { seen, settings, settingsOf } = await startProxy(t)
  const upstreams = open(t)
  await ask(upstreams, to('far.example'), settings)
  const changed = { ...rotation, fingerprint: 'changed', passwords: [passwordEntry('next')] }
  await ask(upstreams, to('far.example'), settingsOf(changed))
  t.strictSame(seen.shown, ['px:old', 'px:next'])
  t.equal(seen.connections, 2)
})

t.test('a destination keeps its connections though many others were called since', async (t) => {
  const { seen, port } = await startServer(t)
  const upstreams = open(t)
  const near = to('127.0.0.1', port)
  const settings = { tls: undefined, connectTimeoutMs: 5000, proxyFor: () => undefined }
  const callOthers = () => {
    for (let at = 0; at < 1100; at++) upstreams.of(to(`host-${at}.example`), settings)
  }
  await ask(upstreams, near, settings)
  callOthers()
  await ask(upstreams, near, settings)
  t.equal(seen.connections, 2, 'the first one had been pushed out')
  await ask(upstreams, near, settings)
  t.equal(seen.connections, 2, 'the second one is kept')
  // Whoever is called in between is not pushed out.
  for (let at = 0; at < 1100; at++) {
    upstreams.of(to(`host-${at}.example`), settings)
    if (at % 100 === 0) upstreams.of(near, settings)
  }
  await ask(upstreams, near, settings)
  t.equal(seen.connections, 2, 'what is used is not pushed out')
})

function ignore(): void {
  // Nobody logs in here.
}
