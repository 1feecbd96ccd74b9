import fc from 'fast-check'
import t from 'tap'
import type { ChannelConfig } from '../../src/config/model.ts'
import { matches, parsePattern } from '../../src/http/pattern.ts'
import { createChannelTable, normaliseHost } from '../../src/inbound/channels.ts'
import type { ChannelTable, Match } from '../../src/inbound/channels.ts'
import { sampleChannel } from './sample-channel.ts'

type Written = Partial<ChannelConfig> & { readonly name: string }

function tableOf(channels: readonly Written[], caseInsensitive = false): ChannelTable<string> {
  return createChannelTable(
    channels.map((change) => ({ channel: sampleChannel(change), value: change.name })),
    { caseInsensitive },
  )
}

/** A match in a word: the name of the channel, or what was found instead. */
function told(match: Match<string>): string {
  if (match.kind === 'channel') return match.value
  if (match.kind === 'inactive') return `inactive ${match.value}`
  return match.kind === 'none' ? 'none' : `405 ${match.allow.join()}`
}

function pathsOf(...paths: string[]): ChannelTable<string> {
  return tableOf(paths.map((path) => ({ name: path, path })))
}

t.test('segment by segment, a literal wins over {name} and that over *', (t) => {
  const table = pathsOf(
    ...['/*', '/api/*', '/api', '/api/', '/a/{x}/c', '/a/b/*', '/a/{x}', '/{x}', '/{x}/{y}/{z}/d'],
    ...['/a/b/{x}/e', '/healthz', '/'],
  )
  const expectations: [path: string, channel: string][] = [
    ['/', '/'],
    ['/api', '/api'],
    ['/api/', '/api/'],
    ['/api/x', '/api/*'],
    ['/api/x/', '/api/*'],
    ['/apix', '/{x}'],
    ['/apix/', '/*'],
    ['/healthz', '/healthz'],
    ['/healthz/', '/*'],
    ['/a/b/c', '/a/b/*'],
    ['/a/z/c', '/a/{x}/c'],
    ['/a/z', '/a/{x}'],
    ['/a/b', '/a/b/*'],
    ['/a/b/c/e', '/a/b/{x}/e'],
    ['/a/b/c/d', '/a/b/*'],
    ['/a/z/c/d', '/{x}/{y}/{z}/d'],
    ['/a/z/y/x', '/*'],
    ['/a//c', '/*'],
  ]
  for (const [path, channel] of expectations) {
    t.equal(told(table.find('h', path, 'GET')), channel, path)
  }
  t.end()
})

t.test('what no channel names is nobody’s', (t) => {
  const table = pathsOf('/api/*', '/{x}/y', '/B')
  for (const path of ['/', '/apix', '/API', '/x', '/x/y/z', '//y', '/b', '/api%2Fx']) {
    t.equal(told(table.find('h', path, 'GET')), 'none', path)
  }
  t.equal(told(tableOf([]).find('h', '/', 'GET')), 'none')
  t.end()
})

// A protected channel beside an open one must not be walked around by escaping what needs no escape.
t.test('an escaped colon or blank finds the channel of the bare one', (t) => {
  const table = pathsOf('/*', '/v1/jobs:cancel', '/my file')
  t.equal(told(table.find('h', '/v1/jobs:cancel', 'GET')), '/v1/jobs:cancel')
  t.equal(told(table.find('h', '/v1/jobs%3Acancel', 'GET')), '/v1/jobs:cancel')
  t.equal(told(table.find('h', '/my%20file', 'GET')), '/my file')
  t.equal(told(table.find('h', '/v1%2Fjobs:cancel', 'GET')), '/*')
  t.end()
})

t.test('in front of a Windows service letter case does not choose the channel', (t) => {
  const written = ['/*', '/Admin/*', '/caf\u00e9'].map((path) => ({ name: path, path }))
  const table = tableOf(written, true)
  for (const path of ['/admin/x', '/ADMIN', '/aDmIn/']) {
    t.equal(told(table.find('h', path, 'GET')), '/Admin/*', path)
  }
  t.equal(told(table.find('h', '/CAF%C3%89', 'GET')), '/caf\u00e9')
  t.equal(told(tableOf(written).find('h', '/admin/x', 'GET')), '/*')
  t.end()
})

