import t from 'tap'
import fc from 'fast-check'
import {
  createBcryptHash,
  createScryptHash,
  parsePasswordHash,
  sha256Hex,
  verifyPassword,
} from '../../src/credentials/hash.ts'

const SALT = 'MDEyMzQ1Njc4OWFiY2RlZg' // 0123456789abcdef
const H32 = '0LupyHkzAIgDr9UDsriAAf87vMbCbcaUfDvFOAHk0D0'

// Made by programs that nobody here wrote: hashlib of Python, htpasswd of Apache, crypt of the C library.
const foreign: readonly (readonly [string, string, string])[] = [
  ['scrypt of Python', `$scrypt$ln=14,r=8,p=1$${SALT}$${H32}`, 'correct horse'],
  [
    'scrypt of Python, other parameters, not ASCII',
    `$scrypt$ln=10,r=4,p=3$${SALT}$wF8pfNhVa6MFtzEeifqkFpijJtAM2Lpu1ySDtwgQcC2dU6KgivEqULzphF8zwSxtrEoqup+LwxVGFACQsv9jAw`,
    'pässwörd😀',
  ],
  [
    'bcrypt of htpasswd, not ASCII',
    '$2y$05$w60tocJNgxAAjEjU.cXegecVkGd4aa3hkJ3wQKFalq.89wgTsxekO',
    'pässwörd😀',
  ],
  [
    'bcrypt of the C library, 72 bytes',
    '$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i',
    'x'.repeat(72),
  ],
]

t.test('hashes of other programs are verified', async (t) => {
  for (const [name, text, password] of foreign) {
    const hash = parsePasswordHash(text)
    t.equal(await verifyPassword(hash, password), true, name)
    t.equal(await verifyPassword(hash, Buffer.from(password)), true, `${name}, as bytes`)
    t.equal(await verifyPassword(hash, password.slice(0, -1)), false, `${name}, cut`)
    t.equal(await verifyPassword(hash, ''), false, `${name}, empty`)
  }
})

t.test(
  'HMAC pads keys with zeros: a password with NULs behind it is another password',
  async (t) => {
    for (const [name, text, password] of foreign) {
      const hash = parsePasswordHash(text)
      t.equal(await verifyPassword(hash, `${password}\0`), false, name)
      t.equal(await verifyPassword(hash, Buffer.from(`${password}\0\0`)), false, name)
    }
    const doubled = parsePasswordHash(await createBcryptHash('a', { cost: 4 }))
    t.equal(await verifyPassword(doubled, 'a'), true)
    t.equal(await verifyPassword(doubled, 'a\0a'), false, 'bcrypt repeats the password')
  },
)

t.test('bcrypt refuses what it would cut', async (t) => {
  const hash = parsePasswordHash('$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i')
  t.equal(await verifyPassword(hash, 'x'.repeat(73)), false)
  t.equal(await verifyPassword(hash, Buffer.from([0xff])), false, 'not UTF-8')
  await t.rejects(createBcryptHash('ä'.repeat(37), { cost: 4 }), /at most 72 bytes/)
})

t.test('an empty password matches nothing, not even its own hash', async (t) => {
  const hash = parsePasswordHash(
    `$scrypt$ln=4,r=8,p=1$${SALT}$t4FqZzd3SuhuKQYPVBHCgjr77hXEgFoaoXgB4UvvQIQ`,
  )
  t.equal(await verifyPassword(hash, ''), false)
})

t.test('unused bits that some programs set do not matter', async (t) => {
  const hash = parsePasswordHash('$2b$04$abcdefghijklmnopqrstuvbzadhGtS2zEF.gu0yd0opP6cVzb.e0j')
  t.equal(await verifyPassword(hash, 'x'.repeat(72)), true)
})

