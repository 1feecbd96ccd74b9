import fc from 'fast-check'
import t from 'tap'
import type { Code } from '../../src/errors.ts'
import { findAuthority } from '../../src/egress/authority.ts'
import type { OutgoingRule } from '../../src/egress/route.ts'
import { createRoutes } from '../../src/egress/routes.ts'
import type { Choice, Routes, RoutesOptions } from '../../src/egress/routes.ts'
import { sampleOutgoing } from './sample-outgoing.ts'

type Written = Partial<OutgoingRule> & { readonly name: string }

function routesOf(
  connections: readonly Written[],
  change: Partial<RoutesOptions> = {},
): Routes<string> {
  return createRoutes(
    connections.map((each) => ({ connection: sampleOutgoing(each), value: each.name })),
    { unmatched: 'deny', unmatchedPorts: [80, 443], ownUrl: 'http://127.0.0.1:3128', ...change },
  )
}

/** A choice in a line: the connection and what the upstream gets. */
function told(choice: Choice<string>): string {
  if (choice.kind === 'refused') return choice.code
  const { scheme, authority, serverName } = choice.destination
  const name = choice.kind === 'outgoing' ? choice.route.value : 'unmatched'
  const sni = serverName === undefined ? '' : ` sni=${serverName}`
  return `${name} ${scheme} ${authority}${sni} ${choice.target}`
}

/** Asks by URL, as absolute-form does. */
function get(routes: Routes<string>, url: string, method = 'GET'): Choice<string> {
  const match = /^(https?):\/\/([^/?]*)(.*)$/.exec(url)
  const authority = findAuthority(match?.[2] ?? '')
  if (authority === undefined) throw new Error(`cannot read ${url}`)
  const path = match?.[3] ?? ''
  const scheme = match?.[1] === 'https' ? 'https' : 'http'
  return routes.findByAuthority(scheme, authority, path.startsWith('/') ? path : `/${path}`, method)
}

function detailOf(choice: { readonly kind: string; readonly detail?: string }): string {
  return choice.kind === 'refused' ? (choice.detail ?? '') : choice.kind
}

t.test(
  'by NAME the upstream gets url and rest, with host, port, SNI and Host of the connection',
  (t) => {
    const routes = routesOf([
      { name: 'sf', url: 'https://API.example.com/v1' },
      { name: 'slash', url: 'https://api.example.com:8443/v1/' },
      { name: 'local', url: 'http://127.1.example:9000' },
      { name: 'six', url: 'https://[2001:DB8::1]:9443', match: 'name' },
    ])
    const expectations: [name: string, rest: string, told: string][] = [
      ['sf', '', 'sf https api.example.com sni=api.example.com /v1'],
      ['sf', '/x?q=/..', 'sf https api.example.com sni=api.example.com /v1/x?q=/..'],
      ['sf', '?q', 'sf https api.example.com sni=api.example.com /v1?q'],
      ['sf', '/%7euser', 'sf https api.example.com sni=api.example.com /v1/%7euser'],
      ['slash', '', 'slash https api.example.com:8443 sni=api.example.com /v1/'],
      ['slash', '/x', 'slash https api.example.com:8443 sni=api.example.com /v1/x'],
      ['local', '/x', 'local http 127.1.example:9000 /x'],
      ['six', '', 'six https [2001:db8::1]:9443 /'],
      ['nobody', '/x', 'no_outgoing'],
      ['SF', '/x', 'no_outgoing'],
      ['s%66', '/x', 'no_outgoing'],
      ['', '', 'no_outgoing'],
      ['constructor', '', 'no_outgoing'],
      ['..', '/sf', 'path_rejected'],
      ['sf', '/../x', 'path_rejected'],
      ['sf', '/%2e%2e/x', 'path_rejected'],
      ['sf', '/..', 'path_rejected'],
      ['sf', '//x', 'path_rejected'],
      ['sf', '/x\\..', 'path_rejected'],
      ['sf', '/x#f', 'path_rejected'],
      ['sf', '/a%2fb', 'path_rejected'],
    ]
    for (const [name, rest, expected] of expectations) {
      t.equal(told(routes.findByName(name, rest, 'GET')), expected, `/${name}${rest}`)
    }
    t.end()
  },
)

