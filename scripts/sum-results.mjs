// Prints the last line of a CI run, `N passed, N failed, N skipped`, from the result files of the
// suites named as arguments, and fails when a test failed, a suite left no result or none ran.
// `--broken N` adds N failures of steps that are not tests.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { broken: { type: 'string', default: '0' } },
})

const total = { passed: 0, failed: Number(values.broken), skipped: 0 }
if (total.failed > 0) console.log('make check failed, which counts as one failure')
for (const suite of positionals) {
  try {
    const sums = JSON.parse(readFileSync(`build/results/${suite}.json`, 'utf8'))
    for (const key of Object.keys(total)) total[key] += sums[key]
    console.log(`${suite}: ${sums.passed} passed, ${sums.failed} failed, ${sums.skipped} skipped`)
  } catch {
    total.failed += 1
    console.log(`${suite}: left no result, which counts as one failure`)
  }
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
