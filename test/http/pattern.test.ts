import fc from 'fast-check'
import t from 'tap'
import {
  DOUBLE_ENCODING,
  EMPTY_SEGMENT,
  ENCODED_SLASH,
  PATH_PARAMETER,
  guardTarget,
} from '../../src/http/path.ts'
import {
  contains,
  decodeReserved,
  foldCase,
  matches,
  overlaps,
  parsePattern,
} from '../../src/http/pattern.ts'

const insensitive = { caseInsensitive: true }
const sensitive = { caseInsensitive: false }

t.test('a pattern is literals, names and a last star', (t) => {
  const table: [path: string, segments: (string | undefined)[], hasRest: boolean][] = [
    ['/', [''], false],
    ['/*', [], true],
    ['/a', ['a'], false],
    ['/a/', ['a', ''], false],
    ['/a/*', ['a'], true],
    ['/a/{id}', ['a', undefined], false],
    ['/{a}/{b-c_1}/*', [undefined, undefined], true],
    ['/%61%2Eb', ['a.b'], false],
    ['/jobs:run', ['jobs:run'], false],
    ['/jobs%3arun', ['jobs:run'], false],
    ['/%2A/%7bx%7D', ['*', '{x}'], false],
    ['/my file', ['my file'], false],
    ['/caf\u00e9', ['caf%C3%A9'], false],
    ['/caf%c3%a9', ['caf%C3%A9'], false],
    ['/100%25', ['100%25'], false],
  ]
  for (const [path, segments, hasRest] of table) {
    const pattern = parsePattern(path)
    t.same([pattern.segments, pattern.hasRest], [segments, hasRest], path)
  }
  t.end()
})

t.test('a pattern that could never match says what was wanted', (t) => {
  const table: [path: string, wanted: string][] = [
    ['', 'starts with /'],
    ['a', 'starts with /'],
    ['*', 'starts with /'],
    ['/a?b', 'without query'],
    ['/a#b', 'without query'],
    ['/a\\b', 'without backslash'],
    ['/a\nb', 'control character'],
    ['/%zz', 'malformed percent-encoding'],
    ['/%ff', 'malformed percent-encoding'],
    ['/../a', 'dot segment'],
    ['/a/%2e', 'dot segment'],
    ['/*/a', '* only as the whole last segment'],
    ['/a*', '* only as the whole last segment'],
    ['/**', '* only as the whole last segment'],
    ['/a/*/', '* only as the whole last segment'],
    ['/{}', 'a name of A-Za-z0-9_-'],
    ['/{a b}', 'a name of A-Za-z0-9_-'],
    ['/x{a}', '{name} only as a whole segment'],
    ['/{a}x', '{name} only as a whole segment'],
    ['/{a', '{name} only as a whole segment'],
    ['/\ud800', 'valid Unicode'],
    ['//', 'empty_segments: true'],
    ['/a//b', 'empty_segments: true'],
    ['/a;b', 'path_parameters: true'],
    ['/a%2fb', 'encoded_slashes: true'],
    ['/a%5Cb', 'encoded_slashes: true'],
    ['/%2541', 'double_encoding: true'],
  ]
  for (const [path, wanted] of table) {
    t.throws(() => parsePattern(path), { message: new RegExp(`wanted.*${escaped(wanted)}`) }, path)
  }
  t.throws(() => parsePattern('/a//b'), {
    message:
      'cannot read path "/a//b": an empty segment is never let through, ' +
      'wanted a path without it or empty_segments: true',
  })
  t.end()
})

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

t.test('an oddity may stand in the pattern of a rule that allows it', (t) => {
  t.same(parsePattern('/a//b', EMPTY_SEGMENT).segments, ['a', '', 'b'])
  t.same(parsePattern('/a;b', PATH_PARAMETER).segments, ['a;b'])
  t.same(parsePattern('/a%2fb', ENCODED_SLASH).segments, ['a%2Fb'])
  t.same(parsePattern('/%2541', DOUBLE_ENCODING).segments, ['%2541'])
  t.throws(() => parsePattern('/a//b;', EMPTY_SEGMENT))
  t.throws(() => parsePattern('/a/../b', 15))
  t.end()
})

t.test('a path matches or does not', (t) => {
  const table: [pattern: string, path: string, expected: boolean][] = [
    ['/api/*', '/api', true],
    ['/api/*', '/api/', true],
    ['/api/*', '/api/a/b', true],
    ['/api/*', '/apix', false],
    ['/api/*', '/', false],
    ['/api/*', '/API/a', false],
    ['/*', '/', true],
    ['/*', '/a/b', true],
    ['/', '/', true],
    ['/', '/a', false],
    ['/healthz', '/healthz', true],
    ['/healthz', '/healthz/', false],
    ['/healthz/', '/healthz', false],
    ['/a/{x}', '/a/b', true],
    ['/a/{x}', '/a/', false],
    ['/a/{x}', '/a', false],
    ['/a/{x}', '/a/b/', false],
    ['/a/{x}/*', '/a/b', true],
    ['/a/{x}/*', '/a//b', false],
    ['/{x}', '/', false],
    ['/v1/jobs:cancel', '/v1/jobs%3Acancel', true],
    ['/v1/jobs%3acancel', '/v1/jobs:cancel', true],
    ['/my file', '/my%20file', true],
    ['/a', '/a%2Fb', false],
    ['/a/b', '/a%2Fb', false],
  ]
  for (const [pattern, path, expected] of table) {
    t.equal(matches(parsePattern(pattern), path), expected, `${pattern} ${path}`)
  }
  t.ok(matches(parsePattern('/Caf\u00e9/X'), '/cAF%C3%89/x', insensitive))
  t.notOk(matches(parsePattern('/Caf\u00e9/X'), '/cAF%C3%89/x', sensitive))
  t.end()
})

