/** Challenges in headers: several in a line, several lines, and what only looks like one. */
import t from 'tap'
import { isNtlmChallenge, readOffer, type Offer } from '../../src/ntlm/offer.ts'
import { Dice, everything } from './vectors.ts'

const TOKEN = everything.type2.toString('base64')
const NAME = 'www-authenticate'
const ZEROS = { NTLM: Buffer.alloc(3) }

function linesOf(...values: readonly string[]): Buffer[] {
  return values.flatMap((value) => [Buffer.from('WWW-Authenticate'), Buffer.from(value, 'latin1')])
}

function read(...values: readonly string[]): Offer {
  return readOffer(linesOf(...values), NAME)
}

t.test('schemes and tokens are found, however they are laid out', (t) => {
  const { type2 } = everything
  const cases: readonly (readonly [claim: string, values: string[], offer: Offer])[] = [
    ['nothing', [], { schemes: [], tokens: {} }],
    ['a scheme alone', ['NTLM'], { schemes: ['ntlm'], tokens: {} }],
    ['a token', [`NTLM ${TOKEN}`], { schemes: ['ntlm'], tokens: { NTLM: type2 } }],
    ['a bare message', [`Negotiate ${TOKEN}`], both(['negotiate'], { Negotiate: type2 })],
    ['any case, more space', [`  ntLM \t ${TOKEN}  `], both(['ntlm'], { NTLM: type2 })],
    ['two lines', ['Negotiate', `NTLM ${TOKEN}`], both(['negotiate', 'ntlm'], { NTLM: type2 })],
    [
      'one line',
      [`Basic realm="a, NTLM \\", b", NTLM ${TOKEN}, Negotiate`],
      both(['basic', 'ntlm', 'negotiate'], { NTLM: type2 }),
    ],
    [
      'empty elements',
      [`, ,NTLM ${TOKEN},,Digest realm="x" , qop = "auth",, algorithm  =MD5, nonce=abc`],
      both(['ntlm', 'digest'], { NTLM: type2 }),
    ],
    [
      'both with a token',
      [`NTLM ${TOKEN}, Negotiate AAAA`],
      both(['ntlm', 'negotiate'], { NTLM: type2, Negotiate: Buffer.alloc(3) }),
    ],
    ['the first of two tokens', ['NTLM AAAA', `NTLM ${TOKEN}`], both(['ntlm'], ZEROS)],
    ['a parameter', ['NTLM realm="x"'], both(['ntlm'], {})],
    ['a quote that never ends', [`Basic realm="x, NTLM ${TOKEN}`], both([], {})],
    ['a name within a name', [`NTLMX ${TOKEN}`, `X-NTLM ${TOKEN}`], both(['ntlmx', 'x-ntlm'], {})],
    ['no scheme', ['"NTLM"', '=NTLM', 'NT\u00fcLM'], both([], {})],
  ]
  for (const [claim, values, offer] of cases) t.strictSame(read(...values), offer, claim)
  t.end()
})

function both(schemes: readonly string[], tokens: Offer['tokens']): Offer {
  return { schemes, tokens }
}

t.test('a token that is not exactly base64 is none', (t) => {
  const tokens: readonly (readonly [claim: string, token: string])[] = [
    ['no padding', 'AAA'],
    ['too much padding', 'AAAA===='],
    ['padding within', 'AA==AAAA'],
    ['bits behind the end', 'AAB='],
    ['base64url', '-___'],
    ['another letter', 'AA~A'],
    ['a space within', 'AAAA AAAA'],
    ['a quoted token', '"AAAA"'],
    ['more than 8 KiB', Buffer.alloc(8193 + 3).toString('base64')],
  ]
  for (const [claim, token] of tokens) t.strictSame(read(`NTLM ${token}`).tokens, {}, claim)
  const most = Buffer.alloc(8192, 1)
  t.strictSame(read(`NTLM ${most.toString('base64')}`).tokens, { NTLM: most }, '8 KiB')
  t.end()
})

t.test('only the header that was asked for is read', (t) => {
  const raw = [
    ...['Proxy-Authenticate', `NTLM ${TOKEN}`],
    ...['WWW-Authenticate', 'Negotiate'],
    ...['www-authenticatf', 'Basic'],
  ].map((text) => Buffer.from(text))
  t.strictSame(readOffer(raw, NAME).schemes, ['negotiate'])
  t.strictSame(readOffer(raw, 'proxy-authenticate').schemes, ['ntlm'])
  t.strictSame(readOffer(raw.slice(0, 3), NAME).schemes, [], 'a name without a value')
  t.end()
})

t.test('few schemes are named, and only short ones', (t) => {
  const many = Array.from({ length: 100 }, (_, at) => `s${at}`).join(', ')
  t.equal(read(many).schemes.length, 16)
  t.strictSame(read('x'.repeat(65), 'y'.repeat(64)).schemes, ['y'.repeat(64)])
  t.end()
})

t.test('a header is NTLM’s where any of its challenges is', (t) => {
  const isTold = (name: string, value: string) =>
    isNtlmChallenge(Buffer.from(name), Buffer.from(value, 'latin1'), NAME)
  for (const value of ['NTLM', `ntlm ${TOKEN}`, 'Negotiate oQ==', `Basic realm="x", NTLM AAAA`]) {
    t.ok(isTold('WWW-Authenticate', value), value)
  }
  for (const value of ['Basic realm="NTLM"', 'NTLMX', 'Basic realm="a, NTLM b"', '']) {
    t.notOk(isTold('www-authenticate', value), value)
  }
  t.notOk(isTold('Proxy-Authenticate', 'NTLM'))
  t.notOk(isNtlmChallenge(undefined, Buffer.from('NTLM'), NAME))
  t.notOk(isNtlmChallenge(Buffer.from('WWW-Authenticate'), undefined, NAME))
  t.end()
})

// A pattern for quoted strings took 22 s for the first: every quote was tried as a beginning.
t.test('a value full of quotes takes no time', (t) => {
  const hostile = [
    `"${'\\"'.repeat(100_000)}`,
    `x${' '.repeat(100_000)}=`,
    ','.repeat(200_000),
    'x'.repeat(200_000),
    '"'.repeat(200_001),
  ]
  const startedAt = performance.now()
  for (const value of hostile) t.strictSame(read(value).tokens, {})
  t.ok(performance.now() - startedAt < 1000)
  t.end()
})

t.test('of any header, a token is what stands behind its scheme', (t) => {
  const dice = new Dice(9110)
  const pieces = 'NTLM |negotiate|Basic realm=| | |,|,|, |\t|"|\\|=|AAAA'.split('|')
  let tokens = 0
  for (let count = 0; count < 20_000; count++) {
    const value = Array.from(
      { length: 1 + dice.roll(12) },
      () => pieces[dice.roll(pieces.length)],
    ).join('')
    for (const [scheme, token] of Object.entries(read(value).tokens)) {
      tokens += 1
      const unquoted = value.replaceAll(/"(?:\\.|[^"\\])*(?:"|\\?$)/g, '""')
      const wanted = new RegExp(`^${scheme}[ \\t]+([^ \\t]+)$`, 'i')
      const found = unquoted.split(',').map((part) => wanted.exec(part.trim())?.[1])
      if (!found.includes(token.toString('base64'))) t.fail(`${scheme} of ${value}`)
    }
  }
  t.ok(tokens > 100, `${tokens} tokens`)
  t.end()
})
