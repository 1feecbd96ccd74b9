import t from 'tap'
import { parseRetryAfter } from '../../src/http/retry-after.ts'

// A date without zone is in GMT here, whatever the zone of the process.
process.env['TZ'] = 'America/New_York'

const now = Date.UTC(2026, 0, 1)
const date = 'Sun, 06 Nov 1994 08:49:00 GMT'

t.test('Retry-After is seconds, or a date in any of the three forms', (t) => {
  const wanted: readonly (readonly [string, string | undefined, number | undefined])[] = [
    ['0', undefined, 0],
    ['7', undefined, 7000],
    ['Thu, 01 Jan 2026 00:00:05 GMT', undefined, 5000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', undefined, 0],
    ['Sun, 06 Nov 1994 08:49:37 GMT', date, 37_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', date, 37_000],
    ['Sun Nov  6 08:49:37 1994', date, 37_000],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 'nonsense', 5000],
    ['', undefined, undefined],
    ['-1', undefined, undefined],
    ['1.5', undefined, undefined],
    ['12345678901', undefined, undefined],
    ['soon', undefined, undefined],
    ['2026', undefined, 2_026_000],
    ['2026-01-01', undefined, undefined],
    ['Thu, 99 Jan 2026 00:00:05 GMT', undefined, undefined],
  ]
  for (const [value, served, ms] of wanted) t.equal(parseRetryAfter(value, served, now), ms, value)
  t.end()
})
