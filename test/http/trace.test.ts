import t from 'tap'
import { findTraceId } from '../../src/http/trace.ts'

t.test('a trace id is taken from a valid traceparent only', (t) => {
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const idOf = (...values: string[]): string | undefined =>
    findTraceId(
      values.map(() => 'traceparent'),
      values.flatMap((value) => ['traceparent', value]),
    )
  const good = `00-${trace}-b7ad6b7169203331-01`
  t.equal(idOf(good), trace)
  t.equal(idOf(`cc-${trace}-b7ad6b7169203331-01-what-the-future-brings`), trace)
  const refused = ['', trace, good.toUpperCase(), `${good}-x`, ` ${good}`, good.slice(0, 54)]
  refused.push(`ff${good.slice(2)}`, `0x${good.slice(2)}`, good.replace(trace, '0'.repeat(32)))
  refused.push(good.replace('b7ad6b7169203331', '0'.repeat(16)), good.replace(/-/g, '_'))
  refused.push(good.replace('0af', '0ag'), `cc${good.slice(2)}x`, `${good.slice(0, 53)}0g`)
  for (const value of refused) t.equal(idOf(value), undefined, value)
  t.equal(idOf(good, good), undefined)
  t.equal(idOf(), undefined)
  t.end()
})
