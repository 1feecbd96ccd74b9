import fc from 'fast-check'
import t from 'tap'
import { findAuthority, findHost, formatAuthority } from '../../src/egress/authority.ts'

function read(text: string): string | undefined {
  const found = findAuthority(text)
  if (found === undefined) return undefined
  return `${found.host} ${found.port ?? '-'} ${found.family}`
}

t.test('a host has one spelling, whatever it was written as', (t) => {
  const expectations: [text: string, read: string][] = [
    ['api.example.com', 'api.example.com - 0'],
    ['API.Example.COM.:8443', 'api.example.com 8443 0'],
    ['under_score.internal', 'under_score.internal - 0'],
    ['localhost:0443', 'localhost 443 0'],
    ['127.0.0.1', '127.0.0.1 - 4'],
    ['127.0.0.1.', '127.0.0.1 - 4'],
    ['2130706433', '127.0.0.1 - 4'],
    ['0177.0.0.1:80', '127.0.0.1 80 4'],
    ['0x7f.1', '127.0.0.1 - 4'],
    ['0X7F000001', '127.0.0.1 - 4'],
    ['127.1', '127.0.0.1 - 4'],
    ['127.0.1', '127.0.0.1 - 4'],
    ['0', '0.0.0.0 - 4'],
    ['0xa9fea9fe', '169.254.169.254 - 4'],
    ['[::1]:3128', '::1 3128 6'],
    ['[0:0:0:0:0:0:0:1]', '::1 - 6'],
    ['[::FFFF:127.0.0.1]', '127.0.0.1 - 4'],
    ['[::ffff:7f00:1]', '127.0.0.1 - 4'],
    ['[0:0:0:0:0:ffff:a9fe:a9fe]', '169.254.169.254 - 4'],
    ['[2001:DB8::00ff]:443', '2001:db8::ff 443 6'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example - 0'],
  ]
  for (const [text, expected] of expectations) t.equal(read(text), expected, text)
  t.end()
})

t.test('what two programs could read differently is no authority', (t) => {
  const hostile = [
    ...['', ':', ':80', '.', '..', 'a..b', 'host..', '.host', 'host:', 'host:0', 'host:65536'],
    ...['host:80:80', 'host:+80', 'host: 80', 'host:8a', 'host:000080', ' host', 'host ', 'ho st'],
    ...['user@host', 'user:pw@host', '@host', 'host%2e', '%6c', 'host%00', 'host\t', 'host\0'],
    ...['bücher.example', 'b\xfccher', 'host\u3002com', '\u212aelvin.example', '\uff11.1.1.1'],
    ...[
      '::1',
      'fe80::1',
      '[fe80::1%25eth0]',
      '[fe80::1%eth0]',
      '[::1',
      '::1]',
      '[]',
      '[127.0.0.1]',
    ],
    ...['[::1]80', '[::1]:', '[::1]:0', '[::1].', '[[::1]]', '[::g]', '[v1.x]'],
    ...[
      '256.0.0.1',
      '1.2.3.4.5',
      '1.2.3.4.0',
      '08.0.0.1',
      '0x',
      '0x.1',
      '1.2.3.0x',
      '4294967296',
      '1.2.65536.1',
    ],
    ...[
      '127.0.0.09',
      'host.1',
      'a.0x1',
      '1e3.1',
      '-1',
      '-a.b',
      'a-.b',
      'a/b',
      'a\\b',
      'a#b',
      'a?b',
    ],
    ...['a,b', 'a;b', "a'b", 'a(b)', 'a*b', '*.b', '*', `${'a'.repeat(64)}.b`, 'a.'.repeat(130)],
  ]
  for (const text of hostile) t.equal(read(text), undefined, JSON.stringify(text))
  t.end()
})

t.test('an answer that is remembered is the answer of the first time', (t) => {
  t.equal(findAuthority('once.example:1'), findAuthority('once.example:1'))
  t.equal(read('user@host'), undefined)
  t.equal(read('user@host'), undefined)
  t.end()
})

/** Every way to write an IPv4 address that a resolver reads: one to four parts, three bases. */
function spellings(value: number): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.constantFrom(8, 10, 16), { minLength: 4, maxLength: 4 }),
    )
    .map(([count, bases]) => {
      const parts: number[] = []
      for (let at = 0; at < count - 1; at++) parts.push((value >>> (24 - 8 * at)) & 0xff)
      parts.push(value % 256 ** (5 - count))
      return parts
        .map((part, at) => {
          if (bases[at] === 8) return `0${part.toString(8)}`
          return bases[at] === 16 ? `0x${part.toString(16)}` : String(part)
        })
        .join('.')
    })
}

t.test('two spellings of one address are the same address', (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 0, max: 0xffff_ffff })
          .chain((value) => fc.tuple(fc.constant(value), spellings(value), spellings(value))),
        ([value, one, other]) => {
          const plain = [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
          const hosts = [one, other, `${one}.`, plain, `[::ffff:${plain}]`].map(
            (text) => findAuthority(text)?.host,
          )
          return hosts.every((host) => host === plain)
        },
      ),
      { numRuns: 1000 },
    )
  })
  t.end()
})

t.test('what is canonical stays as it is, and what is formatted is read back', (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().map((text) => `[${text}]`),
          fc.domain(),
        ),
        fc.integer({ min: 1, max: 65_535 }),
        fc.constantFrom('http' as const, 'https' as const),
        (text, port, scheme) => {
          const found = findHost(text)
          if (found === undefined) return true
          const formatted = formatAuthority(found.host, port, scheme)
          const again = findAuthority(formatted)
          const assumed = scheme === 'https' ? 443 : 80
          return again?.host === found.host && (again.port ?? assumed) === port
        },
      ),
      { numRuns: 1000 },
    )
  })
  t.equal(formatAuthority('::1', 443, 'https'), '[::1]')
  t.equal(formatAuthority('::1', 80, 'https'), '[::1]:80')
  t.equal(formatAuthority('a.example', 80, 'http'), 'a.example')
  t.end()
})
