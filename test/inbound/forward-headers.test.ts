import fc from 'fast-check'
import t from 'tap'
import type { ChannelConfig } from '../../src/config/model.ts'
import { createHeaderPolicy, forwardHeaders } from '../../src/inbound/forward-headers.ts'
import type { ForwardContext, ForwardedHeaders } from '../../src/inbound/forward-headers.ts'
import { sampleChannel } from './sample-channel.ts'

const peer = { address: '1.2.3.4', isTls: false }
const context: ForwardContext = {
  principal: undefined,
  consumedSlot: undefined,
  requestId: 'id-1',
  host: 'a.example:8000',
  isPeerTrusted: false,
}
const principal = {
  definition: 'crm',
  type: 'basic_auth',
  identity: 'm\xfcller',
  groups: ['a', 'b'],
}

/** What is set on every request from `peer`. */
const ours = [
  ...['X-Forwarded-For', '1.2.3.4', 'X-Forwarded-Proto', 'http'],
  ...['X-Forwarded-Host', 'a.example:8000', 'X-Request-Id', 'id-1'],
]

function namesOf(headers: readonly string[]): string[] {
  return headers.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
}

function forward(
  headers: readonly string[],
  change: Partial<ForwardContext> = {},
  channel: Partial<ChannelConfig> = {},
): ForwardedHeaders {
  return forwardHeaders(
    createHeaderPolicy(sampleChannel(channel)),
    { headers, names: namesOf(headers), peer },
    { ...context, ...change },
  )
}

t.test('what is the client’s passes in its order, case and bytes, and ours follows', (t) => {
  const headers = ['B', '1', 'a', '\xe9\xff', 'Cookie', 'x', 'B', '2', 'traceparent', 'bad']
  t.same(forward(headers), {
    headers: [...headers, ...ours],
    host: 'a.example:8000',
    isSpoofed: false,
    dropped: [],
  })
  t.end()
})

t.test('hop-by-hop headers, framing, Host and Expect stay behind', (t) => {
  const names = ['Connection', 'Keep-Alive', 'Proxy-Connection', 'TE', 'Transfer-Encoding']
  names.push('Upgrade', 'Trailer', 'Proxy-Authorization', 'Proxy-Authenticate', 'HTTP2-Settings')
  names.push('Content-Length', 'Host', 'Expect', 'content_length', 'Transfer.Encoding')
  const allowHeaderNames = ['content_length', 'transfer.encoding']
  for (const name of names) {
    t.same(forward([name, '5'], {}, { allowHeaderNames }).headers, ours, name)
    t.same(forward([name.toUpperCase(), '5'], {}, { allowHeaderNames }).headers, ours, name)
  }
  t.end()
})

t.test('what Connection names goes, before or after it', (t) => {
  const headers = ['X-A', '1', 'Connection', 'close, x-a, X-Forwarded-For', 'x-A', '2', 'X-B', '3']
  t.same(forward(headers).headers, ['X-B', '3', ...ours])
  t.end()
})

// Attack: the identity in the spelling that the service normalises to the same variable.
t.test('no spelling of an identity header passes, on open channels too', (t) => {
  const spoofs = ['X-Authenticated-User', 'x-authenticated-user', 'X_Authenticated_User']
  spoofs.push('X.AUTHENTICATED.USER', 'x-Authenticated_user', 'X-Authenticated-Groups')
  spoofs.push('X_AUTHENTICATED-anything', 'x-authenticated-')
  for (const name of spoofs) {
    for (const who of [undefined, principal]) {
      const got = forward([name, 'root'], { principal: who }, { allowHeaderNames: spoofs })
      t.same(got.isSpoofed, true, name)
      const identity = who === undefined ? [] : ['X-Authenticated-User', 'm\xfcller']
      t.same(got.headers, [...identity, ...ours], name)
    }
  }
  const channel = { identityHeader: 'Remote-User', allowHeaderNames: ['remote_user'] }
  for (const name of ['Remote-User', 'REMOTE_USER', 'remote.user', 'X-Authenticated-User']) {
    t.same(forward([name, 'root'], {}, channel).isSpoofed, true, name)
    t.same(forward([name, 'root'], {}, channel).headers, ours, name)
  }
  t.same(forward(['X-Authenticated', 'x'], {}, channel).isSpoofed, false)
  const nominated = ['Connection', 'X-Authenticated-User', 'X-Authenticated-User', 'root']
  t.same(forward(nominated, { principal }).headers.slice(0, 2), [
    ...['X-Authenticated-User', 'm\xfcller'],
  ])
  t.end()
})