t.test('an exact host wins over *., which stands for one label and has no NAME form', (t) => {
  const routes = routesOf([
    { name: 'any', url: 'https://*.example.com' },
    { name: 'api', url: 'https://api.example.com/v1' },
  ])
  t.equal(
    told(get(routes, 'http://a.example.com/x')),
    'any https a.example.com sni=a.example.com /x',
  )
  t.equal(
    told(get(routes, 'http://api.example.com/v1/x')),
    'api https api.example.com sni=api.example.com /v1/x',
  )
  t.equal(told(get(routes, 'http://api.example.com/v2')), 'outgoing_refused', 'not the wildcard’s')
  t.equal(told(get(routes, 'http://a.b.example.com/')), 'unmatched_host')
  t.equal(told(get(routes, 'http://example.com/')), 'unmatched_host')
  t.equal(told(routes.findByName('any', '/x', 'GET')), 'no_outgoing')
  t.match(get(routes, 'http://a.example.com/'), { destination: { kind: 'wildcard' } })
  t.match(get(routes, 'http://api.example.com/v1'), { destination: { kind: 'named' } })
  t.end()
})

t.test('the longest base path wins, on segment boundaries', (t) => {
  const routes = routesOf([
    { name: 'root', url: 'https://a.example' },
    { name: 'v1', url: 'https://a.example/v1' },
    { name: 'deep', url: 'https://a.example/v1/jobs:all/' },
    { name: 'far', url: 'https://a.example/x/y/z' },
  ])
  const expectations: [path: string, name: string][] = [
    ['/', 'root'],
    ['/v1', 'v1'],
    ['/v1/', 'v1'],
    ['/v1?/x/y/z', 'v1'],
    ['/v1x', 'root'],
    ['/V1', 'root'],
    ['/%761/x', 'v1'],
    ['/v1/jobs', 'v1'],
    ['/v1/jobs:all', 'deep'],
    ['/v1/jobs%3Aall/x', 'deep'],
    ['/v1/jobs%3aall/x', 'deep'],
    ['/x/y', 'root'],
    ['/x/y/z', 'far'],
    ['/x/y/zz', 'root'],
    ['/x/v1', 'root'],
  ]
  for (const [path, name] of expectations) {
    t.equal(told(get(routes, `https://a.example${path}`)).split(' ')[0], name, path)
  }
  t.equal(told(get(routes, 'https://a.example/v1/../x')), 'path_rejected')
  t.end()
})

t.test('no port and port 80 select the default port of the scheme, or the only one', (t) => {
  const one = routesOf([{ name: 'one', url: 'https://a.example:8443' }])
  for (const url of [
    'http://a.example/',
    'http://a.example:80/',
    'https://a.example/',
    'http://a.example:8443/',
  ]) {
    t.equal(told(get(one, url)), 'one https a.example:8443 sni=a.example /', url)
  }
  for (const url of [
    'https://a.example:443/',
    'http://a.example:8444/',
    'http://a.example:8080/',
  ]) {
    t.equal(told(get(one, url)), 'outgoing_refused', url)
  }
  const two = routesOf([
    { name: 'usual', url: 'https://a.example' },
    { name: 'other', url: 'https://a.example:8443' },
  ])
  for (const url of ['http://a.example/', 'http://a.example:80/', 'https://a.example:443/']) {
    t.match(told(get(two, url)), /^usual https a.example /, url)
  }
  t.match(told(get(two, 'http://a.example:8443/')), /^other https a.example:8443 /)
  t.end()
})

t.test('several ports that are all no default: 403 that lists them', (t) => {
  const routes = routesOf([
    { name: 'a', url: 'https://a.example:9443' },
    { name: 'b', url: 'https://a.example:8443/b' },
  ])
  for (const url of ['http://a.example/', 'http://a.example:80/b', 'https://a.example/b']) {
    t.equal(told(get(routes, url)), 'outgoing_refused', url)
    t.match(detailOf(get(routes, url)), /8443, 9443/)
  }
  t.match(told(get(routes, 'http://a.example:8443/b')), /^b /)
  t.end()
})

