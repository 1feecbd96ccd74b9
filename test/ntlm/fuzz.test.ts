/** Challenges that were tampered with; a million of them in the soak. */
import t from 'tap'
import { fuzzEngine } from './vectors.ts'

t.test('20 000 hostile challenges are answered right or refused with the one fault', (t) => {
  const { answered, refused, complaints } = fuzzEngine({ seed: 1320, cases: 20_000 })
  t.strictSame(complaints, [])
  t.ok(answered > 2000 && refused > 2000, `${answered} answered, ${refused} refused`)
  t.end()
})
