// A million challenges that were tampered with (NTLM_FUZZ_CASES, NTLM_FUZZ_SEED), the same ones every
// time: the engine answers what is whole, and refuses the rest with its one fault.
import t from 'tap'
import { fuzzEngine } from '../ntlm/vectors.ts'

const CASES = Number(process.env['NTLM_FUZZ_CASES'] ?? '1000000')
const SEED = Number(process.env['NTLM_FUZZ_SEED'] ?? '2026')

t.test(`${CASES} hostile challenges are answered right or refused with the one fault`, (t) => {
  const { answered, refused, complaints } = fuzzEngine({ seed: SEED, cases: CASES })
  t.comment(`${answered} answered, ${refused} refused`)
  t.strictSame(complaints, [])
  t.equal(answered + refused, CASES)
  t.end()
})
