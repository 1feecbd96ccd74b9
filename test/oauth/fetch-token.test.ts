import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { SidegateError } from '../../src/errors.ts'
import type { Upstream } from '../../src/http/upstream.ts'
import { TokenFetch } from '../../src/oauth/fetch-token.ts'
import type { FetchOutcome } from '../../src/oauth/fetch-token.ts'
import type { TokenDefinition } from '../../src/oauth/token-definition.ts'
import { eventually } from '../harness/eventually.ts'
import { createRedactor } from '../../src/observe/redact.ts'
import { Secret } from '../../src/secret.ts'
import { clientSecret, sampleDefinition } from './sample-definition.ts'
import { createUpstream } from './scene.ts'
import { sendJson, TokenServer } from './token-server.ts'

const now = Date.UTC(2026, 0, 1)
const good = { access_token: 'abc', token_type: 'Bearer', expires_in: 3600 }

async function ask(
  port: number,
  changes: Partial<TokenDefinition> = {},
  upstreamOf: () => Upstream = () => createUpstream(port),
): Promise<FetchOutcome> {
  const authServerUrl = `http://127.0.0.1:${port}/token?tenant=1`
  const definition = sampleDefinition({ authServerUrl, ...changes })
  return await new TokenFetch(definition, definition.scopes, { nowMs: () => now, upstreamOf })
    .outcome
}

/** A server that speaks for itself, byte for byte. */
async function startRaw(
  t: Test,
  answer: string,
  isClosing: boolean,
  onClosed: () => void = () => undefined,
): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('close', onClosed)
    socket.once('data', () => {
      if (isClosing) socket.end(answer)
      else socket.write(answer)
    })
    t.teardown(() => socket.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('the server gets one POST, framed and on a connection of its own', async (t) => {
  const server = await TokenServer.start(t)
  t.match(await ask(server.port), { kind: 'token', accessToken: 'token-1', lifeMs: 3_600_000 })
  const [request] = server.requests
  t.match(request, { method: 'POST', url: '/token?tenant=1' })
  t.match(request?.headers, {
    host: `127.0.0.1:${server.port}`,
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
    connection: 'close',
    'transfer-encoding': undefined,
    'accept-encoding': undefined,
  })
  t.equal(
    request?.body,
    `client_id=my-client&client_secret=${clientSecret}&grant_type=client_credentials` +
      '&scope=read%3Ausers+write%3Ausers',
  )
})

t.test('a second fetch over the same upstream works although each closes', async (t) => {
  const server = await TokenServer.start(t)
  const upstream = createUpstream(server.port)
  for (const accessToken of ['token-1', 'token-2', 'token-3']) {
    t.match(await ask(server.port, {}, () => upstream), { kind: 'token', accessToken })
  }
})

t.test('a redirect is not followed', async (t) => {
  const server = await TokenServer.start(t)
  for (const status of [301, 302, 303, 307, 308]) {
    server.answer = (response) => {
      response.writeHead(status, { Location: server.url }).end()
    }
    t.match(await ask(server.port), {
      result: 'refused',
      detail: `the token server answered ${status}, redirects are not followed`,
    })
  }
  t.equal(server.requests.length, 5)
})

t.test('a secret is not repeated though it looks like an error code', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(['extra_field_secret'])
  const server = await TokenServer.start(t)
  const definition = sampleDefinition({
    authServerUrl: server.url,
    password: new Secret('secret_of_the_client'),
  })
  for (const error of ['secret_of_the_client', 'an_extra_field_secret', 'invalid_client']) {
    server.answer = (response) => {
      sendJson(response, { error }, 400)
    }
    const outcome = await new TokenFetch(definition, [], {
      nowMs: () => now,
      upstreamOf: () => createUpstream(Number(new URL(server.url).port)),
      redact: (text) => redactor.redact(text),
    }).outcome
    const isTold = error === 'invalid_client'
    const detail = `the token server answered 400, ${isTold ? error : 'no error code'}`
    t.match(outcome, { result: 'refused', error: isTold ? error : undefined, detail })
  }
})

t.test('of what the server writes only an error code is repeated', async (t) => {
  const server = await TokenServer.start(t)
  server.answer = (response) => {
    sendJson(response, { error: 'invalid_client', error_description: 'LEAK' }, 401)
  }
  const outcome = await ask(server.port)
  t.match(outcome, { result: 'refused', error: 'invalid_client' })
  t.match(outcome, { detail: 'the token server answered 401, invalid_client' })
  for (const [status, type, body] of [
    [500, 'text/html', '<h1>LEAK</h1>'],
    [200, 'text/html', '<h1>LEAK</h1>'],
    [200, 'application/json', 'LEAK'],
    [200, 'application/json', '{"error":"LEAK LEAK"}'],
    [200, 'application/json', '{"access_token":"a","token_type":"LEAK"}'],
    [200, 'application/json', '{"access_token":"LEAK\\u0000"}'],
    [400, 'application/json', JSON.stringify({ error: `LEAK-${clientSecret}` })],
  ] as const) {
    server.answer = (response) => {
      response.writeHead(status, 'LEAK', { 'Content-Type': type, 'X-Leak': 'LEAK' }).end(body)
    }
    t.notMatch(JSON.stringify(await ask(server.port)), /LEAK/, `${status} ${body}`)
  }
})

