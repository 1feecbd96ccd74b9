import t from 'tap'
import {
  isLoopbackHost,
  parseCidr,
  parseHost,
  parseHostPattern,
  parseListen,
  parseUrl,
} from '../../src/config/network.ts'

void t.test('hosts have one spelling', (t) => {
  const cases = [
    ['Example.COM.', 'example.com'],
    ['my_service', 'my_service'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['127.0.0.1', '127.0.0.1'],
    ['[::1]', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
  ] as const
  for (const [text, host] of cases) t.equal(parseHost(text), host, text)
  t.end()
})

// Every one of these is an address to some program and a name, or another address, to others.
void t.test('hosts that programs disagree about are refused', (t) => {
  const hosts = [
    '',
    '.',
    'a..b',
    '-a',
    'a-',
    'a b',
    'a:80',
    'a/b',
    'a@b',
    '127.1',
    '2130706433',
    '0x7f.0.0.1',
    '0x7f000001',
    '010.0.0.1',
    '1.2.3.4.5',
    '256.0.0.1',
    'a.1',
    'fe80::1%eth0',
    'bücher.example',
    'a\u0000b',
    'a\nb',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(127)}aa`,
  ]
  for (const host of hosts) t.throws(() => parseHost(host), /^wanted/, JSON.stringify(host))
  t.throws(() => parseHostPattern('*'), /wanted/)
  t.throws(() => parseHostPattern('*.'), /wanted/)
  t.throws(() => parseHostPattern('a.*.b'), /wanted/)
  t.throws(() => parseHostPattern('*.1.2.3.4'), /wanted/)
  t.equal(parseHostPattern('*.Example.com'), '*.example.com')
  t.end()
})

void t.test('listeners are HOST:PORT or unix:/path', (t) => {
  t.strictSame(parseListen('0.0.0.0:0'), { kind: 'tcp', host: '0.0.0.0', port: 0 })
  t.strictSame(parseListen('[::]:8000'), { kind: 'tcp', host: '::', port: 8000 })
  t.strictSame(parseListen('unix:/run/a.sock'), { kind: 'unix', path: '/run/a.sock' })
  for (const text of [
    ':8000',
    '8000',
    '::1:8000',
    '[::1]',
    'a:65536',
    'a:-1',
    'a:1e3',
    'unix:',
    'unix://x',
    'a: 1',
  ]) {
    t.throws(() => parseListen(text), /^wanted/, text)
  }
  t.end()
})

void t.test('URLs have scheme, host, port and a path, and nothing else', (t) => {
  const rules = { path: true, wildcard: true }
  t.strictSame(parseUrl('https://A.example:8443/v1/', rules), {
    scheme: 'https',
    host: 'a.example',
    port: 8443,
    authority: 'a.example:8443',
    path: '/v1/',
  })
  t.match(parseUrl('http://[::1]', rules), { host: '::1', port: 80, authority: '[::1]', path: '/' })
  t.match(parseUrl('https://a.example:443', rules), { authority: 'a.example' })
  t.match(parseUrl('https://*.a.example', rules), { host: '*.a.example' })
  const bad = [
    'a.example',
    '//a.example',
    'HTTPS://a.example',
    'ftp://a',
    'https:///x',
    'https://',
    'https://u@a.example',
    'https://u:p@a.example',
    'https://a.example/#x',
    'https://a.example/?x',
    'https://a.example?x',
    'https://a.example\\@b',
    'https://a.example/ b',
    'https://a.example/é',
    'https://a.example:0',
    'https://a.example:65536',
    'https://::1',
    'https://a b',
    'https://a\n.example',
    'https://*.1.2.3.4',
    'https://[::1',
    'https://[::1]x',
    'https://a:b:80',
  ]
  for (const url of bad) t.throws(() => parseUrl(url, rules), /^wanted/, url)
  t.throws(() => parseUrl('https://*.a.example', { path: true }), /^wanted/)
  t.throws(() => parseUrl('https://a.example/x', { path: false }), /without path/)
  t.end()
})

void t.test('loopback is known in every spelling', (t) => {
  for (const host of ['localhost', 'app.localhost', '127.0.0.1', '127.255.0.1', '::1']) {
    t.ok(isLoopbackHost(host), host)
  }
  for (const host of ['localhost.example', '128.0.0.1', '::2', '0.0.0.0', 'xlocalhost']) {
    t.notOk(isLoopbackHost(host), host)
  }
  t.end()
})

void t.test('networks are ADDRESS/BITS', (t) => {
  t.equal(parseCidr('10.0.0.0/8'), '10.0.0.0/8')
  t.equal(parseCidr('10.0.0.1'), '10.0.0.1/32')
  t.equal(parseCidr('fd00::'), 'fd00::/128')
  for (const text of [
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    '/8',
    'fd00::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    'fe80::1%a/64',
  ]) {
    t.throws(() => parseCidr(text), /^wanted/, text)
  }
  t.end()
})
