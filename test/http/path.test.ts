import fc from 'fast-check'
import t from 'tap'
import {
  DOUBLE_ENCODING,
  EMPTY_SEGMENT,
  ENCODED_SLASH,
  PATH_PARAMETER,
  allowedOddities,
  guardTarget,
} from '../../src/http/path.ts'

t.test('these targets are never let through', (t) => {
  const refused = [
    '',
    '*',
    'a',
    'http://a/',
    '?a',
    // Fragments, in the query too, and backslashes
    '/#',
    '/a#b',
    '/a?b#c',
    '/\\',
    '/a\\b',
    '/a\\..\\b',
    // Controls, blanks and bytes that are not ASCII, raw
    '/\0',
    '/a\tb',
    '/a b',
    '/a\r\nb',
    '/a\x7f',
    '/\xe9',
    '/\u0100',
    '/\u{1f600}',
    '/a?\n',
    '/a?\xe9',
    '/a?\u2028',
    // Controls, encoded
    '/%00',
    '/a%0d%0aSet-Cookie:%20a',
    '/%09',
    '/%1f',
    '/%7F',
    '/%c2%85',
    '/%C2%9F',
    // Malformed escapes
    '/%',
    '/%4',
    '/%zz',
    '/%4g',
    '/a%',
    '/%%32%65',
    '/%u002e%u002e/',
    '/%2%65',
    // Not UTF-8: overlong, surrogates, cut, lonely, beyond Unicode
    '/%c0%af',
    '/%c0%ae%c0%ae/a',
    '/%e0%80%af',
    '/%ed%a0%80',
    '/%c3',
    '/%c3/%a9',
    '/%ff',
    '/%80',
    '/%f4%90%80%80',
    // Dot segments
    '/.',
    '/..',
    '/./',
    '/../',
    '/a/.',
    '/a/..',
    '/a/./b',
    '/a/../b',
    '/a/..?b',
    '/%2e',
    '/%2E%2e',
    '/%2e%2e',
    '/.%2e',
    '/%2e.',
    '/a/%2e%2E/b',
    '//..',
    // … with parameters
    '/..;',
    '/..;x',
    '/..;x=1/a',
    '/.;x/a',
    '/..;;x',
    '/..%3bx',
    '/%2e%2e;x',
    '/a;b/../c',
    '/a;b/..;c/d',
    // … between encoded slashes and backslashes
    '/%2f..%2f',
    '/a%2f..',
    '/a%2F..%2Fb',
    '/a%2f%2e%2e/b',
    '/..%2fa',
    '/..%5ca',
    '/%5c..%5c',
    '/a%5c.',
    '/..%2f..;x%5ca',
    // … at deeper decodings
    '/%25%32%65',
    '/%252e',
    '/%252e%252e/a',
    '/.%252e/a',
    '/%252e.%252fa',
    '/a%252f..%252fb',
    '/..%252fa',
    '/..%255ca',
    '/..%253bx',
    '/%25252e%25252e/a',
    '/%25%32%35%32%65/a',
    '/a/%25252e',
    // … overlong there
    '/a%25c0%25af',
    // Deeper than anybody has reason for
    '/%25252525252541',
    `/%${'25'.repeat(2000)}41`,
  ]
  for (const target of refused)
    t.equal(guardTarget(target), undefined, encodeURIComponent(target).slice(0, 60))
  t.end()
})

t.test('these targets pass, and matching sees what RFC 3986 6.2.2 makes of them', (t) => {
  const passing: [target: string, path: string, oddities: number][] = [
    ['/', '/', 0],
    ['/a', '/a', 0],
    ['/a/', '/a/', 0],
    ['/A/b-._~c', '/A/b-._~c', 0],
    ['/.hidden', '/.hidden', 0],
    ['/...', '/...', 0],
    ['/..a', '/..a', 0],
    ['/a/.../b', '/a/.../b', 0],
    ['/a..', '/a..', 0],
    ['/.well-known/x', '/.well-known/x', 0],
    ['/%2e%2e%2e', '/...', 0],
    ['/%2ehidden', '/.hidden', 0],
    ['/%41%7a%30%2d%5f%7e', '/Az0-_~', 0],
    ['/a%20b%c3%a9', '/a%20b%C3%A9', 0],
    ['/%e2%82%ac/%F0%9f%98%80', '/%E2%82%AC/%F0%9F%98%80', 0],
    ["/!$&'()*+,=:@", "/!$&'()*+,=:@", 0],
    ['/%3a%2B%3f%23', '/%3A%2B%3F%23', 0],
    ['/{a}[b]|"^`<>', '/{a}[b]|"^`<>', 0],
    ['/%25', '/%25', 0],
    ['/100%25', '/100%25', 0],
    ['/100%25x', '/100%25x', 0],
    ['/%254', '/%254', 0],
    ['/%25/41', '/%25/41', 0],
    ['/a%2fb', '/a%2Fb', ENCODED_SLASH],
    ['/a%5cb', '/a%5Cb', ENCODED_SLASH],
    ['/a%2f', '/a%2F', ENCODED_SLASH],
    ['/a/%2f', '/a/%2F', ENCODED_SLASH | EMPTY_SEGMENT],
    ['/http:%2f%2fx', '/http:%2F%2Fx', ENCODED_SLASH | EMPTY_SEGMENT],
    ['//', '//', EMPTY_SEGMENT],
    ['//a', '//a', EMPTY_SEGMENT],
    ['/a//b', '/a//b', EMPTY_SEGMENT],
    ['/a//', '/a//', EMPTY_SEGMENT],
    ['/a;b', '/a;b', PATH_PARAMETER],
    ['/;', '/;', PATH_PARAMETER],
    ['/a%3bb', '/a%3Bb', PATH_PARAMETER],
    // A service that cuts parameters off reads //a here.
    ['/;x/a', '/;x/a', PATH_PARAMETER | EMPTY_SEGMENT],
    ['/a;b/c;d', '/a;b/c;d', PATH_PARAMETER],
    ['/%2541', '/%2541', DOUBLE_ENCODING],
    ['/%25%34%31', '/%2541', DOUBLE_ENCODING],
    ['/%252f', '/%252F', DOUBLE_ENCODING],
    ['/a%252fb;c//%5c', '/a%252Fb;c//%5C', 15],
  ]
  for (const [target, path, oddities] of passing) {
    const expected = path.replace('%252F', '%252f')
    t.same(guardTarget(target), { rawPath: target, rawQuery: '', path: expected, oddities }, target)
  }
  t.end()
})

