import t from 'tap'
import { formatTimestamp, parseTimestamp } from '../../src/hmac/timestamp.ts'

const NOW = Date.UTC(2026, 10, 24, 12, 34, 56, 789)

t.test('what is written can be read', (t) => {
  t.equal(formatTimestamp(NOW, 'unix'), String(Math.floor(NOW / 1000)))
  t.equal(formatTimestamp(NOW, 'unix_ms'), String(NOW))
  t.equal(formatTimestamp(NOW, 'iso8601'), '2026-11-24T12:34:56Z')
  for (const format of ['unix', 'unix_ms', 'iso8601'] as const) {
    const read = parseTimestamp(formatTimestamp(NOW, format), format)
    t.ok(read !== undefined && Math.abs(NOW - read) < 1000, format)
  }
  t.end()
})

t.test('only instants are read', (t) => {
  t.equal(parseTimestamp('2026-11-24T13:34:56.5+01:00', 'iso8601'), NOW - 289)
  for (const text of [
    '',
    '2026-11-24',
    '2026-11-24T12:34:56',
    '2026-13-24T12:34:56Z',
    '1795523696',
  ]) {
    t.equal(parseTimestamp(text, 'iso8601'), undefined, text)
  }
  for (const text of ['', '-1', '1.5', '1e9', ' 1', '9'.repeat(16), '٣']) {
    t.equal(parseTimestamp(text, 'unix'), undefined, text)
    t.equal(parseTimestamp(text, 'unix_ms'), undefined, text)
  }
  t.end()
})
