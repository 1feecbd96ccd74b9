import { createHash } from 'node:crypto'
import t from 'tap'
import { parseHtpasswdFile, parseKeysFile } from '../../src/credentials/groups.ts'

const HEX = createHash('sha256').update('a long and random key').digest('hex')
const BCRYPT = '$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e'

t.test('keys_file: names and digests are read with their lines', (t) => {
  const text =
    '\uFEFF# our callers\r\n\r\n' +
    `partner-1 sha256:${HEX}\r\n` +
    `  2nd.caller_x\t \tsha256:${HEX.toUpperCase()}  \n` +
    '   # indented comment\n \t \n' +
    `last sha256:${HEX}`
  const { entries, faults } = parseKeysFile(text)
  t.same(faults, [])
  t.same(
    entries.map(({ name, line }) => [name, line]),
    [
      ['partner-1', 3],
      ['2nd.caller_x', 4],
      ['last', 7],
    ],
  )
  for (const { digest } of entries) {
    t.ok(Buffer.isBuffer(digest))
    t.equal(digest.toString('hex'), HEX)
  }
  t.end()
})

t.test('keys_file: a byte order mark is no part of the first name', (t) => {
  const { entries, faults } = parseKeysFile(`\uFEFFfirst sha256:${HEX}`)
  t.same(faults, [])
  t.equal(entries[0]?.name, 'first')
  t.end()
})

t.test('keys_file: an empty text has neither entries nor faults', (t) => {
  for (const text of ['', '\n', '\r\n', '\uFEFF', '#', '# a\n#b\r\n']) {
    t.same(parseKeysFile(text), { entries: [], faults: [] }, JSON.stringify(text))
  }
  t.end()
})

t.test('keys_file: a faulty line is told and the others are still read', (t) => {
  const rows: [line: string, problem: RegExp][] = [
    ['onlyname', /single word/],
    [`sha256:${HEX}`, /single word/],
    [`a b sha256:${HEX}`, /more than two words/],
    [`a sha256:${HEX} # comment`, /more than two words/],
    [`sha256:${HEX} a`, /hash first/],
    [`-a sha256:${HEX}`, /not a name.*letter or digit/],
    [`${'n'.repeat(129)} sha256:${HEX}`, /not a name/],
    [`näme sha256:${HEX}`, /not a name/],
    [`a\u00a0sha256:${HEX}`, /single word/],
    [`a\0 sha256:${HEX}`, /not a name/],
    [`a a-long-and-random-key`, /not a hash.*sidegate hash --sha256/],
    [`a SHA256:${HEX}`, /not a hash/],
    [`a sha256:${HEX.slice(1)}`, /63 characters/],
    [`a sha256:${HEX}0`, /65 characters/],
    [`a sha256:${HEX.slice(1)}g`, /no hex digit/],
    [`good sha256:${HEX}`, /"good" stands on line 1 already/],
    [`a sha256:${HEX}\rb sha256:${HEX}`, /wanted/],
  ]
  for (const [line, problem] of rows) {
    const { entries, faults } = parseKeysFile(
      `good sha256:${HEX}\n${line}\nafterwards sha256:${HEX}\n`,
    )
    t.same(
      entries.map(({ name }) => name),
      ['good', 'afterwards'],
      JSON.stringify(line),
    )
    t.equal(faults.length, 1)
    t.equal(faults[0]?.line, 2)
    t.match(faults[0]?.problem, problem)
    t.notMatch(faults[0]?.problem, /[0-9a-f]{16}|random/i, 'nothing of the line is repeated')
  }
  t.end()
})

t.test('keys_file: names differ by case, and names of Object.prototype are names', (t) => {
  const names = ['constructor', 'toString', 'a', 'A', 'hasOwnProperty']
  const { entries, faults } = parseKeysFile(names.map((n) => `${n} sha256:${HEX}`).join('\n'))
  t.same(faults, [])
  t.same(
    entries.map(({ name }) => name),
    names,
  )
  t.end()
})

t.test('keys_file: 100,000 lines are read', (t) => {
  const lines: string[] = []
  for (let i = 0; i < 100_000; i++) lines.push(`caller-${i} sha256:${HEX}`)
  const text = lines.join('\n')
  const start = performance.now()
  const { entries, faults } = parseKeysFile(text)
  t.comment(`100,000 lines in ${(performance.now() - start).toFixed(0)} ms`)
  t.equal(entries.length, 100_000)
  t.same(faults, [])
  t.equal(entries[99_999]?.line, 100_000)
  t.end()
})

t.test('keys_file: a line of a million blanks does not take quadratic time', (t) => {
  const { faults } = parseKeysFile(`a${' '.repeat(1_000_000)}b${'\t'.repeat(1_000_000)}c`)
  t.equal(faults.length, 1)
  t.end()
})

t.test('htpasswd_file: users and bcrypt hashes are read with their lines', (t) => {
  const text = `# made with htpasswd -B\r\nann:${BCRYPT}\r\n\nbob.b:${BCRYPT.replace('2y', '2b')}\n`
  const { entries, faults } = parseHtpasswdFile(text)
  t.same(faults, [])
  t.same(
    entries.map(({ username, line, hash }) => [username, line, hash.kind]),
    [
      ['ann', 2, 'bcrypt'],
      ['bob.b', 4, 'bcrypt'],
    ],
  )
  t.end()
})

t.test('htpasswd_file: what is weak or no hash is refused with a reason', (t) => {
  const rows: [line: string, problem: RegExp][] = [
    ['no-colon-here', /no colon/],
    [`:${BCRYPT}`, /not a name/],
    [`two words:${BCRYPT}`, /not a name/],
    [`CORP\\ann:${BCRYPT}`, /not a name/],
    ['ann:', /no hash.*htpasswd -B/],
    ['ann:$apr1$bvK2N6yN$Uu1oTuSz53OoRvyjQQM3l.', /apr1.*weak.*htpasswd -B/],
    ['ann:$1$bvK2N6yN$Uu1oTuSz53OoRvyjQQM3l.', /md5-crypt.*weak.*htpasswd -B/],
    ['ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', /SHA.*weak.*htpasswd -B/],
    ['ann:{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', /SHA.*weak.*htpasswd -B/],
    ['ann:$6$rounds=5000$salt$hash', /sha-crypt.*htpasswd -B/],
    ['ann:$scrypt$ln=15,r=8,p=1$c2FsdHNhbHQ$aGFzaA', /scrypt.*password_hash/],
    ['ann:rqXexS6ZhobKA', /crypt.*weak.*htpasswd -B/],
    ['ann:plain text password', /not a bcrypt hash.*htpasswd -B/],
    ['ann:$2y$05$tooshort', /./],
    [`ann:${BCRYPT}:comment`, /./],
    [`ann:${BCRYPT.replace('$05$', '$31$')}`, /./],
    [`good:${BCRYPT}`, /"good" stands on line 1 already/],
  ]
  for (const [line, problem] of rows) {
    const { entries, faults } = parseHtpasswdFile(`good:${BCRYPT}\n${line}\nafterwards:${BCRYPT}`)
    t.same(
      entries.map(({ username }) => username),
      ['good', 'afterwards'],
      line,
    )
    t.equal(faults.length, 1)
    t.equal(faults[0]?.line, 2)
    const told = faults[0]?.problem ?? ''
    t.match(told, problem)
    t.notOk(told.includes(line.slice(line.indexOf(':') + 1) || 'nothing'), 'the hash is not told')
    t.notMatch(told, /rqXexS6|bvK2N6|W6ph5|tooshort|fbVrR|plain text/)
  }
  t.end()
})
