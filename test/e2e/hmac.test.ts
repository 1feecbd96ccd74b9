/** Signed requests, in: what is let through, what is refused and how, and that the body arrives whole. */
import { createHmac, hash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { eventually } from '../harness/eventually.ts'
import { RawClient } from '../harness/raw-client.ts'
import { RecordingUpstream } from '../harness/recording-upstream.ts'
import { SidegateProcess } from '../harness/sidegate-process.ts'

t.setTimeout(60_000)

const KEY = 'a key of the hooks, long enough'
const OTHER = 'the key of another sender, long'

const hooks = {
  name: 'hooks',
  type: 'hmac',
  key: '${env:HOOKS_KEY}',
  string_to_sign: ['body'],
  headers: { 'X-Hub-Signature-256': 'sha256={signature}' },
  tolerance: 'none',
  body_limit: '64KiB',
}

/** Two senders that are told apart by their ids, with time and nonce. */
const partners = ['p1', 'p2'].map((id) => ({
  name: `partner-${id}`,
  type: 'hmac',
  key: id === 'p1' ? '${env:HOOKS_KEY}' : '${env:OTHER_KEY}',
  key_id: id,
  key_header: 'X-Key-Id',
  string_to_sign: ['method', 'target', 'host', 'timestamp', 'nonce', 'body_sha256'],
  headers: { 'X-Signature': 't={timestamp},n={nonce},v1={signature}' },
}))

function configOf(upstream: RecordingUpstream, more: object = {}): object {
  return {
    inbound: { listen: '127.0.0.1:0', upstream: upstream.url },
    admin: { listen: '127.0.0.1:0' },
    log: { format: 'json', level: 'debug' },
    shutdown: { drain_delay: '0s', drain_timeout: '1s' },
    security: [hooks, ...partners, { name: 'off', type: 'api_key', key: '${env:API_KEY}' }],
    groups: [{ name: 'partners', members: ['partner-p1', 'partner-p2'] }],
    channels: [
      { name: 'hooks', path: '/hooks/*', security: ['hooks'] },
      { name: 'partners', path: '/partners/*', groups: ['partners'] },
      { name: 'only-p1', path: '/only-p1', security: ['partner-p1', 'off'] },
      { name: 'kept', path: '/kept', security: ['hooks'], forward_credentials: true },
    ],
    ...more,
  }
}

const env = { HOOKS_KEY: KEY, OTHER_KEY: OTHER, API_KEY: 'k'.repeat(40) }

async function startScene(t: Test, more: object = {}) {
  const upstream = await RecordingUpstream.listen(t)
  const sidegate = await SidegateProcess.start(t, { config: configOf(upstream, more), env })
  const port = await sidegate.listener('inbound')
  const send = async (
    method: string,
    target: string,
    headers: Readonly<Record<string, string>>,
    body = '',
  ) => {
    const answer = await fetch(`http://127.0.0.1:${port}${target}`, {
      method,
      headers: { Host: 'gate', ...headers },
      ...(body === '' ? {} : { body }),
    })
    return { status: answer.status, text: await answer.text(), headers: answer.headers }
  }
  return { upstream, sidegate, port, send }
}

function signBody(body: string | Buffer, key = KEY): Record<string, string> {
  const signature = createHmac('sha256', key).update(body).digest('hex')
  return { 'X-Hub-Signature-256': `sha256=${signature}` }
}

function signCall(
  { method = 'POST', target = '/partners/a?b=c', port = 0, body = '', id = 'p1', key = KEY },
  { atMs = Date.now(), nonce = randomBytes(8).toString('hex') } = {},
): Record<string, string> {
  const seconds = String(Math.floor(atMs / 1000))
  const digest = hash('sha256', body)
  const text = [method, target, `127.0.0.1:${port}`, seconds, nonce, digest].join('\n')
  const signature = createHmac('sha256', key).update(text).digest('hex')
  return { 'X-Signature': `t=${seconds},n=${nonce},v1=${signature}`, 'X-Key-Id': id }
}

t.test('the signed body arrives whole, without the signature, with the name', async (t) => {
  const { upstream, send } = await startScene(t)
  const body = randomBytes(20_000).toString('base64')
  const answer = await send('POST', '/hooks/push', signBody(body), body)
  t.equal(answer.status, 200)
  const [request] = upstream.requestsFor('/hooks/push')
  t.equal(request?.body.toString(), body)
  t.same(request?.values('x-authenticated-user'), ['hooks'])
  t.same(request?.values('x-hub-signature-256'), [])
  t.same(request?.values('content-length'), [String(body.length)])
  await send('POST', '/kept', signBody('{}'), '{}')
  t.equal((await upstream.requestFor('/kept')).values('x-hub-signature-256').length, 1)
  t.equal((await send('GET', '/hooks/none', signBody(''))).status, 200)
})

t.test('a chunked body arrives whole too', async (t) => {
  const { upstream, port } = await startScene(t)
  const pieces = ['first piece', ' and ', 'the last']
  const client = await RawClient.connect(t, port)
  const [[name, value] = ['', '']] = Object.entries(signBody(pieces.join('')))
  await client.send(
    `POST /hooks/c HTTP/1.1\r\nHost: gate\r\n${name}: ${value}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  )
  for (const piece of pieces) {
    await client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`)
    await sleep(20)
  }
  t.equal(upstream.requests.length, 0, 'nothing is sent on before all is there')
  await client.send('0\r\n\r\n')
  t.equal((await upstream.requestFor('/hooks/c')).method, 'POST')
  await eventually('the body', () => upstream.requestsFor('/hooks/c')[0]?.isComplete)
  t.equal(upstream.requestsFor('/hooks/c')[0]?.body.toString(), pieces.join(''))
})