t.test('cleartext is never what the application gets for https', (t) => {
  const routes = routesOf([{ name: 'plain', url: 'http://a.example' }])
  t.equal(told(get(routes, 'http://a.example/')), 'plain http a.example /')
  t.equal(told(get(routes, 'https://a.example/')), 'outgoing_refused')
  t.equal(told(get(routes, 'https://a.example:443/')), 'outgoing_refused')
  t.end()
})

t.test('a host that a connection names is never reached without its rules', (t) => {
  const routes = routesOf(
    [
      { name: 'named', url: 'https://by-name.example/v1', match: 'name' },
      { name: 'off', url: 'https://off.example', isActive: false },
      { name: 'post', url: 'https://post.example', methods: ['POST'] },
      { name: 'paths', url: 'https://paths.example/v1', paths: ['/v1/{x}', '/v1/deep/*'] },
      { name: 'any', url: 'https://*.wild.example', paths: ['/ok'] },
      { name: 'hidden', url: 'https://x.wild.example', match: 'name' },
      { name: 'address', url: 'http://10.0.0.7:9000' },
    ],
    { unmatched: 'allow' },
  )
  const refused: [url: string, method?: string][] = [
    ['https://by-name.example/v1/x'],
    ['https://by-name.example:8443/v1/x'],
    ['https://BY-NAME.example./v1/x'],
    ['https://off.example/'],
    ['https://off.example:8443/'],
    ['https://post.example/'],
    ['https://post.example/', 'HEAD'],
    ['https://post.example/', 'post'],
    ['https://paths.example/v1'],
    ['https://paths.example/v1/a/b'],
    ['https://paths.example/v2/a'],
    ['https://paths.example/v1/%61/b'],
    ['https://y.wild.example/no'],
    ['https://x.wild.example/ok'],
    ['http://10.0.0.7:9001/'],
    ['http://10.7:8000/'],
    ['http://[::ffff:10.0.0.7]:9001/'],
    ['http://[64:ff9b::a00:7]:443/'],
    ['http://[2002:a00:7::]/'],
  ]
  for (const [url, method] of refused) {
    t.equal(told(get(routes, url, method)), 'outgoing_refused', `${method ?? 'GET'} ${url}`)
  }
  const ports = ['by-name.example:443', 'off.example:443', 'off.example:80', 'post.example:8443']
  for (const text of [...ports, '10.0.0.7:22', '[64:ff9b::a00:7]:443', 'y.wild.example:444']) {
    const { host, port = 0 } = findAuthority(text) ?? { host: '' }
    t.match(routes.findTunnel(host, port), { kind: 'refused', code: 'outgoing_refused' }, text)
  }
  t.match(told(get(routes, 'https://paths.example/v1/a')), /^paths /)
  t.match(told(get(routes, 'https://post.example/', 'POST')), /^post /)
  t.match(told(get(routes, 'http://0xa.7:9000/')), /^address http 10.0.0.7:9000 /)
  t.end()
})

t.test('GET includes HEAD, and an inactive connection is refused by NAME too', (t) => {
  const routes = routesOf([
    { name: 'get', url: 'https://a.example', methods: ['GET'] },
    { name: 'off', url: 'https://b.example', isActive: false },
  ])
  t.match(told(routes.findByName('get', '', 'HEAD')), /^get /)
  t.equal(told(routes.findByName('get', '', 'POST')), 'outgoing_refused')
  t.equal(told(routes.findByName('off', '', 'GET')), 'outgoing_refused')
  t.match(detailOf(routes.findByName('off', '', 'GET')), /is_active: false/)
  t.end()
})

t.test('oddities of the path pass where the connection lets them', (t) => {
  const routes = routesOf([
    { name: 'strict', url: 'https://a.example' },
    {
      name: 'loose',
      url: 'https://b.example',
      encodedSlashes: true,
      emptySegments: true,
      pathParameters: true,
    },
  ])
  for (const path of ['/a%2Fb', '/a//b', '/a;b']) {
    t.equal(told(routes.findByName('strict', path, 'GET')), 'path_rejected', path)
    t.match(told(routes.findByName('loose', path, 'GET')), /^loose /, path)
  }
  t.equal(told(routes.findByName('loose', '/%252e', 'GET')), 'path_rejected')
  t.match(detailOf(routes.findByName('strict', '/a;b', 'GET')), /path_parameters: true/)
  t.end()
})

