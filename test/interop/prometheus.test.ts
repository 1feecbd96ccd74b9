// Prometheus scrapes the gate, and its linter reads our metrics.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../harness/eventually.ts'
import { ask, hash } from './bytes.ts'
import { KEY, renderGate, startGate } from './gate.ts'
import { createFolder, findFreePort, missing, run, startDaemon } from './programs.ts'
import { startNginx } from './nginx.ts'

interface QueryAnswer {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
}

async function query(port: number, expression: string): Promise<number | undefined> {
  const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`
  try {
    const { data } = (await (await fetch(url)).json()) as QueryAnswer
    return data.result[0] === undefined ? undefined : Number(data.result[0].value[1])
  } catch {
    return undefined
  }
}

void t.test(
  'Prometheus scrapes what the gate counted',
  { skip: missing('prometheus', 'nginx') },
  async (t) => {
    const nginx = await startNginx(t, { server: 'location /api/ { return 200 "hello"; }' })
    const gate = await startGate(t, renderGate(nginx.port))
    const folder = await createFolder(t)
    const file = join(folder, 'prometheus.yml')
    await writeFile(
      file,
      `global: { scrape_interval: 1s }
scrape_configs:
  - job_name: sidegate
    static_configs: [{ targets: ["127.0.0.1:${gate.port('admin')}"] }]
`,
    )
    for (let index = 0; index < 25; index += 1) {
      await hash(await ask(gate.port('inbound'), '/api/a', { headers: { 'x-api-key': KEY } }))
    }
    await hash(await ask(gate.port('inbound'), '/api/a'))
    const port = await findFreePort()
    startDaemon(t, 'prometheus', [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ])
    const isScraped = async () => (await query(port, 'up{job="sidegate"}')) === 1
    await eventually('the first scrape', isScraped, 60_000)
    const requests =
      'sum(sidegate_inbound_requests_total{channel="api",definition="mobile",status="200"})'
    await eventually('25 requests', async () => (await query(port, requests)) === 25, 20_000)
    const failures = 'sum(sidegate_auth_failures_total{channel="api",reason="missing"})'
    await eventually('a failure', async () => (await query(port, failures)) === 1, 20_000)
    const quantile =
      'histogram_quantile(0.5, sidegate_inbound_request_duration_seconds_bucket{channel="api"})'
    const median = (await query(port, quantile)) ?? Number.NaN
    t.ok(median > 0 && median < 10, `a median of ${median} s`)
    t.equal(await query(port, 'sidegate_config_generation'), 1)
    t.equal(await query(port, 'count(sidegate_build_info)'), 1)
  },
)

void t.test(
  'promtool finds nothing to say against our names',
  { skip: missing('promtool') },
  async (t) => {
    const gate = await startGate(t, renderGate(1))
    await hash(await ask(gate.port('inbound'), '/api/a'))
    const { text } = await gate.admin('/metrics')
    // Three of Node's own names do not follow the rules; they are prom-client's.
    const ours = text.split('\n').filter((line) => /^(# \w+ )?sidegate_/.test(line))
    t.ok(ours.length > 20)
    const { exitCode, stdout, stderr } = await run('promtool', ['check', 'metrics'], {
      input: `${ours.join('\n')}\n`,
    })
    t.equal(exitCode, 0, stdout + stderr)
    t.equal(stdout + stderr, '')
  },
)
