/** What a reload ends: tunnels whose grounds it changes, and no others. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../../harness/eventually.ts'
import { openTunnel } from '../../harness/egress-tunnel.ts'
import { RecordingUpstream } from '../../harness/recording-upstream.ts'
import { SidegateProcess } from '../../harness/sidegate-process.ts'

t.setTimeout(60_000)

async function startScene(t: Test) {
  const upstream = await RecordingUpstream.listen(t)
  const base = {
    egress: { listen: '127.0.0.1:0' },
    admin: { listen: '127.0.0.1:0' },
    log: { format: 'json' },
    shutdown: { drain_delay: '0s', drain_timeout: '1s' },
    outgoing: [
      { name: 'api', url: `https://127.0.0.1:${upstream.port}`, https: 'tunnel', security: 'none' },
    ],
  }
  const sidegate = await SidegateProcess.start(t, { config: base, env: {} })
  const port = await sidegate.listener('egress')
  const reload = async (change: object): Promise<void> => {
    const text = JSON.stringify({ ...base, ...change })
    await writeFile(join(sidegate.folder, 'sidegate.yaml'), text)
    const answer = await sidegate.admin('/reload', { method: 'POST' })
    t.equal(answer.status, 200, answer.text)
  }
  const tunnel = async () => {
    const socket = await openTunnel(t, port, `127.0.0.1:${upstream.port}`)
    socket.on('error', () => undefined).resume()
    socket.write(Buffer.from([0x16, 3, 1, 0, 0]))
    await eventually('its first byte', () => upstream.connections.at(-1)?.chunks.length)
    return socket
  }
  return { base, reload, tunnel }
}

t.test('a tunnel ends with a change of its connection, and not with one elsewhere', async (t) => {
  const { base, reload, tunnel } = await startScene(t)
  const socket = await tunnel()
  const [api] = base.outgoing
  const timeouts = { first_byte: '7s' }
  const other = { name: 'other', url: 'https://other.example', security: 'none' }
  await reload({ outgoing: [{ ...api, timeouts }, other] })
  await sleep(300)
  t.notOk(socket.closed || socket.readableEnded, 'it goes on')
  await reload({ outgoing: [{ ...api, url: `${api?.url ?? ''}/base` }, other] })
  await eventually('its end', () => socket.closed || socket.readableEnded)
})