t.test('unmatched hosts: deny prints what to add, others keep to their ports', (t) => {
  const denied = get(routesOf([]), 'https://new_host.example:8443/secret?token=S3cret')
  t.match(denied, { kind: 'refused', code: 'unmatched_host' })
  t.match(
    detailOf(denied),
    /outgoing:\n {2}- name: "new_host.example"\n {4}url: "https:\/\/new_host.example:8443"\n/,
  )
  t.notMatch(detailOf(denied), /S3cret/)
  t.match(
    detailOf(get(routesOf([]), 'http://[2001:db8::1]/')),
    /name: "2001-db8--1"\n {4}url: "http:\/\/\[2001:db8::1\]"/,
  )
  for (const unmatched of ['public', 'allow'] as const) {
    const routes = routesOf([{ name: 'x', url: 'https://x.example' }], { unmatched })
    t.equal(told(get(routes, 'http://a.example/x')), 'unmatched http a.example /x')
    t.equal(told(get(routes, 'https://a.example/x')), 'unmatched https a.example sni=a.example /x')
    t.equal(told(get(routes, 'http://a.example:8080/x')), 'destination_refused')
    t.equal(told(get(routes, 'http://a.example/../x')), 'path_rejected')
    t.match(get(routes, 'http://a.example/'), { destination: { kind: `unmatched_${unmatched}` } })
  }
  t.end()
})