t.test('what is made can be parsed and verified', async (t) => {
  const scrypt = await createScryptHash('sécret', { logN: 4 })
  t.match(scrypt, /^\$scrypt\$ln=4,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.equal(await verifyPassword(parsePasswordHash(scrypt), 'sécret'), true)
  t.equal(await verifyPassword(parsePasswordHash(scrypt), 'secret'), false)
  t.not(await createScryptHash('sécret', { logN: 4 }), scrypt, 'a salt of its own')

  const known = await createScryptHash(
    'correct horse',
    { logN: 14 },
    Buffer.from('0123456789abcdef'),
  )
  t.equal(known, `$scrypt$ln=14,r=8,p=1$${SALT}$${H32}`)
  t.match(await createScryptHash('x'), /^\$scrypt\$ln=15,r=8,p=1\$/, 'ln=15 unless told otherwise')

  const bcrypt = await createBcryptHash('sécret', { cost: 4 })
  t.match(bcrypt, /^\$2b\$04\$.{53}$/)
  t.equal(await verifyPassword(parsePasswordHash(bcrypt), 'sécret'), true)
})

t.test('nothing is hashed that could never be presented', async (t) => {
  for (const password of ['', 'a\0', 'a\n', 'a\x7f', Buffer.from([0xc3])]) {
    await t.rejects(createScryptHash(password, { logN: 4 }), /hash a password/)
    await t.rejects(createBcryptHash(password, { cost: 4 }))
  }
  await t.rejects(createScryptHash('x', { logN: 18 }), /128 MiB/)
  await t.rejects(createBcryptHash('x', { cost: 15 }), /cost of 4 to 14/)
})

const B53 = 'abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i'
const refused: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['plain text', 'hunter2hunter2'],
  ['another scheme', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA'],
  ['padded base64', `$scrypt$ln=15,r=8,p=1$${SALT}==$${H32}`],
  ['base64url', `$scrypt$ln=15,r=8,p=1$${SALT}$${H32.replace('0', '-')}`],
  ['bits behind the salt', `$scrypt$ln=15,r=8,p=1$${SALT.slice(0, -1)}h$${H32}`],
  ['an impossible length', `$scrypt$ln=15,r=8,p=1$${SALT}AAA$${H32}`],
  ['a short salt', `$scrypt$ln=15,r=8,p=1$c2FsdA$${H32}`],
  ['a short hash', `$scrypt$ln=15,r=8,p=1$${SALT}$c2FsdA`],
  ['a long hash', `$scrypt$ln=15,r=8,p=1$${SALT}$${'A'.repeat(88)}`],
  ['parameters in another order', `$scrypt$r=8,ln=15,p=1$${SALT}$${H32}`],
  ['a leading zero', `$scrypt$ln=015,r=8,p=1$${SALT}$${H32}`],
  ['p=0', `$scrypt$ln=15,r=8,p=0$${SALT}$${H32}`],
  ['256 MiB', `$scrypt$ln=18,r=8,p=1$${SALT}$${H32}`],
  ['N out of all bounds', `$scrypt$ln=99,r=8,p=1$${SALT}$${H32}`],
  ['N too large for r', `$scrypt$ln=16,r=1,p=1$${SALT}$${H32}`],
  ['p=17', `$scrypt$ln=4,r=8,p=17$${SALT}$${H32}`],
  ['too much work', `$scrypt$ln=17,r=8,p=5$${SALT}$${H32}`],
  ['a line break behind it', `$scrypt$ln=15,r=8,p=1$${SALT}$${H32}\n`],
  ['very much text', `$scrypt$ln=15,r=8,p=1$${SALT}$${'A'.repeat(100_000)}`],
  ['bcrypt of cost 3', `$2b$03$${B53}`],
  ['bcrypt of cost 15', `$2b$15$${B53}`],
  ['bcrypt of the broken kind', `$2x$10$${B53}`],
  ['bcrypt without a minor version', `$2$10$${B53}`],
  ['bcrypt of 59 characters', `$2b$10$${B53.slice(1)}`],
  ['bcrypt of 61 characters', `$2b$10$${B53}a`],
  ['bcrypt of another alphabet', `$2b$10$${B53.slice(1)}+`],
]

t.test('what is no hash, or costs too much, is refused without being repeated', (t) => {
  for (const [name, text] of refused) {
    try {
      parsePasswordHash(text)
      t.fail(`${name} was taken`)
    } catch (error) {
      const message = error instanceof Error ? error.message : ''
      t.match(message, /wanted/, name)
      const secretPart = text.slice(-12)
      if (secretPart !== '') t.notOk(message.includes(secretPart), `${name} is not repeated`)
    }
  }
  t.end()
})

t.test('the largest that is allowed is taken', (t) => {
  t.match(parsePasswordHash(`$scrypt$ln=17,r=8,p=4$${SALT}$${H32}`), { logN: 17, r: 8, p: 4 })
  t.match(parsePasswordHash(`$2a$14$${B53}`), { kind: 'bcrypt', cost: 14 })
  t.end()
})

t.test('no text makes the parser throw anything but its own errors', (t) => {
  const part = fc.constantFrom(
    '$scrypt$',
    'ln=15',
    ',r=8,',
    'p=1$',
    SALT,
    H32,
    '$',
    '$2b$',
    '10',
    B53,
  )
  const texts = fc.oneof(
    fc.string(),
    fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parsePasswordHash(text)
        return true
      } catch (error) {
        return error instanceof Error && error.message.startsWith('parse a ')
      }
    }),
  )
  t.end()
})

t.test('sha256Hex is what sha256sum prints', (t) => {
  t.equal(sha256Hex('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  t.equal(sha256Hex(Buffer.from('abc')), sha256Hex('abc'))
  t.end()
})