t.test('no X-Sidegate-* header passes', (t) => {
  const names = ['X-Sidegate-Scopes', 'x_sidegate_error', 'X.Sidegate.Anything']
  for (const name of names) {
    t.same(forward([name, 'x'], {}, { allowHeaderNames: names }).headers, ours, name)
  }
  t.end()
})

t.test('the word of a proxy passes only from proxies that are trusted', (t) => {
  const words = ['Forwarded', 'X-Real-IP', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Port']
  words.push('X-Forwarded-Prefix', 'x-forwarded-user')
  for (const name of words) {
    t.same(forward([name, 'x']).headers, ours, name)
    t.same(forward([name, 'x'], { isPeerTrusted: true }).headers, [name, 'x', ...ours], name)
  }
  for (const name of ['X_Forwarded_Port', 'x_real_ip', 'x.original.url']) {
    t.same(forward([name, 'x'], {}, { allowHeaderNames: [name] }).headers, ours, name)
  }
  t.end()
})

t.test('X-Forwarded-* is ours, or that of a trusted proxy with its address appended', (t) => {
  const headers = ['X-Forwarded-For', '9.9.9.9', 'x-forwarded-proto', 'https']
  headers.push('X-Forwarded-Host', 'outer', 'X-FORWARDED-FOR', '8.8.8.8', 'A', 'b')
  t.same(forward(headers).headers, ['A', 'b', ...ours])
  const alias = ['X_Forwarded_For', '9.9.9.9']
  const allowHeaderNames = ['x_forwarded_for']
  t.same(forward(alias, { isPeerTrusted: true }, { allowHeaderNames }).headers, ours)
  t.same(forward(headers, { isPeerTrusted: true }).headers, [
    ...['x-forwarded-proto', 'https', 'X-Forwarded-Host', 'outer', 'A', 'b'],
    ...['X-Forwarded-For', '9.9.9.9, 8.8.8.8, 1.2.3.4', 'X-Request-Id', 'id-1'],
  ])
  t.end()
})

t.test('the peer is named as it is, TLS and unix sockets included', (t) => {
  const policy = createHeaderPolicy(sampleChannel())
  const from = (address: string, isTls: boolean, headers: readonly string[] = []): string[] =>
    forwardHeaders(
      policy,
      { headers, names: namesOf(headers), peer: { address, isTls } },
      { ...context, isPeerTrusted: headers.length > 0 },
    ).headers
  t.same(from('::ffff:1.2.3.4', true).slice(0, 4), [
    ...['X-Forwarded-For', '1.2.3.4', 'X-Forwarded-Proto', 'https'],
  ])
  t.same(from('unix', false).slice(0, 2), ['X-Forwarded-Proto', 'http'])
  t.same(from('unix', false, ['X-Forwarded-For', '9.9.9.9']).slice(0, 2), [
    ...['X-Forwarded-For', '9.9.9.9'],
  ])
  t.end()
})

t.test('on channels with methods no header overrides the method', (t) => {
  const names = ['X-HTTP-Method-Override', 'x-http-method', 'X-Method-Override']
  names.push('X_HTTP_Method_Override', 'x.http.method')
  for (const name of names) {
    const allowHeaderNames = [name]
    const methods = ['GET']
    t.same(forward([name, 'PUT'], {}, { methods, allowHeaderNames }).headers, ours, name)
    t.same(forward([name, 'PUT'], {}, { allowHeaderNames }).headers, [name, 'PUT', ...ours], name)
  }
  t.end()
})

t.test('unusual names are dropped and told, unless allowed', (t) => {
  const headers = ['X_A', '1', 'x.b', '2', '__proto__', '3', 'X-C!', '4', 'X-D', '5']
  const got = forward(headers, {}, { allowHeaderNames: ['x_a'] })
  t.same(got.headers, ['X_A', '1', 'X-D', '5', ...ours])
  t.same(got.dropped, ['x.b', '__proto__', 'x-c!'])
  t.end()
})

t.test('the consumed credential stays behind, unless it is to be forwarded', (t) => {
  const headers = ['Authorization', 'Basic x', 'X-API-Key', 'k', 'AUTHORIZATION', 'y']
  const consumed = { principal, consumedSlot: 'authorization' }
  const identity = ['X-Authenticated-User', 'm\xfcller']
  t.same(forward(headers, consumed).headers, ['X-API-Key', 'k', ...identity, ...ours])
  t.same(forward(headers, consumed, { forwardCredentials: true }).headers, [
    ...[...headers, ...identity, ...ours],
  ])
  t.same(forward(headers).headers, [...headers, ...ours], 'an open channel consumes none')
  const odd = { consumedSlot: 'x_key', principal }
  t.same(forward(['X_Key', 'k'], odd).dropped, [], 'what was consumed is not told as dropped')
  t.end()
})

t.test('who is calling is said once, with as much as the channel wants', (t) => {
  const channel: Partial<ChannelConfig> = {
    identityHeader: 'Remote-User',
    forwardIdentity: ['groups', 'definition', 'type'],
  }
  t.same(forward([], { principal }, channel).headers, [
    ...['Remote-User', 'm\xfcller', 'X-Authenticated-Definition', 'crm'],
    ...['X-Authenticated-Type', 'basic_auth', 'X-Authenticated-Groups', 'a,b', ...ours],
  ])
  t.same(forward([], {}, channel).headers, ours)
  t.end()
})

t.test('an identity that is no header value is never written', (t) => {
  for (const identity of ['', 'a\r\nB: c', 'a\0', 'a\tb', '\x7f', '\x85', '\u0142', '\u{1f600}']) {
    t.throws(() => forward([], { principal: { ...principal, identity } }), {
      message: /^cannot forward an identity: wanted/,
    })
  }
  t.end()
})

t.test('the upstream gets the Host that the channel says', (t) => {
  t.equal(forward([], {}, { upstreamHost: 'keep' }).host, 'a.example:8000')
  t.equal(forward([], {}, { upstreamHost: 'upstream' }).host, '127.0.0.1:8080')
  t.equal(forward([], {}, { upstreamHost: { value: 'inner' } }).host, 'inner')
  t.end()
})

t.test('a request id leaves exactly once, in any spelling', (t) => {
  const headers = ['X-Request-ID', 'theirs', 'x_request_id', 'theirs', 'x-request-id', 'id-1']
  t.same(forward(headers, {}, { allowHeaderNames: ['x_request_id'] }).headers, ours)
  t.end()
})

t.test('letter case and _ or . for - never change what passes of what is ours', (t) => {
  const guarded = ['X-Authenticated-User', 'X-Authenticated-Groups', 'X-Sidegate-Scopes']
  guarded.push('X-Forwarded-For', 'X-Forwarded-User', 'X-Real-IP', 'Forwarded', 'Transfer-Encoding')
  guarded.push('X-HTTP-Method-Override', 'Content-Length', 'X-Original-URL', 'X-Request-Id')
  const spelled = fc
    .tuple(fc.constantFrom(...guarded), fc.array(fc.nat(5), { minLength: 30, maxLength: 30 }))
    .map(([name, choices]) =>
      Array.from(name, (char, at) => {
        const choice = choices[at] ?? 0
        if (char === '-') return ['-', '-', '-', '_', '.', '_'][choice] ?? '-'
        return choice % 2 === 0 ? char.toLowerCase() : char.toUpperCase()
      }).join(''),
    )
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(fc.array(spelled, { minLength: 1, maxLength: 8 }), (spellings) => {
        const headers = spellings.flatMap((name) => [name, 'forged'])
        const channel = { allowHeaderNames: spellings, methods: ['GET'] }
        const got = forward(headers, { principal }, channel)
        const expected = ['X-Authenticated-User', 'm\xfcller', ...ours]
        if (got.headers.join('\n') !== expected.join('\n')) {
          throw new Error(`${spellings.join()} gave ${got.headers.join()}`)
        }
        const isSpoof = spellings.some((name) => /^x[-_.]authenticated/i.test(name))
        if (got.isSpoofed !== isSpoof) throw new Error(`${spellings.join()} spoofed wrongly`)
      }),
      { numRuns: 2000 },
    )
  })
  t.end()
})
