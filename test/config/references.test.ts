import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FileReader } from '../../src/config/file-reader.ts'
import { resolveReferences } from '../../src/config/references.ts'
import type { Resolution } from '../../src/config/references.ts'

const env = { A: 'alpha', REF: '${env:A}', EMPTY: '', BRACE: '}' }

function resolveText(text: string, directory = '/'): Resolution {
  return resolveReferences(text, directory, new FileReader(env, Buffer.alloc(32)), () => undefined)
}

void t.test('references are resolved wherever they stand, once', (t) => {
  const cases = [
    ['plain', 'plain', 'literal', []],
    ['${env:A}', 'alpha', 'env:A', ['alpha']],
    ['x-${env:A}-y', 'x-alpha-y', 'env:A', ['alpha']],
    ['${env:A}${env:A}', 'alphaalpha', 'env:A+env:A', ['alpha', 'alpha']],
    ['${env:REF}', '${env:A}', 'env:REF', ['${env:A}']],
    ['${env:BRACE}}', '}}', 'env:BRACE', ['}']],
    ['$${env:A}', '${env:A}', 'literal', []],
    ['$$${env:A}', '$${env:A}', 'literal', []],
    ['$A $ {} $', '$A $ {} $', 'literal', []],
    ['$${', '${', 'literal', []],
    ['$${${env:A}}', '${alpha}', 'env:A', ['alpha']],
  ] as const
  for (const [text, value, source, referred] of cases) {
    t.strictSame(resolveText(text), { value, source, referred, problems: [] }, text)
  }
  t.end()
})

void t.test('what is no reference is told, and how to write a literal', (t) => {
  const cases = [
    ['${A}', /wanted "\$\{env:A\}"/],
    ['${env:EMPTY}', /"EMPTY" is empty/],
    ['${env:NONE}', /"NONE" is not set/],
    ['${env:A:-x}', /no name of a variable/],
    ['${ENV:A}', /unknown reference/],
    ['${env:A', /without "}"/],
    ['${}', /unknown reference/],
    ['${file:}', /without a path/],
    ['${file:none}', /no such file/],
  ] as const
  for (const [text, problem] of cases) t.match(resolveText(text).problems, [problem], text)
  t.equal(resolveText('${X} and ${Y}').problems.length, 2)
  t.end()
})

void t.test('of a file exactly one line break at the end is cut', (t) => {
  const folder = t.testdir({})
  const cases = [
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['secret\n\n', 'secret\n'],
    ['secret', 'secret'],
    [' secret ', ' secret '],
    ['\uFEFFsecret', 'secret'],
  ] as const
  for (const [index, [content, value]] of cases.entries()) {
    writeFileSync(join(folder, String(index)), content)
    t.equal(resolveText(`\${file:${index}}`, folder).value, value, JSON.stringify(content))
  }
  writeFileSync(join(folder, 'empty'), '\n')
  t.match(resolveText('${file:empty}', folder).problems, [/is empty/])
  writeFileSync(join(folder, 'binary'), Buffer.from([0xe9, 0x80]))
  t.match(resolveText('${file:binary}', folder).problems, [/not UTF-8 text/])
  writeFileSync(join(folder, 'big'), Buffer.alloc(1024 * 1024 + 1, 'x'))
  t.match(resolveText('${file:big}', folder).problems, [/more than 1 MiB/])
  t.end()
})
