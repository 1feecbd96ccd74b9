import t from 'tap'
import fc from 'fast-check'
import { isBasic, parseBasic } from '../../src/http/authorization.ts'

function encode(text: string | Buffer): string {
  return Buffer.from(text).toString('base64')
}

function read(value: string): string | undefined {
  const found = parseBasic(value)
  return found && `${found.username}|${found.password.toString()}`
}

const taken: readonly (readonly [string, string, string])[] = [
  ['the example of RFC 7617', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', 'Aladdin|open sesame'],
  ['its example in UTF-8', 'Basic dGVzdDoxMjPCow==', 'test|123£'],
  ['a scheme in any case', `bAsIC ${encode('u:p')}`, 'u|p'],
  ['several spaces', `Basic    ${encode('u:p')}`, 'u|p'],
  ['colons in the password', `Basic ${encode('u:p:q::')}`, 'u|p:q::'],
  ['an empty password', `Basic ${encode('u:')}`, 'u|'],
  ['an empty username', `Basic ${encode(':p')}`, '|p'],
  ['spaces that count', `Basic ${encode(' u : p ')}`, ' u | p '],
  ['a byte order mark that counts', `Basic ${encode('\ufeffu:p')}`, '\ufeffu|p'],
  ['astral characters', `Basic ${encode('ü:😀')}`, 'ü|😀'],
]

const refused: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['the scheme alone', 'Basic'],
  ['no credentials', 'Basic '],
  ['another scheme', `Bearer ${encode('u:p')}`],
  ['a longer scheme', `Basics ${encode('u:p')}`],
  ['no space', `Basic${encode('u:p')}`],
  ['a tab', `Basic\t${encode('u:p')}`],
  ['a space before the scheme', ` Basic ${encode('u:p')}`],
  ['a space behind', `Basic ${encode('u:p')} `],
  ['a space within', 'Basic dTpw dTpw'],
  ['a second value', `Basic ${encode('u:p')}, Basic ${encode('u:p')}`],
  ['parameters', 'Basic username="u", password="p"'],
  ['missing padding', 'Basic dTpwcA'],
  ['surplus padding', 'Basic dTpw===='],
  ['bits behind the end', 'Basic dTpwcB=='],
  ['base64url', `Basic ${encode('u:???>>>').replaceAll('/', '_').replaceAll('+', '-')}`],
  ['bytes that are no base64', 'Basic dT\xffpw'],
  ['no colon', `Basic ${encode('up')}`],
  ['a NUL behind the password', `Basic ${encode('u:p\0')}`],
  ['a line break in the username', `Basic ${encode('u\r\nX: y:p')}`],
  ['DEL', `Basic ${encode('u:p\x7f')}`],
  ['Latin-1', `Basic ${encode(Buffer.from('ü:p', 'latin1'))}`],
  ['an overlong sequence', `Basic ${encode(Buffer.from([0x75, 0x3a, 0xc0, 0xaf]))}`],
  ['a surrogate', `Basic ${encode(Buffer.from([0x75, 0x3a, 0xed, 0xa0, 0x80]))}`],
  ['very much', `Basic ${encode(`u:${'p'.repeat(10_000)}`)}`],
]

t.test('Basic credentials are read', (t) => {
  for (const [name, value, wanted] of taken) t.equal(read(value), wanted, name)
  t.end()
})

t.test('everything else is malformed', (t) => {
  for (const [name, value] of refused) t.equal(read(value), undefined, name)
  t.end()
})

t.test('a value names Basic even when it is malformed', (t) => {
  for (const value of ['Basic', 'basic ', 'BASIC x y']) t.equal(isBasic(value), true, value)
  for (const value of ['', 'Basi', 'Basicx', 'Basic\tx', 'Bearer x', 'B\x01sic x']) {
    t.equal(isBasic(value), false, value)
  }
  t.end()
})

// eslint-disable-next-line no-control-regex -- these are what Basic cannot carry
const controls = /[\0-\x1f\x7f]/

t.test('what is well-formed comes back as it was, and has one spelling', (t) => {
  const text = fc.string({ unit: 'grapheme' }).filter((text) => !controls.test(text))
  fc.assert(
    fc.property(
      text.filter((text) => !text.includes(':')),
      text,
      (username, password) => {
        const found = parseBasic(`Basic ${encode(`${username}:${password}`)}`)
        return found?.username === username && found.password.toString() === password
      },
    ),
  )
  t.end()
})

t.test('no value makes it throw, and what it takes is canonical', (t) => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'binary' }).map((text) => `Basic ${text}`),
    fc.base64String().map((text) => `basic ${text}`),
    fc.uint8Array().map((bytes) => `Basic ${encode(Buffer.from(bytes))}`),
  )
  fc.assert(
    fc.property(value, (value) => {
      const found = parseBasic(value)
      if (found === undefined) return true
      const again = encode(`${found.username}:${found.password.toString()}`)
      return value.toLowerCase().startsWith('basic ') && value.slice(6).trimStart() === again
    }),
    { numRuns: 1000 },
  )
  t.end()
})
