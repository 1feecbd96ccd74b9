import t from 'tap'
import { requestIdOf } from '../../src/http/request-id.ts'

t.test('a client’s request id is kept if it is one and well-formed', (t) => {
  const idOf = (...values: string[]): string =>
    requestIdOf(
      values.map(() => 'x-request-id'),
      values.flatMap((value) => ['X-Request-Id', value]),
      () => 'new',
    )
  for (const id of ['a', 'A.b_c-9', 'x'.repeat(128)]) t.equal(idOf(id), id)
  const refused = [
    [],
    [''],
    ['x'.repeat(129)],
    ['a b'],
    ['a,b'],
    ['\xe9'],
    ['a/b'],
    ['a@b'],
    ['a['],
  ]
  for (const values of [...refused, ['a', 'a'], ['a`b'], ['a{b'], ['a\tb']]) {
    t.equal(idOf(...values), 'new', values.join('|').slice(0, 20))
  }
  t.match(requestIdOf([], []), /^[0-9a-f]{32}$/)
  t.end()
})