t.test('the query plays no part and passes as it came', (t) => {
  for (const query of ['?', '?a', '?a/../b', '?%', '?%00', '?//', '?;', '??', '?a=%zz', '?b\\c']) {
    t.same(guardTarget(`/a${query}`), {
      rawPath: '/a',
      rawQuery: query,
      path: '/a',
      oddities: 0,
    })
    const odd = guardTarget(`/%61${query}`)
    t.same([odd?.rawPath, odd?.path, odd?.rawQuery], ['/%61', '/a', query])
  }
  t.end()
})

t.test('a rule allows the oddities that it names and no others', (t) => {
  const none = {
    encodedSlashes: false,
    emptySegments: false,
    pathParameters: false,
    doubleEncoding: false,
  }
  t.equal(allowedOddities(none), 0)
  t.equal(allowedOddities({ ...none, encodedSlashes: true }), ENCODED_SLASH)
  t.equal(allowedOddities({ ...none, emptySegments: true }), EMPTY_SEGMENT)
  t.equal(allowedOddities({ ...none, pathParameters: true }), PATH_PARAMETER)
  t.equal(allowedOddities({ ...none, doubleEncoding: true }), DOUBLE_ENCODING)
  t.end()
})

// What attackers put paths together from.
const piece = fc.constantFrom(
  ...['/', '.', '..', ';', '%', '%2e', '%2E', '%2f', '%5C', '%25', '%252e', '%41', '%c3%a9', '%c0'],
  ...['%af', '%00', '%3b', '%3A', 'a', 'B', '2e', '~', '\\', '#', '?', ':', '{', ' ', '\xe9'],
)
const target = fc.oneof(
  fc.array(piece, { maxLength: 16 }).map((pieces) => `/${pieces.join('')}`),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => `/${Buffer.from(bytes).toString('latin1')}`),
  fc.string({ unit: 'binary', maxLength: 20 }),
)

t.test('no target whatever makes the guard throw', (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(target, (text) => {
        guardTarget(text)
      }),
      { numRuns: 3000 },
    )
  })
  t.end()
})

t.test('what matching sees and what the upstream gets mean the same, segment by segment', (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(target, (text) => {
        const guarded = guardTarget(text)
        if (guarded === undefined) return
        const { rawPath, rawQuery, path } = guarded
        if (rawPath + rawQuery !== text) throw new Error(`${text} was cut wrongly`)
        const meant = rawPath.split('/').map(decodeURIComponent)
        const seen = path.split('/').map(decodeURIComponent)
        if (meant.join('\0') !== seen.join('\0')) throw new Error(`${text} is matched as ${path}`)
        if (guardTarget(path)?.path !== path) throw new Error(`${path} is not a fixed point`)
      }),
      { numRuns: 3000 },
    )
  })
  t.end()
})

t.test('what passes holds no dot segment, however often a lenient service decodes', (t) => {
  function decodeLeniently(text: string): string {
    return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(parseInt(hex, 16)),
    )
  }
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(target, (text) => {
        let path = guardTarget(text)?.rawPath ?? '/'
        for (let level = 0; level < 8; level++) {
          const names = path.split(/[/\\]/).map((segment) => segment.replace(/;.*/s, ''))
          if (names.includes('.') || names.includes('..'))
            throw new Error(`${text} is ${path} at ${level}`)
          path = decodeLeniently(path)
        }
      }),
      { numRuns: 3000 },
    )
  })
  t.end()
})

t.test('a path without oddities holds none of them after one decoding', (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(target, (text) => {
        const guarded = guardTarget(text)
        if (guarded?.oddities !== 0) return
        const decoded = decodeURIComponent(guarded.rawPath)
        if (/%2f|%5c/i.test(guarded.rawPath)) throw new Error(`${text}: encoded slash`)
        if (/\/\/|;|%[0-9a-f]{2}|\\/i.test(decoded))
          throw new Error(`${text} decodes to ${decoded}`)
      }),
      { numRuns: 3000 },
    )
  })
  t.end()
})