t.test('of the channels that match host and path, the host chooses first', (t) => {
  const table = tableOf([
    { name: 'exact', host: 'a.example.com', path: '/x/*' },
    { name: 'wild', host: '*.example.com', path: '/x/y' },
    { name: 'wild all', host: '*.example.com', path: '/z/*' },
    { name: 'any', path: '/x/y/z' },
    { name: 'rest', path: '/*' },
    { name: 'six', host: '[::1]' },
  ])
  const expectations: [host: string, path: string, channel: string][] = [
    ['a.example.com', '/x/y', 'exact'],
    ['A.Example.COM.', '/x/y/z', 'exact'],
    ['a.example.com:8443', '/x', 'exact'],
    ['a.example.com.:8443', '/x', 'exact'],
    ['a.example.com', '/z', 'wild all'],
    ['a.example.com', '/q', 'rest'],
    ['b.example.com', '/x/y', 'wild'],
    ['b.example.com', '/x/y/z', 'any'],
    ['b.c.example.com', '/x/y', 'rest'],
    ['example.com', '/x/y', 'rest'],
    ['.example.com', '/x/y', 'rest'],
    ['other', '/x/y/z', 'any'],
    ['[::1]:80', '/', 'six'],
    ['[0:0::0:1]', '/', 'six'],
    ['[::2]', '/', 'rest'],
    ['', '/', 'rest'],
  ]
  for (const [host, path, channel] of expectations) {
    t.equal(told(table.find(host, path, 'GET')), channel, `${host}${path}`)
  }
  t.end()
})

t.test('one host has one spelling', (t) => {
  t.equal(normaliseHost('A.b.:80'), 'a.b')
  t.equal(normaliseHost('[2001:DB8:0::1]:80'), '[2001:db8::1]')
  t.equal(normaliseHost('2001:db8::1'), '[2001:db8::1]')
  t.equal(normaliseHost('127.0.0.1:80'), '127.0.0.1')
  t.end()
})

t.test('methods tell channels of one host and path apart, and one without takes the rest', (t) => {
  const table = tableOf([
    { name: 'read', path: '/a/{x}', methods: ['GET'] },
    { name: 'preflight', path: '/a/{y}', methods: ['OPTIONS'] },
    { name: 'others', path: '/a/{z}' },
  ])
  const expectations = { GET: 'read', HEAD: 'read', OPTIONS: 'preflight', PUT: 'others' }
  for (const [method, channel] of Object.entries(expectations)) {
    t.equal(told(table.find('h', '/a/1', method)), channel, method)
  }
  t.end()
})

t.test('a method of no channel here is 405, never a less specific channel', (t) => {
  const table = tableOf([
    { name: 'read', path: '/a', methods: ['GET'] },
    { name: 'write', path: '/a', methods: ['POST', 'PUT'] },
    { name: 'less specific', path: '/*' },
    { name: 'another host', path: '/a', host: 'h', methods: ['DELETE'] },
  ])
  t.equal(told(table.find('x', '/a', 'DELETE')), '405 GET,POST,PUT,HEAD')
  t.equal(told(table.find('x', '/a', 'get')), '405 GET,POST,PUT,HEAD')
  t.equal(told(table.find('h', '/a', 'GET')), '405 DELETE')
  const refused = table.find('x', '/a', 'PATCH')
  t.same(refused.kind === 'method_refused' && refused.channels.map((channel) => channel.name), [
    ...['read', 'write'],
  ])
  t.end()
})

t.test('HEAD goes where it is named, else with GET', (t) => {
  const named = tableOf([
    { name: 'get', path: '/a', methods: ['GET'] },
    { name: 'head', path: '/a', methods: ['HEAD'] },
  ])
  t.equal(told(named.find('h', '/a', 'HEAD')), 'head')
  t.equal(told(tableOf([{ name: 'post', methods: ['POST'] }]).find('h', '/', 'HEAD')), '405 POST')
  t.end()
})

t.test('an inactive channel keeps its place', (t) => {
  const table = tableOf([
    { name: 'off', path: '/a', isActive: false },
    { name: 'half off', path: '/b', methods: ['GET'], isActive: false },
    { name: 'half on', path: '/b', methods: ['POST'] },
    { name: 'off for GET', path: '/c', methods: ['GET'], isActive: false },
    { name: 'less specific', path: '/*' },
  ])
  t.equal(told(table.find('h', '/a', 'GET')), 'inactive off')
  t.equal(told(table.find('h', '/b', 'GET')), 'inactive half off')
  t.equal(told(table.find('h', '/b', 'HEAD')), 'inactive half off')
  t.equal(told(table.find('h', '/b', 'POST')), 'half on')
  t.equal(told(table.find('h', '/b', 'PUT')), '405 POST')
  t.equal(told(table.find('h', '/c', 'PUT')), 'inactive off for GET')
  t.end()
})

