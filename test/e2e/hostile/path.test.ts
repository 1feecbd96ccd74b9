/** Paths that mean one thing to the gate and another to the service: over the wire, against channels. */
import t from 'tap'
import { forAll, runHostileCases, type HostileCase } from '../../harness/hostile-case.ts'
import { host, mobileKey, startGate } from '../../harness/hostile-gate.ts'

t.setTimeout(120_000)

const gate = await startGate(t, {
  channels: [
    { name: 'slashes', path: '/s/*', security: 'none', encoded_slashes: true },
    { name: 'empty', path: '/e/*', security: 'none', empty_segments: true },
    { name: 'params', path: '/pp/*', security: 'none', path_parameters: true },
    { name: 'double', path: '/d/*', security: 'none', double_encoding: true },
    { name: 'literal', path: '/healthz', security: 'none' },
    { name: 'item', path: '/items/{id}/edit', security: 'none' },
    { name: 'gets', path: '/methods/*', methods: ['GET'], security: 'none' },
    { name: 'host', path: '/*', host: 'admin.example', security: 'mobile' },
    { name: 'wild', path: '/*', host: '*.wild.example', security: 'none' },
  ],
})

// Each of them is, to some server, a way out of the open channel into another one.
const rejected = [
  '/o/../p/x',
  '/o/..',
  '/..',
  '/.',
  '/o/.',
  '/o/./x',
  '/o/x/.',
  '/../p/x',
  '/o/%2e%2e/p/x',
  '/o/%2E%2E/p/x',
  '/o/.%2e/p/x',
  '/o/%2e./p/x',
  '/o/%2e',
  '/o/..%2fp/x',
  '/o/..%2Fp/x',
  '/o/%2f..%2fp/x',
  '/o%2f..%2fp%2fx',
  '/o%2fx',
  '/o/..%5cp/x',
  '/o/%5c..%5cp',
  '/o/\\..\\p\\x',
  '/o\\x',
  '/\\evil.example/x',
  '//evil.example/x',
  '//o/x',
  '/o//x',
  '/o/x//',
  '/o/..;/p/x',
  '/o/..;x=y/p/x',
  '/o/%2e%2e;/p/x',
  '/o/.;/x',
  '/o/;/x',
  '/o;/x',
  '/o/x;jsessionid=1',
  '/o/%3b/x',
  '/o/%252e%252e/p/x',
  '/o/%252fx',
  '/o/%25%32%65/x',
  '/o/%2525',
  '/o/%00',
  '/o/x%00.png',
  '/o/%0a',
  '/o/%0d%0aX-Authenticated-User:%20root',
  '/o/%09',
  '/o/%1f',
  '/o/%7f',
  '/o/%',
  '/o/%2',
  '/o/%zz',
  '/o/%2g',
  '/o/%u002e%u002e/p',
  '/o/%%32e',
  // Overlong UTF-8 of a dot and a slash, a lone continuation byte, a surrogate, beyond Unicode.
  '/o/%c0%ae%c0%ae/p/x',
  '/o/%c0%af',
  '/o/%e0%80%af',
  '/o/%f0%80%80%af',
  '/o/%ff',
  '/o/%80',
  '/o/%c3',
  '/o/%ed%a0%80',
  '/o/%f4%90%80%80',
  '/o/x#y',
  '/o/x?a#b',
  '/o/#/../p',
  // What a channel allows never reaches to dot segments.
  '/s/a%2f..%2f..%2fp%2fx',
  '/s/..%2fp',
  '/s/%2e%2e%2fp',
  '/s/a%5c..%5cp',
  '/s/a%2f.%2fb',
  '/s/../p/x',
  '/e/..//p/x',
  '/e/../p/x',
  '/pp/..;/p/x',
  '/pp/..;a=b/p/x',
  '/pp/.;x/y',
  '/pp/%2e%2e;a/p/x',
  '/pp/..%3b/p/x',
  '/d/../p/x',
  '/d/%2e%2e/p/x',
  // A channel allows its own spelling and no other's.
  '/s/a//b',
  '/s/a;b',
  '/s/%2541',
  '/e/a%2fb',
  '/e/a;b',
  '/pp/a//b',
  '/pp/a%2fb',
  '/d/a//b',
  '/d/a%2fb',
]

