import fc from 'fast-check'
import t from 'tap'
import { joinTarget, mapLocation } from '../../src/egress/location.ts'
import type { LocationScope } from '../../src/egress/location.ts'

function scopeOf(
  urlPath: string,
  change: Partial<LocationScope['destination']> = {},
): LocationScope {
  return {
    name: 'sf',
    destination: { scheme: 'https', host: 'api.example.com', port: 443, ...change },
    urlPath,
    allowed: 0,
  }
}

t.test('/NAME is the url, and what follows is appended to it without its final slash', (t) => {
  const expectations: [urlPath: string, rest: string, target: string][] = [
    ['/v1', '', '/v1'],
    ['/v1', '/x?q', '/v1/x?q'],
    ['/v1', '?q', '/v1?q'],
    ['/v1', '/', '/v1/'],
    ['/v1/', '', '/v1/'],
    ['/v1/', '/x', '/v1/x'],
    ['/v1/', '/', '/v1/'],
    ['/', '', '/'],
    ['/', '/x', '/x'],
    ['/', '?q', '/?q'],
  ]
  for (const [urlPath, rest, target] of expectations) t.equal(joinTarget(urlPath, rest), target)
  t.end()
})

t.test('a Location within the origin and base path comes back to /NAME', (t) => {
  const expectations: [urlPath: string, location: string, mapped: string][] = [
    ['/v1', 'https://api.example.com/v1/x?q#f', '/sf/x?q#f'],
    ['/v1', 'HTTPS://API.example.com.:443/v1/x', '/sf/x'],
    ['/v1', '//api.example.com/v1/x', '/sf/x'],
    ['/v1', '/v1/x', '/sf/x'],
    ['/v1', '/v1', '/sf'],
    ['/v1', '/v1?q=/..', '/sf?q=/..'],
    ['/v1', '/v1/', '/sf/'],
    ['/v1/', '/v1/', '/sf/'],
    ['/', 'https://api.example.com', '/sf/'],
    ['/', 'https://api.example.com?q', '/sf/?q'],
    ['/', '/login', '/sf/login'],
    ['/v1', '/v1/%C3%A9?\xe9', '/sf/%C3%A9?\xe9'],
  ]
  for (const [urlPath, location, mapped] of expectations) {
    t.equal(mapLocation(location, scopeOf(urlPath)), mapped, `${urlPath} ${location}`)
  }
  t.end()
})

t.test('anything else is not touched', (t) => {
  const untouched = [
    ...['', 'x', '?q', '#f', '../x', './x', 'v1/x', 'mailto:a@b', 'javascript:x'],
    ...[
      'http://api.example.com/v1/x',
      'https://api.example.com:8443/v1/x',
      'https://evil.example/v1/',
    ],
    ...['https://api.example.com.evil.example/v1/', 'https://api.example.com@evil.example/v1/'],
    ...['https://u:p@api.example.com/v1/x', '//evil.example/v1/x', '///v1/x', '////v1/x'],
    ...['/v1x', '/v', '/', '/V1/x', '/v1/../x', '/v1/..', '/v1/./x', '/v1/%2e%2e/x', '/v1/..;/x'],
    ...[
      '/v1/..%2fx',
      '/v1\\x',
      '/v1/\\evil.example',
      '/\\evil.example/v1/',
      'https:\\\\api.example.com\\v1',
    ],
    ...[
      'https:/api.example.com/v1/x',
      'https:api.example.com/v1/x',
      'https://api.example.com\\v1/x',
    ],
    ...[
      '/%761/x',
      '/v1//x',
      '/v1/x;y',
      '/v1/%2Fx',
      '/v1/a b',
      '/v1/\tx',
      '\t/v1/x',
      '/v1/%zz',
      '/v1/\xe9',
    ],
  ]
  for (const location of untouched) {
    t.equal(mapLocation(location, scopeOf('/v1')), location, location)
  }
  t.equal(mapLocation('/v1', scopeOf('/v1/')), '/v1', 'nothing below /NAME is /v1 there')
  t.end()
})

t.test('oddities that the connection lets through are mapped', (t) => {
  const scope = { ...scopeOf('/v1'), allowed: 15 }
  t.equal(mapLocation('/v1//x;y', scope), '/sf//x;y')
  t.equal(mapLocation('/v1/../x', scope), '/v1/../x')
  t.end()
})

t.test('an address of many spellings is one origin', (t) => {
  const scope = scopeOf('/', { scheme: 'http', host: '127.0.0.1', port: 9000 })
  t.equal(mapLocation('http://0x7f.1:9000/x', scope), '/sf/x')
  t.equal(mapLocation('http://127.0.0.1/x', scope), 'http://127.0.0.1/x')
  t.end()
})

t.test('what is mapped leads the next request to the very place that was meant', (t) => {
  const segment = fc.constantFrom('a', 'v1', 'b.c', '%20', '..a', ':x', 'é'.normalize(), '')
  const path = fc
    .array(segment, { maxLength: 5 })
    .map((parts) => parts.map((part) => `/${part}`).join('') || '/')
  const origin = fc.constantFrom('', 'https://api.example.com', '//api.example.com:443')
  const tail = fc.constantFrom('', '?q', '?q=/../x', '#f', '?a#b')
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        fc.constantFrom('/', '/v1', '/v1/', '/a/v1', '/b.c/'),
        origin,
        path,
        tail,
        (urlPath, prefix, wanted, end) => {
          const location = prefix + wanted + end
          const mapped = mapLocation(location, scopeOf(urlPath))
          if (mapped === location) return true
          if (!/^\/sf(?:[/?#]|$)/.test(mapped)) return false
          return joinTarget(urlPath, mapped.slice('/sf'.length)) === wanted + end
        },
      ),
      { numRuns: 3000 },
    )
  })
  t.end()
})