t.test('CONNECT: what the connections of an authority say about https', (t) => {
  const routes = routesOf([
    { name: 'i', url: 'https://i.example', https: 'intercept', paths: ['/x'] },
    { name: 't', url: 'https://t.example', https: 'tunnel' },
    { name: 'n', url: 'https://n.example' },
    { name: 'plain', url: 'http://plain.example:8080' },
    { name: 'both1', url: 'https://both.example/a', https: 'tunnel' },
    { name: 'both2', url: 'https://both.example/b', https: 'intercept' },
    { name: 'half1', url: 'https://half.example/a', https: 'tunnel' },
    { name: 'half2', url: 'https://half.example/b' },
    { name: 'dark1', url: 'https://dark.example/a', https: 'tunnel' },
    { name: 'dark2', url: 'https://dark.example/b', https: 'tunnel', isActive: false },
    { name: 'blind', url: 'https://blind.example', https: 'tunnel', methods: ['GET'] },
    { name: 'w', url: 'https://*.w.example:8443', https: 'tunnel' },
  ])
  const expectations: [host: string, port: number, told: string][] = [
    ['i.example', 443, 'ends_here intercepts'],
    ['i.example', 80, 'ends_here'],
    ['i.example', 8443, 'outgoing_refused'],
    ['t.example', 443, 'passes t.example'],
    ['t.example', 80, 'ends_here'],
    ['n.example', 443, 'https_mode_missing'],
    ['n.example', 80, 'ends_here'],
    ['plain.example', 8080, 'ends_here'],
    ['plain.example', 80, 'ends_here'],
    ['plain.example', 443, 'outgoing_refused'],
    ['both.example', 443, 'ends_here intercepts'],
    ['half.example', 443, 'https_mode_missing'],
    ['dark.example', 443, 'outgoing_refused'],
    ['dark.example', 80, 'ends_here'],
    ['blind.example', 443, 'outgoing_refused'],
    ['a.w.example', 8443, 'passes a.w.example:8443'],
    ['a.w.example', 443, 'outgoing_refused'],
    ['other.example', 443, 'unmatched_host'],
  ]
  for (const [host, port, expected] of expectations) {
    t.equal(toldTunnel(routes, host, port), expected, `${host}:${port}`)
  }
  const missing = routes.findTunnel('n.example', 443)
  t.match(detailOf(missing), /https: intercept .*https: tunnel .*http:\/\/127.0.0.1:3128\/n\//)
  t.match(detailOf(routes.findTunnel('half.example', 443)), /"half2"/)
  t.end()
})

function toldTunnel(routes: Routes<string>, host: string, port: number): string {
  const found = routes.findTunnel(host, port)
  switch (found.kind) {
    case 'refused':
      return found.code
    case 'ends_here':
      return found.intercepts ? 'ends_here intercepts' : 'ends_here'
    case 'passes':
      return `passes ${found.destination.authority}`
    case 'unmatched':
      return `unmatched ${found.destination.authority}${found.endsHere ? ' ends_here' : ''}`
  }
}

t.test(
  'CONNECT to an unmatched host: 443, and 80 for cleartext, whatever unmatched_ports adds',
  (t) => {
    const routes = routesOf([], { unmatched: 'allow', unmatchedPorts: [80, 443, 8443, 22] })
    t.equal(toldTunnel(routes, 'a.example', 443), 'unmatched a.example')
    t.equal(toldTunnel(routes, 'a.example', 80), 'unmatched a.example ends_here')
    t.equal(toldTunnel(routes, 'a.example', 8443), 'destination_refused')
    t.equal(toldTunnel(routes, 'a.example', 22), 'destination_refused')
    const fewer = routesOf([], { unmatched: 'allow', unmatchedPorts: [80] })
    t.equal(toldTunnel(fewer, 'a.example', 443), 'destination_refused')
    t.end()
  },
)

// The naive reference: every connection that fits, then the rules of section 4 one by one.

interface Asked {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number | undefined
  readonly path: string
  readonly method: string
}

function split(url: string): { scheme: string; host: string; port: number; base: string } {
  const [, scheme = '', host = '', port, base = ''] =
    /^(https?):\/\/([^/:]+)(?::(\d+))?(\/.*)?$/.exec(url) ?? []
  return { scheme, host, port: Number(port ?? (scheme === 'https' ? 443 : 80)), base }
}

function chooseNaively(connections: readonly OutgoingRule[], asked: Asked): string {
  const { host, port, path, method, scheme } = asked
  const all = connections.map((connection) => ({ connection, ...split(connection.url) }))
  const wild = `*.${host.split('.').slice(1).join('.')}`
  const exact = all.filter((each) => each.host === host)
  const ofHost = exact.length > 0 ? exact : all.filter((each) => each.host === wild)
  if (ofHost.length === 0) return 'unmatched_host' satisfies Code
  let fitting = ofHost.filter((each) => each.connection.match === 'host')
  if (port === undefined || port === 80) {
    const usual = fitting.filter((each) => each.port === (each.scheme === 'https' ? 443 : 80))
    const onlyPort = new Set(fitting.map((each) => each.port)).size === 1
    const said = fitting.filter((each) => each.port === 80)
    fitting = usual.length > 0 ? usual : onlyPort ? fitting : said
  } else {
    fitting = fitting.filter((each) => each.port === port)
  }
  const below = fitting
    .filter(({ base }) => path === base || path.startsWith(`${base}/`))
    .sort((a, b) => b.base.length - a.base.length)[0]
  if (below === undefined) return 'outgoing_refused' satisfies Code
  const { connection } = below
  const { methods } = connection
  const hasMethod =
    methods === undefined ||
    methods.includes(method) ||
    (method === 'HEAD' && methods.includes('GET'))
  const isDowngrade = scheme === 'https' && below.scheme === 'http'
  return connection.isActive && hasMethod && !isDowngrade ? connection.name : 'outgoing_refused'
}

t.test('the table chooses what trying every connection chooses', (t) => {
  const origin = fc.constantFrom(
    ...['https://a.x', 'http://a.x', 'https://a.x:8443', 'http://a.x:8080', 'https://b.x'],
    ...['https://*.x', 'https://*.x:8443', 'http://*.y', 'https://a.x:80', 'http://b.x:9000'],
  )
  const base = fc.constantFrom('', '', '/v1', '/v1/a', '/v1/a/b', '/w')
  const connections = fc.array(
    fc.record({
      url: fc.tuple(origin, base).map(([front, path]) => front + path),
      match: fc.constantFrom('host' as const, 'host' as const, 'host' as const, 'name' as const),
      methods: fc.constantFrom(undefined, undefined, ['GET'], ['POST', 'HEAD']),
      isActive: fc.constantFrom(true, true, true, false),
    }),
    { maxLength: 12 },
  )
  const asked = fc.record({
    scheme: fc.constantFrom('http' as const, 'https' as const),
    host: fc.constantFrom('a.x', 'b.x', 'c.x', 'a.y', 'a.b.x', 'x', 'z'),
    port: fc.constantFrom(undefined, undefined, 80, 443, 8443, 8080, 9000, 1),
    path: fc.constantFrom('/', '/v1', '/v1/', '/v1/a', '/v1/ab', '/v1/a/b/c', '/w/x', '/v1x'),
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT'),
  })
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        connections,
        fc.array(asked, { minLength: 8, maxLength: 8 }),
        (written, requests) => {
          // The configuration refuses equal rank, the default ports of both schemes counting as one.
          const seen = new Set<string>()
          const kept = written
            .map((change, at) => sampleOutgoing({ ...change, name: `n${at}` }))
            .filter((connection) => {
              if (connection.match === 'name') return true
              const { scheme, host, port, base: path } = split(connection.url)
              const isUsual = port === (scheme === 'https' ? 443 : 80)
              const key = `${host} ${isUsual ? 'default' : port} ${path}`
              if (seen.has(key)) return false
              seen.add(key)
              return true
            })
          const routes = routesOf(kept)
          for (const one of requests) {
            const { scheme, host, port, path, method } = one
            const found = routes.findByAuthority(scheme, { host, port, family: 0 }, path, method)
            const got = found.kind === 'outgoing' ? found.route.value : told(found)
            const expected = chooseNaively(kept, one)
            if (got !== expected) throw new Error(`${JSON.stringify(one)}: ${got}, not ${expected}`)
            if (found.kind !== 'outgoing') continue
            const { destination, route } = found
            const isSame = destination.host === host && destination.port === route.port
            if (!isSame) throw new Error(`${JSON.stringify(one)} goes to ${destination.authority}`)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
  t.end()
})

t.test('a look-up costs the same with ten thousand hosts and a thousand base paths', (t) => {
  const many = routesOf([
    ...Array.from({ length: 10_000 }, (_, at) => ({
      name: `h${at}`,
      url: `https://h${at}.example`,
    })),
    ...Array.from({ length: 1000 }, (_, at) => ({
      name: `p${at}`,
      url: `https://p.example/b${at}`,
    })),
  ])
  const few = routesOf([{ name: 'p999', url: 'https://p.example/b999' }])
  const authority = { host: 'p.example', port: 443, family: 0 } as const
  function measure(routes: Routes<string>): number {
    const startedAt = performance.now()
    for (let at = 0; at < 50_000; at++) routes.findByAuthority('https', authority, '/b999/x', 'GET')
    return performance.now() - startedAt
  }
  const runs = Array.from({ length: 5 }, () => [measure(few), measure(many)] as const)
  const best = (at: 0 | 1): number => Math.min(...runs.map((run) => run[at]))
  t.ok(best(1) < 5 * best(0) + 5, `${best(0)} ms and ${best(1)} ms`)
  t.comment(`${((best(1) / 50_000) * 1e6).toFixed(0)} ns a look-up`)
  t.end()
})

t.test(
  'only what carries a credential in cleartext to localhost must stay on this machine',
  (t) => {
    for (const [change, staysLocal] of [
      [{ url: 'http://localhost:8080', security: 'key' }, true],
      [{ url: 'http://127.0.0.1:8080', security: 'key' }, true],
      [{ url: 'http://localhost:8080', security: 'none' }, false],
      [{ url: 'http://localhost:8080', security: 'key', allowPlaintext: true }, false],
      [{ url: 'https://localhost:8080', security: 'key' }, false],
    ] as const) {
      const choice = routesOf([{ name: 'a', ...change }]).findByName('a', '', 'GET')
      t.equal(choice.kind === 'outgoing' && choice.destination.staysLocal, staysLocal, change.url)
    }
    t.end()
  },
)
