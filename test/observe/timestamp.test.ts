import fc from 'fast-check'
import t from 'tap'
import { formatInstant } from '../../src/observe/timestamp.ts'

t.test('an instant is what Date makes of it, in whatever order they come', (t) => {
  const instant = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) })
  fc.assert(fc.property(instant, (ms) => formatInstant(ms) === new Date(ms).toISOString()))
  t.end()
})

t.test('parts of a millisecond are cut off', (t) => {
  t.equal(formatInstant(1999.9), '1970-01-01T00:00:01.999Z')
  t.end()
})
