/**
 * The attack: a mistake in a configuration, and a log that many can read. Wherever a secret may stand,
 * and through whatever reference it may come, no problem and no warning repeats it.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { isPair, isScalar, parseDocument, visit } from 'yaml'
import { formatProblem, loadConfiguration } from '../../src/config/load.ts'

const GOOD = 'test/fixtures/config/good'
const FILES = [
  'design-example.yaml',
  'every-definition.yaml',
  'every-egress-setting.yaml',
  'every-inbound-setting.yaml',
]
const ENV = {
  SECRET: '0123456789abcdef0123456789abcdef',
  CRM_PASSWORD: 'crm-password',
  SF_SECRET: 'salesforce-secret',
  AD_PASSWORD: 'active-directory-password',
}
const SECRET_SETTINGS = new Set([
  'password',
  'password_hash',
  'key',
  'key_hash',
  'TOKEN',
  'private_key',
])

/** Each scalar of the document in turn replaced by what `replace` gives, as texts. */
function* mutate(
  text: string,
  replace: unknown,
  isWanted: (key: string) => boolean,
): Generator<string> {
  let count = 0
  visit(parseDocument(text), {
    Scalar(at) {
      if (at !== 'key') count++
    },
  })
  const changed: number[] = []
  for (let target = 0; target < count; target++) {
    const document = parseDocument(text)
    let index = 0
    visit(document, {
      Scalar(at, node, path) {
        if (at === 'key' || index++ !== target) return undefined
        const pair = path.findLast((each) => isPair(each))
        const key = isScalar(pair?.key) ? pair.key.value : ''
        if (!isWanted(String(key))) return visit.BREAK
        changed.push(target)
        const fresh = document.createNode(replace)
        if (isScalar(fresh)) node.value = fresh.value
        else if (pair !== undefined) pair.value = fresh
        return visit.BREAK
      },
    })
    if (changed.includes(target)) yield document.toString({ lineWidth: 0 })
  }
}

async function report(folder: string, text: string, canary: string): Promise<string> {
  const path = join(folder, 'mutated.yaml')
  writeFileSync(path, text)
  const result = await loadConfiguration({
    paths: [path],
    env: { ...ENV, CANARY: canary },
    fingerprintKey: Buffer.alloc(32),
    nowMs: 0,
  })
  const problems = 'problems' in result ? result.problems : []
  return [...problems, ...result.warnings].map(formatProblem).join('\n')
}

function prepare(folder: string): string {
  mkdirSync(folder, { recursive: true })
  symlinkSync(resolve(GOOD, 'files'), join(folder, 'files'))
  return folder
}

void t.test('what came through a reference is never repeated, wherever it stands', async (t) => {
  const folder = prepare(t.testdir({}))
  // A value that is wrong nearly everywhere, and one that is a good name, path or word.
  for (const canary of ['c4nary \u0007日本', 'c4nary']) {
    let count = 0
    for (const file of FILES) {
      const text = readFileSync(join(GOOD, file), 'utf8')
      for (const mutated of mutate(text, '${env:CANARY}', () => true)) {
        count++
        const shown = await report(folder, mutated, canary)
        if (shown.includes('c4nary') && !isAboutOwnName(shown)) t.fail(`${shown}\n${mutated}`)
      }
    }
    t.ok(count > 200, `${count} places, canary ${JSON.stringify(canary)}`)
  }
})

/** The name of a definition is a label of metrics: whoever makes it a secret shows it anyway. */
function isAboutOwnName(shown: string): boolean {
  return shown
    .split('\n')
    .filter((line) => line.includes('c4nary'))
    .every((line) =>
      /is that of "c4nary"|as that of "c4nary"|of "c4nary"|"c4nary" is beside/.test(line),
    )
}

void t.test('a secret in the wrong shape is never repeated', async (t) => {
  const folder = prepare(t.testdir({}))
  const shapes = [
    'c4nary\n',
    'c4nary日本',
    ' c4nary',
    ['c4nary'],
    { c4nary: 'c4nary' },
    { c4nary: null },
  ]
  for (const shape of shapes) {
    let count = 0
    for (const file of FILES) {
      const text = readFileSync(join(GOOD, file), 'utf8')
      for (const mutated of mutate(text, shape, (key) => SECRET_SETTINGS.has(key))) {
        count++
        const shown = await report(folder, mutated, '')
        if (shown.includes('c4nary')) t.fail(`${JSON.stringify(shape)}: ${shown}`)
      }
    }
    t.ok(count > 20, `${count} places, shape ${JSON.stringify(shape)}`)
  }
})

void t.test('a secret that YAML cannot read is never repeated', async (t) => {
  const folder = prepare(t.testdir({}))
  const texts = [
    '*c4nary',
    '&c4nary',
    '!c4nary x',
    '@c4nary',
    '`c4nary',
    '"c4nary',
    "'c4nary",
    'c4nary: x',
    '[c4nary',
    '{c4nary',
    '{c4nary}',
    '%c4nary',
    '|c4nary',
    '>c4nary',
    '"\\c4nary"',
    '"a" c4nary',
    '? c4nary',
    '- c4nary',
    '${c4nary',
    '${c4nary:x}',
    'c4nary\n  c4nary',
    '\n c4nary',
    '\n\tc4nary',
    '<<c4nary',
  ]
  for (const text of texts) {
    const before = 'security:\n  - name: a\n    type: basic_auth\n    username: a\n'
    const shown = await report(folder, `${before}    password: ${text}\n`, '')
    t.notMatch(shown, 'c4nary', JSON.stringify(text))
  }
})
