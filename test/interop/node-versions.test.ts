// The compiled tests on the other Node lines that are supported; npm carries their binaries.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findNode, NODE_LINES } from './egress-node-lines.ts'
import { skipLab } from './ntlm-lab.ts'

const current = process.versions.node.split('.')[0]

interface Sums {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

function runTests(t: Test, node: string, line: string): void {
  const results = join('build', 'results', 'node-versions')
  const excluded = ['interop', 'soak'].flatMap((name) => ['--exclude', join('build', 'test', name)])
  const run = spawnSync(
    node,
    [
      join('scripts', 'run-tests.mjs'),
      `node-${line}`,
      join('build', 'test'),
      ...excluded,
      '--results',
      results,
    ],
    { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, timeout: 600_000 },
  )
  // What failed there is what one wants to see; the rest is as in `make test`.
  const faults = run.stdout.split('\n').filter((text) => !/^(ok|SKIPPED) /.test(text))
  if (run.status !== 0) process.stderr.write(`${faults.join('\n')}\n${run.stderr}\n`)
  const sums = JSON.parse(readFileSync(join(results, `node-${line}.json`), 'utf8')) as Sums
  const said = `${sums.passed} passed, ${sums.failed} failed, ${sums.skipped} skipped`
  process.stderr.write(`on Node ${line}: ${said}\n`)
  t.equal(run.status, 0, said)
  t.equal(sums.failed, 0, said)
  t.ok(sums.passed > 0, said)
  t.end()
}

/** The servers of NTLM are real there too; the rest of `interop` says nothing of Node. */
function runNtlm(t: Test, node: string): void {
  for (const name of ['ntlm', 'ntlm-forms']) {
    const file = join('build', 'test', 'interop', `${name}.test.js`)
    const { status, stdout } = spawnSync(node, [file], { encoding: 'utf8', timeout: 120_000 })
    if (status !== 0) process.stderr.write(stdout)
    t.equal(status, 0, name)
    t.match(stdout, /^ok \d+ - /m, 'something ran')
  }
  t.end()
}

for (const line of NODE_LINES.filter((name) => name !== current)) {
  const node = findNode(line)
  const skip =
    node === undefined && `npm gave no Node ${line} for ${process.platform} ${process.arch}`
  void t.test(
    `the unit and end-to-end tests pass on Node ${line}`,
    { skip, timeout: 630_000 },
    (t) => {
      runTests(t, node ?? '', line)
    },
  )
  void t.test(`NTLM logs in on Node ${line}`, { skip: skip || skipLab, timeout: 250_000 }, (t) => {
    runNtlm(t, node ?? '')
  })
}
