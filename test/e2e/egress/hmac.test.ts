/** Signed requests, out: what leaves is what was signed, and a gate of ours that checks it agrees. */
import { createHmac, hash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { RawClient } from '../../harness/raw-client.ts'
import { RecordingUpstream } from '../../harness/recording-upstream.ts'
import { SidegateProcess } from '../../harness/sidegate-process.ts'

t.setTimeout(60_000)

const KEY = 'a key of the partner, long enough'
const env = { PARTNER_KEY: KEY, OLD_KEY: 'an old key of the partner, ended' }

const signer = {
  name: 'signer',
  type: 'hmac',
  keys: [
    { label: 'old', key: '${env:OLD_KEY}', not_after: '2020-01-01T00:00:00Z' },
    { label: 'new', key: '${env:PARTNER_KEY}' },
  ],
  key_id: 'partner-1',
  key_header: 'X-Key-Id',
  string_to_sign: [
    'method',
    'target',
    'host',
    'timestamp',
    'nonce',
    'header:X-Own',
    'header:Content-Length',
    'body_sha256',
  ],
  headers: { 'X-Signature': 'v1={signature}', 'X-Time': '{timestamp}', 'X-Nonce': '{nonce}' },
  timestamp_format: 'iso8601',
  body_limit: '64KiB',
}

async function startScene(t: Test) {
  const upstream = await RecordingUpstream.listen(t)
  const config = {
    egress: { listen: '127.0.0.1:0' },
    admin: { listen: '127.0.0.1:0' },
    log: { format: 'json', level: 'debug' },
    security: [signer],
    outgoing: [
      { name: 'api', url: `${upstream.url}/base`, security: 'signer', headers: { 'X-Own': 'set' } },
      { name: 'keep', url: upstream.url, match: 'name', security: 'signer', on_existing: 'keep' },
    ],
  }
  const sidegate = await SidegateProcess.start(t, { config, env })
  const port = await sidegate.listener('egress')
  const send = async (
    method: string,
    target: string,
    headers: Readonly<Record<string, string>> = {},
    body = '',
  ) => {
    const answer = await fetch(`http://127.0.0.1:${port}${target}`, {
      method,
      headers,
      ...(body === '' ? {} : { body }),
    })
    return { status: answer.status, text: await answer.text() }
  }
  return { upstream, sidegate, port, send }
}

/** The signature that a request which arrived ought to have. */
function signatureOf(request: RecordingUpstream['requests'][number]): string {
  const one = (name: string): string => request.values(name)[0] ?? ''
  const text = [
    request.method,
    request.target,
    one('host'),
    one('x-time'),
    one('x-nonce'),
    one('x-own'),
    one('content-length'),
    hash('sha256', request.body),
  ].join('\n')
  return `v1=${createHmac('sha256', KEY).update(text).digest('hex')}`
}

t.test('what leaves is what was signed', async (t) => {
  const { upstream, send, port, sidegate } = await startScene(t)
  const body = randomBytes(30_000).toString('base64').slice(0, 40_000)
  t.equal((await send('POST', '/api/orders?x=%41', { 'X-Own': 'of the app' }, body)).status, 200)
  t.equal((await send('GET', '/api/')).status, 200)
  const client = await RawClient.connect(t, port)
  await client.send(
    `POST /api/c HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Signature: own\r\nx-nonce: own\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
  )
  await sleep(50)
  t.equal(upstream.requests.length, 2, 'nothing is sent before the body is there')
  await client.send('2\r\nde\r\n0\r\n\r\n')
  t.equal((await client.answer()).status, 200)
  t.equal(upstream.requests.length, 3)
  const nonces = new Set<string>()
  for (const request of upstream.requests) {
    t.same(request.values('x-signature'), [signatureOf(request)])
    t.same(request.values('x-key-id'), ['partner-1'])
    t.same(request.values('x-own'), ['set'])
    t.match(request.values('x-time')[0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    for (const nonce of request.values('x-nonce')) nonces.add(nonce)
  }
  t.equal(nonces.size, 3)
  t.equal(upstream.requests[0]?.body.toString(), body)
  t.equal(upstream.requests[2]?.body.toString(), 'abcde')
  t.ok(
    await sidegate.metric(
      'sidegate_definition_last_used_timestamp_seconds{definition="signer",label="new"}',
    ),
  )
})

t.test("on_existing: keep lets the app's own signature pass", async (t) => {
  const { upstream, send } = await startScene(t)
  await send('GET', '/keep/a', { 'X-Signature': 'own' })
  await send('GET', '/keep/b')
  t.same(upstream.requests[0]?.values('x-signature'), ['own'])
  t.same(upstream.requests[0]?.values('x-nonce'), [])
  t.same(upstream.requests[1]?.values('x-signature').length, 1)
})

t.test('a body beyond the limit is 413 and nothing is sent', async (t) => {
  const { upstream, send } = await startScene(t)
  const answer = await send('POST', '/api/big', {}, 'x'.repeat(64 * 1024 + 1))
  t.match(answer, { status: 413, text: /body_too_large/ })
  t.equal(upstream.requests.length, 0)
})

t.test('what one gate signs another lets in', async (t) => {
  const upstream = await RecordingUpstream.listen(t)
  const common = {
    type: 'hmac',
    key: '${env:PARTNER_KEY}',
    key_id: 'p',
    string_to_sign: ['method', 'target', 'host', 'timestamp', 'nonce', 'body'],
    headers: { Authorization: 'Sig k={key_id},t={timestamp},n={nonce},s={signature}' },
    encoding: 'base64',
    algorithm: 'sha512',
  }
  const inside = await SidegateProcess.start(t, {
    env,
    config: {
      inbound: { listen: '127.0.0.1:0', upstream: upstream.url },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json' },
      security: [{ ...common, name: 'partner' }],
      channels: [{ name: 'all', security: ['partner'] }],
    },
  })
  const port = await inside.listener('inbound')
  const outside = await SidegateProcess.start(t, {
    env,
    config: {
      egress: { listen: '127.0.0.1:0' },
      admin: { listen: '127.0.0.1:0' },
      log: { format: 'json' },
      security: [{ ...common, name: 'partner' }],
      outgoing: [{ name: 'api', url: `http://127.0.0.1:${port}`, security: 'partner' }],
    },
  })
  const url = `http://127.0.0.1:${await outside.listener('egress')}/api/a?b=c`
  for (const init of [{}, { method: 'POST', body: 'hello' }, { method: 'DELETE' }]) {
    t.equal((await fetch(url, init)).status, 200)
  }
  t.same(
    upstream.requests.map((request) => request.values('x-authenticated-user')[0]),
    ['partner', 'partner', 'partner'],
  )
  t.equal((await fetch(`http://127.0.0.1:${port}/a?b=c`)).status, 401)
})