const pathRejected = forAll({
  answers: ['400 path_rejected'],
  ends: undefined,
  upstream: 'nothing',
})

await runHostileCases(
  t,
  gate,
  rejected.map((path): HostileCase => ({
    claim: `${path} is refused`,
    bytes: ({ credentials }) => `GET ${path} HTTP/1.1\r\n${host}${credentials}\r\n`,
    expect: { key: pathRejected.key ?? [] },
  })),
)

t.test('what a channel allows passes with the caller’s own bytes', async (t) => {
  for (const path of [
    '/s/a%2Fb',
    '/s/a%2fb%5cc',
    '/e/a//b',
    '/e/a/',
    '/pp/a;v=1/b;w',
    '/d/%2541',
    '/d/100%25',
    '/o/a%20b',
    '/o/%41%7e~',
    '/o/caf%c3%a9',
    "/o/!$&'()*+,=:@-._~",
    '/o/...',
    '/o/..x/.y',
    '/o/a..b',
    '/o/%25',
    '/o/%25zz',
    '/%6f/x',
    '/o/x?',
    '/o/x?/../%2e%2e;',
    '/o',
    '/o/',
  ]) {
    const client = await gate.connect(t)
    const answer = await client.request(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
    t.strictSame([answer.status, answer.body], [200, `GET ${path}`])
    client.destroy()
  }
})

async function ask(method: string, path: string, lines = host): Promise<string> {
  const client = await gate.connect(t)
  const { status, code } = await client.request(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`)
  client.destroy()
  return code === undefined ? String(status) : `${status} ${code}`
}

t.test('encoded letters do not lead around a protected channel', async (t) => {
  const mark = gate.invariants.mark()
  for (const path of ['/%70/x', '/p/%78', '/%70', '/%70/', '/p?/o/x', '/p']) {
    t.equal(await ask('GET', path), '401 unauthorized', path)
  }
  gate.invariants.check(t, mark, { letIn: [] })
})

t.test('channels match on whole segments and in the case they are written in', async (t) => {
  const mark = gate.invariants.mark()
  for (const path of [
    '/',
    '/ox',
    '/O/x',
    '/healthz/',
    '/healthzz',
    '/Healthz',
    '/items/1',
    '/items/1/edit/x',
  ]) {
    t.equal(await ask('GET', path), '404 no_channel', path)
  }
  gate.invariants.check(t, mark, { letIn: [] })
  t.equal(await ask('GET', '/healthz'), '200')
  t.equal(await ask('GET', '/items/a%20b/edit'), '200')
})

t.test('a method that the channel does not name is 405 with Allow', async (t) => {
  const client = await gate.connect(t)
  const answer = await client.request(`DELETE /methods/x HTTP/1.1\r\n${host}\r\n`)
  t.equal(answer.code, 'method_refused')
  t.match(answer.header('allow'), /\bGET\b/)
  t.equal(await ask('HEAD', '/methods/x'), '200', 'GET includes HEAD')
})

t.test('the most specific host decides, however it is written', async (t) => {
  for (const name of [
    'admin.example',
    'ADMIN.Example',
    'admin.example:8080',
    'admin.example.',
    'Admin.Example.:443',
  ]) {
    t.equal(await ask('GET', '/o/x', `Host: ${name}\r\n`), '401 unauthorized', name)
    t.equal(await ask('GET', '/o/x', `Host: ${name}\r\n${mobileKey}`), '200', name)
  }
  t.equal(await ask('GET', '/any', 'Host: a.wild.example\r\n'), '200')
  t.equal(
    await ask('GET', '/any', 'Host: a.b.wild.example\r\n'),
    '404 no_channel',
    'one label only',
  )
  t.equal(await ask('GET', '/any', 'Host: wild.example\r\n'), '404 no_channel')
})

t.test('no hostile path told a secret or hurt the process', async (t) => {
  await gate.invariants.checkAtEnd(t)
})

t.end()
