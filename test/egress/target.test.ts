import t from 'tap'
import { createOwnAddresses } from '../../src/egress/own-addresses.ts'
import { findTarget, isServerNameOf } from '../../src/egress/target.ts'
import type { Target, TargetContext, Tunnel } from '../../src/egress/target.ts'

const own = createOwnAddresses({
  names: ['sidegate.apps.svc'],
  hostName: 'box',
  listAddresses: () => ['10.1.2.3'],
})
const tcp: TargetContext = { own, ports: new Set([3128, 3129]), isUnix: false, isTls: false }

interface Written {
  readonly host?: string
  readonly headers?: readonly string[]
  readonly context?: Partial<TargetContext>
}

function find(method: string, target: string, written: Written = {}): Target {
  const { host = 'localhost:3128', headers = [], context = {} } = written
  const names = headers.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
  return findTarget({ method, target, host, names, headers }, { ...tcp, ...context })
}

/** A target in a line. */
function told(target: Target): string {
  switch (target.kind) {
    case 'name':
      return `name ${target.name} ${target.rest}`
    case 'url':
      return `url ${target.scheme} ${target.authority.host} ${target.authority.port ?? '-'} ${target.target}`
    case 'connect':
      return `connect ${target.host} ${target.port}${target.isOwn ? ' own' : ''}`
    case 'refused':
      return target.code
  }
}

t.test('origin-form with a Host of ours is the NAME form', (t) => {
  const hosts = ['localhost:3128', '127.0.0.1:3128', '127.1:3129', '[::1]:3128', 'LOCALHOST.:3128']
  for (const host of [...hosts, '10.1.2.3:3128', 'box:3128', 'sidegate.apps.svc:3128']) {
    t.equal(told(find('GET', '/sf/x?q', { host })), 'name sf /x?q', host)
  }
  t.equal(told(find('GET', '/sf')), 'name sf ')
  t.equal(told(find('GET', '/sf?q=/x')), 'name sf ?q=/x')
  t.equal(told(find('GET', '/')), 'name  ')
  t.end()
})

t.test('a name that the operator gave us may come with the port of a service in front', (t) => {
  t.equal(told(find('GET', '/sf', { host: 'sidegate.apps.svc' })), 'name sf ')
  t.equal(told(find('GET', '/sf', { host: 'sidegate.apps.svc:8080' })), 'name sf ')
  t.end()
})

t.test('origin-form with a Host that is not ours is refused', (t) => {
  const hosts = [
    'api.example.com',
    'api.example.com:3128',
    'localhost',
    'localhost:8000',
    '10.1.2.4:3128',
  ]
  for (const host of [...hosts, 'evil.sidegate.apps.svc:3128', 'localhost.evil.example:3128']) {
    t.equal(told(find('GET', '/sf', { host })), 'authority_mismatch', host)
  }
  for (const host of ['', 'user@localhost:3128', 'localhost:', 'localhost:3128, evil']) {
    t.equal(told(find('GET', '/sf', { host })), 'bad_request', host)
  }
  t.end()
})

t.test('through a unix socket the port of a Host means nothing, the host does', (t) => {
  const context = { isUnix: true }
  t.equal(told(find('GET', '/sf', { host: 'localhost', context })), 'name sf ')
  t.equal(told(find('GET', '/sf', { host: 'localhost:9', context })), 'name sf ')
  t.equal(told(find('GET', '/sf', { host: 'evil.example', context })), 'authority_mismatch')
  t.end()
})

t.test('a Host without port means the default port of the listener', (t) => {
  const ports = new Set([443])
  t.equal(told(find('GET', '/sf', { host: 'box', context: { ports, isTls: true } })), 'name sf ')
  t.equal(told(find('GET', '/sf', { host: 'box', context: { ports } })), 'authority_mismatch')
  t.end()
})

