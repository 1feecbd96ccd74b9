/**
 * Every configuration under test/fixtures/config: `bad` ones give the problems that their first lines
 * say, `warned` ones the warnings, `good` ones none; and none ever shows a secret.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { formatProblem, loadConfiguration } from '../../src/config/load.ts'
import type { LoadResult } from '../../src/config/load.ts'
import { buildJsonSchema } from '../../src/config/schema.ts'
import { findSchemaFaults } from './json-schema-validator.ts'

const FOLDER = 'test/fixtures/config'
const CANARY = 's3cret-canary'
const NOW_MS = Date.parse('2026-11-23T00:00:00Z')
const schema = buildJsonSchema()

function listFixtures(kind: string): string[] {
  return readdirSync(join(FOLDER, kind))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(FOLDER, kind, name))
}

/** The values of the first lines `# KEY: value`. */
function readHead(file: string, key: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  const prefix = `# ${key}: `
  return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length))
}

function readEnv(file: string): NodeJS.ProcessEnv {
  return Object.fromEntries(
    readHead(file, 'env').map((line) => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1)]
    }),
  )
}

async function load(file: string, env: NodeJS.ProcessEnv): Promise<LoadResult> {
  return loadConfiguration({
    paths: [file],
    env,
    fingerprintKey: Buffer.alloc(32),
    nowMs: NOW_MS,
  })
}

/** As in the first lines: without the name of the file itself. */
function print(file: string, problem: Parameters<typeof formatProblem>[0]): string {
  const text = formatProblem(problem)
  return text.startsWith(`${file}:`) ? text.slice(file.length + 1).trimStart() : text
}

/** Modes of files differ from checkout to checkout. */
function isAboutModes(warning: string): boolean {
  return warning.includes('other users can read')
}

void t.test('a bad configuration gives the problems that its first lines say', async (t) => {
  for (const file of listFixtures('bad')) {
    const env = { SECRET: CANARY, LEVEL: CANARY, EMPTY: '' }
    const result = await load(file, env)
    const problems = 'problems' in result ? result.problems : []
    const printed = problems.map((problem) => print(file, problem))
    t.strictSame(printed, readHead(file, 'expect'), file)
    const all = [...problems, ...result.warnings].map(formatProblem).join('\n')
    t.notMatch(all, /s3cret/, `${file} shows no secret`)
  }
})

void t.test('a good configuration has no problems, and is valid for editors', async (t) => {
  for (const kind of ['good', 'warned']) {
    for (const file of listFixtures(kind)) {
      const result = await load(file, readEnv(file))
      t.strictSame('problems' in result ? result.problems : [], [], file)
      const warnings = result.warnings.map((each) => print(file, each))
      t.strictSame(
        warnings.filter((each) => !isAboutModes(each)),
        readHead(file, 'warn'),
        `warnings of ${file}`,
      )
      t.strictSame(
        findSchemaFaults(schema, parse(readFileSync(file, 'utf8'))),
        [],
        `${file}: schema`,
      )
    }
  }
})