t.test('whatever is wrong, all 401 are alike', async (t) => {
  const { upstream, send, port } = await startScene(t)
  const body = '{"a":1}'
  const good = signBody(body)['X-Hub-Signature-256'] ?? ''
  const bad = [
    {},
    { 'X-Hub-Signature-256': '' },
    { 'X-Hub-Signature-256': good.slice('sha256='.length) },
    { 'X-Hub-Signature-256': `${good}0` },
    { 'X-Hub-Signature-256': `${good.slice(0, -1)}${good.endsWith('0') ? '1' : '0'}` },
    signBody(`${body} `),
    signBody(body, OTHER),
  ]
  const texts = new Set<string>()
  for (const headers of bad) {
    const answer = await send('POST', '/hooks/a', headers, body)
    t.equal(answer.status, 401)
    t.equal(answer.headers.get('www-authenticate'), 'Signature realm="hooks"')
    texts.add(answer.text.replace(/"request_id":"[^"]*"/, ''))
  }
  const call = { port, body }
  const stale = [
    signCall(call, { atMs: Date.now() - 301_000 }),
    signCall(call, { atMs: Date.now() + 301_000 }),
    signCall({ ...call, id: 'p3' }),
    signCall({ ...call, id: 'p2' }),
    signCall({ ...call, method: 'PUT' }),
    signCall({ ...call, target: '/partners/a?b=d' }),
    signCall({ ...call, port: port + 1 }),
    { ...signCall(call), 'X-Key-Id': '' },
  ]
  for (const headers of stale) {
    const answer = await send('POST', '/partners/a?b=c', headers, body)
    t.equal(answer.status, 401)
    texts.add(answer.text.replace(/"request_id":"[^"]*"/, ''))
  }
  t.equal(texts.size, 1, [...texts].join('\n'))
  t.equal(upstream.requests.length, 0)
  const right = await send('POST', '/partners/a?b=c', signCall(call), body)
  t.equal(right.status, 200)
})

t.test('the key id chooses the caller, and the channel decides', async (t) => {
  const { upstream, send, port } = await startScene(t)
  const target = '/partners/who'
  await send('GET', target, signCall({ method: 'GET', target, port }))
  await send('GET', target, signCall({ method: 'GET', target, port, id: 'p2', key: OTHER }))
  t.same(
    upstream.requests.map((request) => request.values('x-authenticated-user')),
    [['partner-p1'], ['partner-p2']],
  )
  t.same(upstream.requests[0]?.values('x-key-id'), [])
  const only = { method: 'GET', target: '/only-p1', port }
  t.equal((await send('GET', '/only-p1', signCall(only))).status, 200)
  const forbidden = await send('GET', '/only-p1', signCall({ ...only, id: 'p2', key: OTHER }))
  t.equal(forbidden.status, 403)
  const both = { ...signCall(only), 'X-API-Key': env.API_KEY }
  t.match(await send('GET', '/only-p1', both), { status: 400, text: /ambiguous_credentials/ })
})

t.test('a nonce is good once, also across a reload', async (t) => {
  const { upstream, send, port, sidegate } = await startScene(t)
  const call = { method: 'GET', target: '/partners/n', port }
  const headers = signCall(call)
  t.equal((await send('GET', '/partners/n', headers)).status, 200)
  t.equal((await send('GET', '/partners/n', headers)).status, 401)
  const more = { log: { format: 'json', level: 'trace' } }
  await writeFile(join(sidegate.folder, 'sidegate.yaml'), JSON.stringify(configOf(upstream, more)))
  await sidegate.admin('/reload', { method: 'POST' })
  t.equal((await send('GET', '/partners/n', headers)).status, 401)
  t.equal((await send('GET', '/partners/n', signCall(call))).status, 200)
  const metrics = (await sidegate.admin('/metrics')).text
  t.match(metrics, 'sidegate_auth_failures_total{channel="partners",reason="replayed"} 2')
})

t.test('of 50 equal requests at once, one is let in', async (t) => {
  const { upstream, send, port } = await startScene(t)
  const body = 'x'.repeat(5000)
  const headers = signCall({ target: '/partners/once', port, body })
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => send('POST', '/partners/once', headers, body)),
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(upstream.requests.length, 1)
})

t.test('a body beyond the limit is 413, before it is sent where that is known', async (t) => {
  const { upstream, port, send, sidegate } = await startScene(t)
  const big = 'x'.repeat(64 * 1024 + 1)
  t.match(await send('POST', '/hooks/a', signBody(big), big), {
    status: 413,
    text: /body_too_large/,
  })
  const [[name, value] = ['', '']] = Object.entries(signBody(big))
  const waiting = await RawClient.connect(t, port)
  await waiting.send(
    `POST /hooks/a HTTP/1.1\r\nHost: gate\r\n${name}: ${value}\r\nContent-Length: ${big.length}\r\nExpect: 100-continue\r\n\r\n`,
  )
  t.equal((await waiting.answer()).status, 413)
  const chunked = await RawClient.connect(t, port)
  await chunked.send(
    `POST /hooks/a HTTP/1.1\r\nHost: gate\r\n${name}: ${value}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  )
  await chunked.send(`${big.length.toString(16)}\r\n${big}\r\n`)
  t.equal((await chunked.answer()).status, 413)
  t.equal(upstream.requests.length, 0)
  const limit = 'x'.repeat(64 * 1024)
  t.equal((await send('POST', '/hooks/a', signBody(limit), limit)).status, 200)
  t.equal((await sidegate.admin('/livez')).status, 200)
})

t.test('nobody is asked to send a body that would not be read', async (t) => {
  const { port } = await startScene(t)
  const client = await RawClient.connect(t, port)
  await client.send(
    'POST /hooks/a HTTP/1.1\r\nHost: gate\r\nX-Hub-Signature-256: nonsense\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
  )
  t.equal((await client.answer()).status, 401)
  const good = await RawClient.connect(t, port)
  const [[name, value] = ['', '']] = Object.entries(signBody('hello'))
  await good.send(
    `POST /hooks/a HTTP/1.1\r\nHost: gate\r\n${name}: ${value}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
  )
  await eventually('the 100', () => good.bytesReceived > 0)
  t.equal(good.answers.length, 0)
  await good.send('hello')
  const answer = await good.answer()
  t.equal(answer.status, 200)
  t.equal(answer.interim.length, 1)
})

t.test('who leaves, stalls or sends a cut body is refused and leaves nothing behind', async (t) => {
  const { upstream, port, send } = await startScene(t, {
    inbound: {
      listen: '127.0.0.1:0',
      upstream: 'http://127.0.0.1:9',
      timeouts: { body_idle: '1s' },
      limits: { buffered_bytes: '1MiB' },
    },
  })
  const [[name, value] = ['', '']] = Object.entries(signBody('hello'))
  const head = `POST /hooks/a HTTP/1.1\r\nHost: gate\r\n${name}: ${value}\r\nContent-Length: 60000\r\n\r\n`
  // Far more than all copies may take, if what was charged were not given back.
  for (let i = 0; i < 60; i++) {
    const client = await RawClient.connect(t, port)
    await client.send(head + 'x'.repeat(50_000))
    await sleep(2)
    client.destroy()
  }
  const stalled = await RawClient.connect(t, port)
  await stalled.send(head)
  t.equal((await stalled.answer()).status, 408)
  const whole = 'x'.repeat(60_000)
  t.equal((await send('POST', '/hooks/a', signBody(whole), whole)).status, 502)
  t.equal(upstream.requests.length, 0)
})