t.test('the NAME form refuses browsers in whatever form it comes', (t) => {
  const refused = [
    ['Origin', 'http://localhost:3128'],
    ['Origin', 'null'],
    ['origin', ''],
    ['Sec-Fetch-Site', 'same-origin'],
    ['Sec-Fetch-Site', 'cross-site'],
    ['Sec-Fetch-Site', 'none, none'],
    ['Sec-Fetch-Site', 'none', 'Sec-Fetch-Site', 'same-site'],
  ]
  for (const headers of refused) {
    for (const target of ['/sf', 'http://localhost:3128/sf']) {
      t.equal(told(find('GET', target, { headers })), 'browser_refused', headers.join(' '))
    }
  }
  t.equal(told(find('GET', '/sf', { headers: ['Sec-Fetch-Site', 'none'] })), 'name sf ')
  const proxied = find('GET', 'http://api.example.com/', { headers: ['Origin', 'null'] })
  t.equal(told(proxied), 'url http api.example.com - /', 'an application may call as a browser')
  t.end()
})

t.test('absolute-form names its authority, whatever Host says', (t) => {
  const expectations: [target: string, told: string][] = [
    ['http://api.example.com/x?y', 'url http api.example.com - /x?y'],
    ['HTTPS://API.example.com.:8443/x', 'url https api.example.com 8443 /x'],
    ['http://api.example.com', 'url http api.example.com - /'],
    ['http://api.example.com?q', 'url http api.example.com - /?q'],
    ['http://[::1]:9/x', 'url http ::1 9 /x'],
    ['http://127.1:8000/x', 'url http 127.0.0.1 8000 /x'],
    ['http://api.example.com/a@b', 'url http api.example.com - /a@b'],
    ['http://api.example.com//evil.example/', 'url http api.example.com - //evil.example/'],
  ]
  for (const [target, expected] of expectations) {
    t.equal(told(find('GET', target, { host: 'evil.example' })), expected, target)
  }
  t.end()
})

t.test('absolute-form and CONNECT that name our own address are for us', (t) => {
  t.equal(told(find('GET', 'http://localhost:3128/sf/x')), 'name sf /x')
  t.equal(told(find('GET', 'http://0x7f.1:3129/sf/x')), 'name sf /x')
  t.equal(told(find('GET', 'https://10.1.2.3:3128/sf')), 'name sf ')
  t.equal(told(find('GET', 'http://box:3128?x')), 'name  ?x')
  t.equal(told(find('CONNECT', 'sidegate.apps.svc:3128')), 'connect sidegate.apps.svc 3128 own')
  t.equal(told(find('CONNECT', '[::ffff:127.0.0.1]:3128')), 'connect 127.0.0.1 3128 own')
  t.end()
})

t.test('another port of this machine is not us', (t) => {
  t.equal(told(find('GET', 'http://localhost:8000/sf')), 'url http localhost 8000 /sf')
  t.equal(told(find('GET', 'http://sidegate.apps.svc/sf')), 'url http sidegate.apps.svc - /sf')
  t.equal(told(find('CONNECT', 'localhost:9901')), 'connect localhost 9901')
  t.end()
})

t.test('CONNECT needs no Host, and ignores the one it has', (t) => {
  t.equal(told(find('CONNECT', 'API.example.com:443', { host: '' })), 'connect api.example.com 443')
  t.equal(
    told(find('CONNECT', 'api.example.com:443', { host: 'evil' })),
    'connect api.example.com 443',
  )
  t.end()
})

t.test('hostile targets are refused, and userinfo is not in what is said about it', (t) => {
  const hostile: [method: string, target: string][] = [
    ...['*', '', 'sf', 'sf/x', 'api.example.com:443', 'ftp://a.example/', 'ws://a.example/'].map(
      (target): [string, string] => ['GET', target],
    ),
    ...['http:/a', 'http:a', 'http//a', 'http://', 'http:///x', 'https:///', 'http://?q'].map(
      (target): [string, string] => ['GET', target],
    ),
    ...['http://app:S3cret@a.example/', 'http://S3cret@a.example', 'http://@a.example/'].map(
      (target): [string, string] => ['GET', target],
    ),
    ...[
      'http://a.example\\@b/',
      'http://a.example#/',
      'http://a%2eexample/',
      'http://a.example:/',
    ].map((target): [string, string] => ['GET', target]),
    ...['http://a.example:0/', 'http://a.example:99999/', 'http://a b/', 'http://b\xfccher/'].map(
      (target): [string, string] => ['GET', target],
    ),
    ['GET', 'http://[fe80::1%25eth0]/'],
    ['OPTIONS', '*'],
    ['OPTIONS', 'http://a.example'],
    ['CONNECT', 'a.example'],
    ['CONNECT', 'a.example:'],
    ['CONNECT', ':443'],
    ['CONNECT', '443'],
    ['CONNECT', '/sf'],
    ['CONNECT', 'http://a.example:443'],
    ['CONNECT', 'app:S3cret@a.example:443'],
    ['CONNECT', 'a.example:443/x'],
    ['CONNECT', 'a.example:443 '],
    ['CONNECT', 'a.example:0x1bb'],
    ['CONNECT', '::1:443'],
  ]
  for (const [method, target] of hostile) {
    const found = find(method, target)
    t.equal(told(found), 'bad_request', `${method} ${target}`)
    t.notMatch(JSON.stringify(found), /S3cret/)
    if (/S3cret@/.test(target)) t.match(found, { detail: /no userinfo/ })
  }
  t.end()
})

