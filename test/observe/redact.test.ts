import fc from 'fast-check'
import t from 'tap'
import { createRedactor, stripUserinfo } from '../../src/observe/redact.ts'

async function redactorOf(...secrets: string[]): Promise<(text: string) => string> {
  const redactor = createRedactor()
  await redactor.setSecrets(secrets)
  return (text) => redactor.redact(text)
}

t.test('a known secret is replaced wherever it stands', async (t) => {
  const redact = await redactorOf('hunter22', 'sk_live_1', 'sk_live_2')
  const cases: [string, string][] = [
    ['hunter22', '[redacted]'],
    ['hunter2', 'hunter2'],
    ['xhunter22x', 'x[redacted]x'],
    ['hunter22hunter22', '[redacted]'],
    ['a hunter22 b hunter22 c', 'a [redacted] b [redacted] c'],
    ['sk_live_1 sk_live_2 sk_live_3', '[redacted] [redacted] sk_live_3'],
    ['HUNTER22', '[redacted]'],
    ['hunhunter22', 'hun[redacted]'],
    ['', ''],
    ['abc', 'abc'],
  ]
  for (const [text, wanted] of cases) t.equal(redact(text), wanted, text)
})

t.test('secrets that overlap are cut out together', async (t) => {
  const redact = await redactorOf('abcdef', 'defghi', 'bcde', 'abcdefg')
  t.equal(redact('--abcdefghi--'), '--[redacted]--')
  t.equal(redact('--bcde--'), '--[redacted]--')
  t.equal(redact('--abcdefg--'), '--[redacted]--', 'one within another')
})

t.test('the spellings of a secret are found too', async (t) => {
  const secret = 'p"ä s/w+rd\\?'
  const redact = await redactorOf(secret, `crm:${secret}`)
  const latin1 = Buffer.from(secret).toString('latin1')
  const spellings = {
    raw: secret,
    json: JSON.stringify(secret),
    url: encodeURIComponent(secret),
    urlLower: encodeURIComponent(secret).replace(/%../g, (hex) => hex.toLowerCase()),
    form: new URLSearchParams({ x: secret }).toString(),
    base64: Buffer.from(secret).toString('base64'),
    base64url: Buffer.from(secret).toString('base64url'),
    headerBytes: latin1,
    latin1Basic: Buffer.from(secret, 'latin1').toString('base64'),
    basic: Buffer.from(`crm:${secret}`).toString('base64'),
  }
  for (const [name, spelling] of Object.entries(spellings)) {
    t.match(redact(`x=${spelling}&`), /\[redacted\]/, name)
  }
})

t.test('both alphabets of base64 are found', async (t) => {
  const redact = await redactorOf('~~~???>>>')
  t.equal(redact('fn5+Pz8/Pj4+'), '[redacted]')
  t.equal(redact('fn5-Pz8_Pj4-'), '[redacted]')
})

t.test('each long line of a secret of several lines is a secret', async (t) => {
  const pem =
    '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\r\nCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n'
  const redact = await redactorOf(pem)
  t.equal(redact('at MIGHAgEAMBMGByqGSM49AgEG'), 'at [redacted]')
  t.equal(redact('at CCqGSM49AwEHBG0wawIBAQQg'), 'at [redacted]')
  t.equal(redact('-----BEGIN PRIVATE KEY-----'), '-----BEGIN PRIVATE KEY-----')
})

t.test('what is too short to be found does not blot out everything', async (t) => {
  const redact = await redactorOf('a', 'ab', 'abc', '')
  t.equal(redact('abcabc a'), 'abcabc a')
})

t.test('characters that share their low byte are not confused', async (t) => {
  const redact = await redactorOf('pass-ſecret')
  t.equal(redact('pass-\x7fecret'), 'pass-\x7fecret')
  t.equal(redact('pass-ſecret'), '[redacted]')
  const twins = await redactorOf('k@y1', 'k`y1')
  t.equal(twins('k@y1 k`y1'), '[redacted] [redacted]')
  t.equal((await redactorOf('k@y[1]'))('k`y{1}'), 'k`y{1}')
})

t.test('whatever the secrets and the text, none is left', async () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'B', 'c', '-', 'é'),
    minLength: 4,
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(text, { minLength: 1, maxLength: 12 }),
      fc.array(text),
      async (secrets, parts) => {
        const redact = await redactorOf(...secrets)
        const line = [...parts, ...secrets].join('')
        const clean = redact(line).toLowerCase()
        return secrets.every((secret) => !clean.includes(secret.toLowerCase()))
      },
    ),
    { numRuns: 300 },
  )
})

t.test('what holds no secret is left as it is', async () => {
  const redact = await redactorOf('hunter22', 'correct horse battery staple')
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      return text.includes('://') || redact(text) === text
    }),
  )
})

t.test('thousands of secrets are all found', async (t) => {
  const secrets = Array.from({ length: 5000 }, (_, i) => `sk_live_${String(i).padStart(6, '0')}`)
  const redact = await redactorOf(...secrets)
  t.ok(secrets.every((secret) => redact(`x ${secret} y`) === 'x [redacted] y'))
  t.equal(redact('sk_live_005000'), 'sk_live_005000')
})

t.test('the last secrets given are in force, also when an earlier call ends later', async (t) => {
  const redactor = createRedactor()
  await redactor.setSecrets(['old-secret'])
  const slow = redactor.setSecrets(Array.from({ length: 2000 }, (_, i) => `slow-secret-${i}`))
  t.equal(redactor.redact('old-secret'), '[redacted]', 'until the new ones are known')
  const quick = redactor.setSecrets(['new-secret'])
  await Promise.all([slow, quick])
  t.equal(redactor.redact('new-secret old-secret'), '[redacted] old-secret')
})

t.test('the userinfo of URLs is removed and nothing else', (t) => {
  const cases: [string, string][] = [
    ['https://user:pass@host/x', 'https://[redacted]@host/x'],
    ['https://user@host', 'https://[redacted]@host'],
    ['https://user:p@ss@host/x', 'https://[redacted]@host/x'],
    ['https://user:p/ss@host/x', 'https://[redacted]@host/x'],
    ['https://user:p?ss@host/x', 'https://[redacted]@host/x'],
    ['https://user:p#ss@host/x', 'https://[redacted]@host/x'],
    ['https://:pass@host', 'https://[redacted]@host'],
    [
      '"https://u:p@h" and <redis://:pw@r:6379>',
      '"https://[redacted]@h" and <redis://[redacted]@r:6379>',
    ],
    ['/proxy/http://u:p@h/', '/proxy/http://[redacted]@h/'],
    ['https://host/@me', 'https://host/@me'],
    ['https://host:8443/a?to=a@b', 'https://host:8443/a?to=a@b'],
    ['https://[::1]:8443/a@b', 'https://[::1]:8443/a@b'],
    ['https://host and me@there', 'https://host and me@there'],
    ['me@there', 'me@there'],
    ['://', '://'],
    ['a://b://u:p@h', 'a://b://[redacted]@h'],
    ['https://u:p@h https://v:q@i', 'https://[redacted]@h https://[redacted]@i'],
  ]
  for (const [text, wanted] of cases) t.equal(stripUserinfo(text), wanted, text)
  t.end()
})