t.test('a path that the channel could never see does not build', (t) => {
  t.throws(() => pathsOf('/a//b'), { message: /empty_segments/ })
  t.doesNotThrow(() => tableOf([{ name: 'a', path: '/a//b', emptySegments: true }]))
  t.end()
})

// The naive reference: all channels that match, by rank, then by method.

function hostRank(channel: ChannelConfig, host: string): number {
  if (channel.host === undefined) return 1
  if (!channel.host.startsWith('*.')) return channel.host === host ? 3 : 0
  const [label = '', ...rest] = host.split('.')
  return label !== '' && rest.join('.') === channel.host.slice(2) ? 2 : 0
}

function pathRank(path: string): string {
  const pattern = parsePattern(path)
  const kinds = pattern.segments.map((segment) => (segment === undefined ? '2' : '3'))
  // What ends is more specific than what goes on to a `*`.
  return [...kinds, pattern.hasRest ? '1' : '4'].join('')
}

function findNaively(
  channels: readonly ChannelConfig[],
  host: string,
  path: string,
  method: string,
  caseInsensitive: boolean,
): string {
  const ranked = channels
    .filter((channel) => hostRank(channel, host) > 0)
    .filter((channel) => matches(parsePattern(channel.path), path, { caseInsensitive }))
    .map((channel) => ({ channel, rank: `${hostRank(channel, host)}${pathRank(channel.path)}` }))
    .sort((a, b) => (a.rank < b.rank ? 1 : a.rank > b.rank ? -1 : 0))
  const best = ranked.filter(({ rank }) => rank === ranked[0]?.rank).map(({ channel }) => channel)
  if (best.length === 0) return 'none'
  const names = (wanted: string): ChannelConfig | undefined =>
    best.find((channel) => channel.methods?.includes(wanted) === true)
  const chosen =
    names(method) ??
    (method === 'HEAD' ? names('GET') : undefined) ??
    best.find((channel) => channel.methods === undefined)
  return chosen === undefined ? '405' : chosen.name
}

t.test('the table finds what trying every channel in order of rank finds', (t) => {
  const segment = fc.constantFrom('a', 'b', 'A', '{x}', 'c:d')
  const path = fc
    .tuple(fc.array(segment, { maxLength: 4 }), fc.constantFrom('', '', '/', '/*'))
    .map(([segments, end]) => segments.map((part) => `/${part}`).join('') + end || '/')
  const host = fc.constantFrom(undefined, undefined, 'h.x', '*.x', 'x')
  const methods = fc.constantFrom(undefined, undefined, ['GET'], ['POST'], ['HEAD', 'PUT'])
  const channels = fc.array(fc.record({ path, host, methods }), { maxLength: 25 })
  const asked = fc.record({
    host: fc.constantFrom('h.x', 'g.x', 'x', 'y', 'h.g.x'),
    path: fc
      .array(fc.constantFrom('a', 'b', 'A', 'c:d', 'c%3Ad', 'z', 'z%20z'), { maxLength: 5 })
      .chain((parts) => fc.constantFrom(`/${parts.join('/')}`, `/${[...parts, ''].join('/')}`))
      .map((text) => text.replace(/\/+/g, '/')),
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE'),
  })
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        channels,
        fc.array(asked, { minLength: 5, maxLength: 5 }),
        fc.boolean(),
        (written, requests, caseInsensitive) => {
          // The configuration refuses what overlaps at equal rank with a method in common.
          const seen = new Set<string>()
          const kept = written
            .map((change, at) => sampleChannel({ ...change, name: String(at) }))
            .filter((channel) => {
              const place = `${channel.host ?? ''} ${channel.path}`
              const key = caseInsensitive ? place.toLowerCase() : place
              const keys = (channel.methods ?? ['*']).map((method) => `${key} ${method}`)
              if (keys.some((one) => seen.has(one))) return false
              keys.forEach((one) => seen.add(one))
              return true
            })
          const table = createChannelTable(
            kept.map((channel) => ({ channel, value: channel.name })),
            { caseInsensitive },
          )
          for (const one of requests) {
            const found = told(table.find(one.host, one.path, one.method)).replace(/^405.*/, '405')
            const expected = findNaively(kept, one.host, one.path, one.method, caseInsensitive)
            if (found !== expected) {
              throw new Error(`${one.method} ${one.host}${one.path}: ${found}, not ${expected}`)
            }
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
  t.end()
})