t.test('case folds as Windows folds it: nothing that is not ASCII becomes ASCII', (t) => {
  t.equal(foldCase('/A%2F%C3%A9'), foldCase('/a%2f%C3%89'))
  t.not(foldCase('/%E2%84%AA'), foldCase('/K'), 'the Kelvin sign is no k')
  t.not(foldCase('/%C5%BF'), foldCase('/s'), 'the long s is no s')
  t.not(foldCase('/%C4%B1'), foldCase('/i'), 'the dotless i is no i')
  t.not(foldCase('/%C3%9F'), foldCase('/ss'))
  t.not(foldCase('/%CE%90'), foldCase('/%CE%B9%CC%88%CC%81'), 'one character is not three')
  t.end()
})

t.test('only escapes of printable characters without another meaning are decoded', (t) => {
  t.equal(decodeReserved('/%20%21%3A%40%7B%22'), '/ !:@{"')
  const kept = '/%25%2F%5C%3B%3F%23%C3%A9%2541'
  t.equal(decodeReserved(kept), kept)
  t.equal(decodeReserved('/plain'), '/plain')
  t.end()
})

t.test('two patterns overlap where nothing says which of them is more specific', (t) => {
  const table: [a: string, b: string, expected: boolean][] = [
    ['/a', '/a', true],
    ['/a', '/%61', true],
    ['/a:b', '/a%3Ab', true],
    ['/{x}', '/{y}', true],
    ['/a/{x}/*', '/a/{y}/*', true],
    ['/*', '/*', true],
    ['/a', '/b', false],
    ['/a', '/a/', false],
    ['/a', '/a/*', false],
    ['/a', '/{x}', false],
    ['/a/{x}', '/{x}/a', false],
    ['/a', '/A', false],
  ]
  for (const [a, b, expected] of table) {
    t.equal(overlaps(parsePattern(a), parsePattern(b), sensitive), expected, `${a} ${b}`)
    t.equal(overlaps(parsePattern(b), parsePattern(a), sensitive), expected, `${b} ${a}`)
  }
  t.ok(overlaps(parsePattern('/a/{x}'), parsePattern('/A/{x}'), insensitive))
  t.notOk(overlaps(parsePattern('/a/{x}'), parsePattern('/b/{x}'), insensitive))
  t.end()
})

t.test('a pattern contains another where it matches all that the other does', (t) => {
  const table: [a: string, b: string, expected: boolean][] = [
    ['/*', '/', true],
    ['/*', '/a/{x}/*', true],
    ['/a/*', '/a', true],
    ['/a/*', '/a/', true],
    ['/a/*', '/a/*', true],
    ['/a/*', '/{x}', false],
    ['/a/*', '/*', false],
    ['/{x}', '/a', true],
    ['/{x}', '/', false],
    ['/{x}', '/a/*', false],
    ['/a/{x}', '/a/*', false],
    ['/a', '/a/*', false],
    ['/a', '/{x}', false],
    ['/a', '/A', false],
  ]
  for (const [a, b, expected] of table) {
    t.equal(contains(parsePattern(a), parsePattern(b)), expected, `${a} ${b}`)
  }
  t.ok(contains(parsePattern('/a/*'), parsePattern('/A/b'), insensitive))
  t.end()
})

const segment = fc.constantFrom('a', 'b', '{x}', 'c:d', 'B')
const patternText = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom('', '/', '/*'))
  .map(([segments, end]) => segments.map((part) => `/${part}`).join('') + end || '/')
const pathText = fc
  .array(fc.constantFrom('a', 'b', 'c:d', 'c%3Ad', 'B', 'z'), { maxLength: 4 })
  .chain((parts) => fc.constantFrom(`/${parts.join('/')}`, `/${parts.join('/')}/`))
  .filter((path) => guardTarget(path)?.oddities === 0)

t.test('what a pattern contains it matches, and what both match of equal rank overlaps', (t) => {
  const rank = (text: string): string =>
    text.replace(/\/(?:\{x\}|\*|[^/]*)/g, (part) =>
      part === '/{x}' || part === '/*' ? part : '/l',
    )
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        patternText,
        patternText,
        pathText,
        fc.boolean(),
        (a, b, path, caseInsensitive) => {
          const options = { caseInsensitive }
          const [first, second] = [parsePattern(a), parsePattern(b)]
          const isBoth = matches(first, path, options) && matches(second, path, options)
          if (contains(first, second, options) && matches(second, path, options) && !isBoth) {
            throw new Error(`${a} contains ${b}, yet ${path}`)
          }
          if (isBoth && overlaps(first, second, options) !== (rank(a) === rank(b))) {
            throw new Error(`${a} and ${b} on ${path}`)
          }
        },
      ),
      { numRuns: 5000 },
    )
  })
  t.end()
})
