/** What a parent proxy is asked, byte by byte. */
import { once } from 'node:events'
import t from 'tap'
import { askForTunnel } from '../../src/http/proxy-tunnel.ts'
import { makeConnection } from '../harness/connection.ts'

t.test('a parent proxy is told by whom it is asked, where that is said', async (t) => {
  const head = 'CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n'
  for (const [via, line] of [
    ['1.0 app, 1.1 sidegate-1', 'Via: 1.0 app, 1.1 sidegate-1\r\n'],
    [undefined, ''],
  ] as const) {
    const { near, far } = await makeConnection(t)
    const target = { host: 'api.example.com', port: 443, authorization: 'Basic eA==', via }
    const asked = new Promise((resolve) => {
      askForTunnel(near, target, resolve)
    })
    const [bytes] = (await once(far, 'data')) as [Buffer]
    t.equal(bytes.toString('latin1'), `${head}${line}Proxy-Authorization: Basic eA==\r\n\r\n`)
    far.write('HTTP/1.1 200 OK\r\n\r\n')
    t.equal(await asked, undefined)
  }
})
