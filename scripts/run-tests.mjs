// Runs compiled test files with tap and says in true sums what happened. Usage:
//   node scripts/run-tests.mjs NAME FOLDER… [--exclude FOLDER]… [--only TEXT] [--timeout SECONDS] [--jobs N]
// A test is a named claim (a subtest without subtests, or a file that has only bare assertions), not
// an assertion and not a file. The sums go to build/results/NAME.json, the whole TAP to NAME.tap.
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Parser } from 'tap-parser'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    exclude: { type: 'string', multiple: true, default: [] },
    only: { type: 'string' },
    timeout: { type: 'string', default: '120' },
    jobs: { type: 'string', default: '2' },
    results: { type: 'string', default: 'build/results' },
  },
})
const [name, ...folders] = positionals
if (name === undefined || folders.length === 0) {
  console.error('usage: node scripts/run-tests.mjs NAME FOLDER… [--exclude FOLDER]… [--only TEXT]')
  process.exit(2)
}

function findTestFiles(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
}

const files = folders
  .flatMap(findTestFiles)
  .filter((file) => !options.exclude.some((folder) => file.startsWith(join(folder, '/'))))
  .filter((file) => options.only === undefined || file.includes(options.only))
  .sort()

const sums = { passed: 0, failed: 0, skipped: 0 }
/** Files that have been counted as failed. */
const brokenFiles = new Set()
const startedAt = performance.now()

/** Follows one level of the TAP tree; `node` gathers what its tests came to. */
function walk(parser, trail, node) {
  parser.on('child', (child) => {
    node.child = { tests: 0, failedTests: 0, child: undefined }
    walk(child, [...trail, child.name], node.child)
  })
  parser.on('assert', (result) => {
    const { child } = node
    node.child = undefined
    const path = [...trail, result.name].join(' › ')
    if (result.skip || result.todo) {
      countSkipped(path, result, node)
    } else if (child === undefined && trail.length > 0) {
      // A bare assertion belongs to the test around it; of a failed one we want to see the words.
      if (!result.ok) console.log(`not ok   ${path}\n${describeFailure(result.diag)}`)
    } else if (trail.length === 0 && brokenFiles.has(result.diag?.expired)) {
      // The runner's word on a file that ran out of time; its unfinished test has been counted.
      console.log(`timeout  ${result.diag.expired}`)
      return
    } else {
      countTest(path, result, node, child ?? { tests: 0, failedTests: 0 })
    }
    if (trail.length === 0) {
      if (!result.ok) brokenFiles.add(result.name)
      console.log(`${result.ok ? 'ok      ' : 'NOT OK  '} ${result.name} (${child?.tests || 1})`)
    }
  })
}

function countSkipped(path, result, node) {
  node.tests += 1
  sums.skipped += 1
  const reason = [result.skip, result.todo].find((text) => typeof text === 'string') ?? ''
  console.log(`SKIPPED  ${path}: ${reason}`)
}

function countTest(path, result, node, child) {
  node.tests += child.tests
  node.failedTests += child.failedTests
  const isOwnFault = !result.ok && child.failedTests === 0
  // A test with tests inside counts by itself only where it failed and none of them did.
  if (child.tests > 0 && !isOwnFault) return
  node.tests += 1
  if (!isOwnFault) {
    sums.passed += 1
    return
  }
  node.failedTests += 1
  sums.failed += 1
  console.log(`FAILED   ${path}`)
  // Of a file that broke, the runner's diagnosis is all there is.
  if (child.tests === 0 && path === result.name) console.log(describeFailure(result.diag))
}

function describeFailure(diag) {
  if (diag === undefined || diag === null) return ''
  const { source, stack, at, ...rest } = diag
  const place = at === undefined ? '' : ` at ${at.fileName ?? ''}:${at.lineNumber ?? ''}`
  return [`${JSON.stringify(rest)}${place}`, stack, source]
    .filter((text) => typeof text === 'string')
    .join('\n')
    .replace(/^/gm, '           ')
}

mkdirSync(options.results, { recursive: true })
const resultFile = join(options.results, `${name}.json`)
rmSync(resultFile, { force: true })
if (files.length === 0) {
  writeFileSync(resultFile, JSON.stringify(sums))
  console.error(`no test files in ${folders.join(', ')}`)
  process.exit(1)
}

const parser = new Parser({ name: '' })
walk(parser, [], { tests: 0, failedTests: 0, child: undefined })
let isBailedOut = false
parser.on('bailout', (reason) => {
  isBailedOut = true
  console.log(`BAILED OUT  ${reason}`)
})

const runner = spawn(
  process.execPath,
  [
    'node_modules/tap/dist/esm/run.mjs',
    'run',
    '--reporter=tap',
    `--timeout=${options.timeout}`,
    `--jobs=${options.jobs}`,
    ...files,
  ],
  { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } },
)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => runner.kill(signal))
runner.stdout.pipe(createWriteStream(join(options.results, `${name}.tap`)))
runner.stdout.pipe(parser)

const [exitCode] = await Promise.all([
  new Promise((resolve) => runner.on('close', resolve)),
  new Promise((resolve) => parser.on('complete', resolve)),
])

// The runner saw a fault that no line of TAP carries: it must not look like success.
if ((exitCode !== 0 || isBailedOut) && sums.failed === 0) sums.failed += 1
const seconds = Math.round((performance.now() - startedAt) / 1000)
writeFileSync(resultFile, JSON.stringify({ ...sums, seconds }))
console.log(
  `${name}: ${sums.passed} passed, ${sums.failed} failed, ${sums.skipped} skipped in ${files.length} files, ${seconds} s`,
)
process.exitCode = sums.failed > 0 || sums.passed + sums.skipped === 0 ? 1 : 0