t.test('an answer of more than 1 MiB is cut off, its length stated or not', async (t) => {
  const server = await TokenServer.start(t)
  const size = 2 * 1024 * 1024
  for (const headers of [{}, { 'Content-Length': String(size) }]) {
    server.answer = (response) => {
      response.on('error', () => undefined)
      response.writeHead(200, { 'Content-Type': 'application/json', ...headers })
      response.end(Buffer.alloc(size, 0x20))
    }
    t.match(await ask(server.port), {
      result: 'malformed',
      detail: 'the answer is larger than 1 MiB',
    })
  }
  server.answer = (response) => {
    response.writeHead(429, { 'Retry-After': '7', 'Content-Type': 'text/html' })
    response.end(Buffer.alloc(size, 0x20))
  }
  t.match(await ask(server.port), { result: 'refused', retryAfterMs: 7000 })
})

t.test('a length over 1 MiB is enough, the body is not waited for', async (t) => {
  const head =
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n'
  const port = await startRaw(t, head, false)
  t.match(await ask(port, { timeoutMs: 3000 }), { result: 'malformed' })
})

t.test('an answer of exactly 1 MiB is read', async (t) => {
  const server = await TokenServer.start(t)
  const text = JSON.stringify(good)
  server.answer = (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(text.padEnd(1024 * 1024))
  }
  t.match(await ask(server.port), { kind: 'token', accessToken: 'abc' })
})

t.test('a compressed answer is malformed', async (t) => {
  const server = await TokenServer.start(t)
  server.answer = (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' })
    response.end(gzipSync(JSON.stringify(good)))
  }
  t.match(await ask(server.port), { result: 'malformed' })
})

t.test('Retry-After is read of any refusal, dates by the clock of the server', async (t) => {
  const server = await TokenServer.start(t)
  for (const status of [400, 429, 500, 503]) {
    server.answer = (response) => {
      sendJson(response, {}, status, {
        Date: 'Sun, 06 Nov 1994 08:49:00 GMT',
        'Retry-After': 'Sun, 06 Nov 1994 08:49:37 GMT',
      })
    }
    t.match(await ask(server.port), { result: 'refused', retryAfterMs: 37_000 })
  }
})

t.test('a server that hangs, before the head or within the body, is given up', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{'
  for (const answer of ['', head]) {
    let isClosed = false
    const port = await startRaw(t, answer, false, () => {
      isClosed = true
    })
    const begin = performance.now()
    t.match(await ask(port, { timeoutMs: 80 }), {
      result: 'timeout',
      detail: 'no answer within 80 ms',
    })
    t.ok(performance.now() - begin < 2000)
    await eventually('the connection is closed', () => isClosed)
  }
})

t.test('a server that drips is given up at the same time', async (t) => {
  const server = await TokenServer.start(t)
  server.answer = (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 10)
    response.on('close', () => {
      clearInterval(timer)
    })
  }
  t.match(await ask(server.port, { timeoutMs: 100 }), { result: 'timeout' })
})

t.test('an answer that is cut, not HTTP, framed ambiguously or none is malformed', async (t) => {
  const json = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
  const body = JSON.stringify(good)
  const answers: Readonly<Record<string, string>> = {
    'closes at once': '',
    'not HTTP': 'SSH-2.0-OpenSSH\r\n',
    'cut head': json,
    'cut body': `${json}Content-Length: ${body.length + 1}\r\n\r\n${body}`,
    'cut chunks': `${json}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`,
    'two lengths': `${json}Content-Length: 1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    'both framings': `${json}Content-Length: ${body.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'chunked and a tab': `${json}Transfer-Encoding: chunked\t\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    'another protocol': 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  }
  for (const [name, answer] of Object.entries(answers)) {
    const port = await startRaw(t, answer, true)
    t.match(await ask(port), { kind: 'failure', result: 'malformed' }, name)
  }
})

t.test('a 204 that states a length is not waited for', async (t) => {
  const port = await startRaw(t, 'HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n', false)
  t.match(await ask(port), { result: 'refused' })
})

t.test('informational answers are passed over', async (t) => {
  const body = JSON.stringify(good)
  const answer =
    'HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\n' +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const port = await startRaw(t, answer, false)
  t.match(await ask(port), { kind: 'token', accessToken: 'abc' })
})

t.test('a server that cannot be reached is told by the code of the system alone', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  t.match(await ask(port), { result: 'unreachable', detail: 'no connection (ECONNREFUSED)' })
})

t.test('what goes wrong before the request is sent is a failure like any other', async (t) => {
  t.match(await ask(1, { authServerUrl: 'nonsense' }), { result: 'failed' })
  t.match(await ask(1, { password: undefined }), { result: 'failed' })
  const key = new Secret('-----BEGIN PRIVATE KEY-----\nLEAK\n-----END PRIVATE KEY-----')
  const outcome = await ask(1, { clientAuth: 'private_key_jwt', privateKey: key })
  t.match(outcome, { result: 'failed', detail: 'the token request could not be made' })
  const refuse = (): never => {
    throw new SidegateError('destination_refused')
  }
  t.match(await ask(1, {}, refuse), {
    result: 'failed',
    detail: 'the token server may not be asked: destination_refused',
  })
  const breakDown = (): never => {
    throw new Error('LEAK')
  }
  t.match(await ask(1, {}, breakDown), {
    result: 'failed',
    detail: 'the token server could not be asked',
  })
})