function inTunnel(change: Partial<Tunnel> = {}): Pick<TargetContext, 'tunnel'> {
  return {
    tunnel: { host: 'api.example.com', port: 443, isTls: true, isOwn: false, ...change },
  }
}

t.test('inside a tunnel every request must name what the tunnel was opened for', (t) => {
  const context = inTunnel()
  const wanted = 'url https api.example.com 443 /x'
  for (const host of ['api.example.com', 'API.example.com.', 'api.example.com:443']) {
    t.equal(told(find('GET', '/x', { host, context })), wanted, host)
  }
  t.equal(
    told(find('GET', 'https://api.example.com/x', { host: 'api.example.com', context })),
    wanted,
  )
  const others = ['evil.example', 'api.example.com:80', 'api.example.com:8443', 'localhost:3128']
  for (const host of others) {
    t.equal(told(find('GET', '/x', { host, context })), 'authority_mismatch', host)
  }
  t.end()
})

t.test('inside a tunnel an absolute target must agree with Host, scheme and tunnel', (t) => {
  const context = inTunnel()
  const expectations: [target: string, host: string][] = [
    ['https://evil.example/x', 'api.example.com'],
    ['https://api.example.com/x', 'evil.example'],
    ['https://api.example.com/x', ''],
    ['http://api.example.com/x', 'api.example.com'],
    ['http://localhost:3128/sf', 'localhost:3128'],
  ]
  for (const [target, host] of expectations) {
    t.equal(told(find('GET', target, { host, context })), 'authority_mismatch', `${target} ${host}`)
  }
  t.end()
})

t.test('cleartext in a tunnel means port 80 where Host says none', (t) => {
  const context = inTunnel({ port: 80, isTls: false })
  t.equal(
    told(find('GET', '/x', { host: 'api.example.com', context })),
    'url http api.example.com 80 /x',
  )
  const on8080 = inTunnel({ port: 8080, isTls: false })
  t.equal(
    told(find('GET', '/x', { host: 'api.example.com', context: on8080 })),
    'authority_mismatch',
  )
  t.end()
})

t.test('a tunnel to ourselves carries the NAME form, and no tunnel carries another', (t) => {
  const context = inTunnel({ host: 'localhost', port: 3128, isTls: false, isOwn: true })
  t.equal(told(find('GET', '/sf/x', { host: 'localhost:3128', context })), 'name sf /x')
  t.equal(told(find('GET', '/sf/x', { host: '127.0.0.1:3128', context })), 'authority_mismatch')
  const headers = ['Origin', 'http://localhost:3128']
  t.equal(told(find('GET', '/sf', { host: 'localhost:3128', headers, context })), 'browser_refused')
  t.equal(told(find('CONNECT', 'api.example.com:443', { context })), 'bad_request')
  t.end()
})

t.test('SNI must be that of the tunnel where there is one', (t) => {
  const tunnel: Tunnel = { host: 'api.example.com', port: 443, isTls: true, isOwn: false }
  t.equal(isServerNameOf(tunnel, 'API.example.com.'), true)
  t.equal(isServerNameOf(tunnel, undefined), true)
  t.equal(isServerNameOf(tunnel, 'evil.example'), false)
  t.equal(isServerNameOf(tunnel, 'api.example.com\0.evil.example'), false)
  t.end()
})
