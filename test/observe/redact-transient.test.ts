/** Secrets that come and go while the process runs: tokens, told to the redactor one by one. */
import fc from 'fast-check'
import t from 'tap'
import { createRedactor } from '../../src/observe/redact.ts'

const token = (number: number): string => `tok-${String(number).padStart(6, '0')}-Zq8vN3`

t.test('a secret that is added is found from that moment on', async (t) => {
  const redactor = createRedactor()
  t.equal(redactor.redact(`a ${token(1)} b`), `a ${token(1)} b`)
  redactor.addSecret(token(1))
  t.equal(redactor.redact(`a ${token(1)} b`), 'a [redacted] b', 'without waiting for anything')
  t.equal(redactor.redact(`Bearer ${token(1).toUpperCase()}`), 'Bearer [redacted]')
  t.equal(redactor.redact(token(2)), token(2))
})

t.test('it is found in the spellings in which the others are', async (t) => {
  const redactor = createRedactor()
  const secret = 'tök"en s/w+rd\\?=='
  redactor.addSecret(secret)
  const spellings = {
    raw: secret,
    json: JSON.stringify({ message: `got ${secret}` }),
    url: encodeURIComponent(secret),
    form: new URLSearchParams({ x: secret }).toString(),
    base64: Buffer.from(secret).toString('base64'),
    base64url: Buffer.from(secret).toString('base64url'),
    headerBytes: Buffer.from(secret).toString('latin1'),
  }
  for (const [name, spelling] of Object.entries(spellings)) {
    const clean = redactor.redact(`x=${spelling}&`)
    t.match(clean, '[redacted]', name)
    t.notOk(clean.includes(spelling), name)
  }
})

t.test('those of the configuration are known beside it, and leave it alone', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(['hunter22'])
  redactor.addSecret(token(1))
  t.equal(redactor.redact(`hunter22 ${token(1)}`), '[redacted] [redacted]')
  await redactor.setSecrets(['other-secret'])
  t.equal(
    redactor.redact(`hunter22 ${token(1)}`),
    'hunter22 [redacted]',
    'a reload forgets no token',
  )
})

t.test('one that is added while secrets are being set is not lost', async (t) => {
  const redactor = createRedactor()
  const setting = redactor.setSecrets(Array.from({ length: 500 }, (_, i) => `some-secret-${i}`))
  redactor.addSecret(token(1))
  t.equal(redactor.redact(token(1)), '[redacted]')
  await setting
  t.equal(redactor.redact(`${token(1)} some-secret-7`), '[redacted] [redacted]')
})

t.test('the latest 256 are always remembered, and never more than 512', async (t) => {
  const redactor = createRedactor()
  for (let number = 1; number <= 2000; number++) {
    redactor.addSecret(token(number))
    // Around every turn of the two indexes, and far from one.
    if (![0, 1, 100, 255].includes(number % 256)) continue
    const isKnown = (one: number) => redactor.redact(token(one)) === '[redacted]'
    const latest = Array.from({ length: Math.min(number, 256) }, (_, back) => number - back)
    t.ok(latest.every(isKnown), `the latest after ${number}`)
    const older = Array.from({ length: Math.max(0, number - 512) }, (_, at) => at + 1)
    t.notOk(older.some(isKnown), `what is long gone costs nothing after ${number}`)
  }
})

t.test('what is too short to be found does not blot out everything', async (t) => {
  const redactor = createRedactor()
  for (const short of ['', 'a', 'abc']) redactor.addSecret(short)
  t.equal(redactor.redact('abcabc a'), 'abcabc a')
})

t.test('the userinfo of a URL goes too, with a token in it or beside it', async (t) => {
  const redactor = createRedactor()
  redactor.addSecret(token(1))
  t.equal(
    redactor.redact(`https://u:${token(1)}@h/?t=${token(1)} https://v:w@i`),
    'https://[redacted]@h/?t=[redacted] https://[redacted]@i',
  )
})

t.test('whatever the tokens and the text, none of the latest is left', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'B', 'c', '-', 'é', '"'), minLength: 4 })
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 1, maxLength: 20 }),
      fc.array(text),
      (tokens, parts) => {
        const redactor = createRedactor()
        for (const one of tokens) redactor.addSecret(one)
        const clean = redactor.redact([...parts, ...tokens].join(' ')).toLowerCase()
        return tokens.every((one) => !clean.includes(one.toLowerCase()))
      },
    ),
    { numRuns: 300 },
  )
})

t.test('one secret within another hides no part of it, whichever was known first', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(['inner-secret', 'outer inner-token outer'])
  redactor.addSecret('abc.inner-secret.def')
  redactor.addSecret('inner-token')
  t.equal(redactor.redact('a abc.inner-secret.def b'), 'a [redacted] b')
  t.equal(redactor.redact('a outer inner-token outer b'), 'a [redacted] b')
  for (let i = 0; i < 300; i++) redactor.addSecret(`another-${i}-xx`)
  redactor.addSecret('abc.inner-secret')
  t.equal(redactor.redact('a abc.inner-secret.def b'), 'a [redacted] b')
})
