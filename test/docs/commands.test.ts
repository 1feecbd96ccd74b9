/** Every `sidegate …` line of the documentation names a command and options that exist. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseOptions } from '../../src/cli/command.ts'
import { type CommandName, commands } from '../../src/cli/commands.ts'
import { listPages, readFences } from './fences.ts'

interface Line {
  readonly place: string
  readonly words: readonly string[]
}

/** `sidegate` and what follows it, up to a comment, a pipe or a redirection. */
function findLines(text: string, place: string): readonly Line[] {
  return [...text.matchAll(/(?<![\w./-])sidegate((?: [^#|<>\n]+)?)/g)].map(([, rest = '']) => ({
    place,
    words: [...rest.matchAll(/'[^']*'|"[^"]*"|[^\s'")]+/g)].map(([word]) => word),
  }))
}

const lines = listPages().flatMap((page) =>
  readFences(page)
    .filter(({ language }) => language === 'sh')
    .flatMap((fence) => findLines(fence.text, `${page}:${fence.line}`)),
)

const inlineLines = listPages().flatMap((page) =>
  [...readFileSync(page, 'utf8').matchAll(/`(sidegate [^`]+)`/g)].flatMap(([, text = '']) =>
    findLines(text, page),
  ),
)

/** Commands of later versions may be planned in the decisions, and nowhere else. */
const shown = [...lines, ...inlineLines].filter(
  ({ place, words }) => !place.startsWith('docs/decisions') && words.length > 0,
)

t.test('there are such lines', async (t) => {
  t.ok(shown.length > 15, `${shown.length} lines`)
})

for (const { place, words } of shown) {
  t.test(`${place}: sidegate ${words.join(' ')}`, async (t) => {
    const [name = '', ...args] = words
    if (name.startsWith('--') || name === 'COMMAND') return
    t.ok(Object.hasOwn(commands, name), `"${name}" is a command`)
    const { manual } = await commands[name as CommandName].load()
    t.doesNotThrow(() => parseOptions(manual, args))
  })
}

t.test('the examples of every --help can be parsed', async (t) => {
  for (const { load } of Object.values(commands)) {
    const { manual } = await load()
    for (const [line] of manual.examples) {
      for (const { words } of findLines(line, '')) {
        const [name, ...args] = words
        if (name === manual.name) t.doesNotThrow(() => parseOptions(manual, args), line)
      }
    }
  }
})

for (const page of listPages()) {
  t.test(`${page} links to pages that exist`, async (t) => {
    const text = readFileSync(page, 'utf8').replace(/^ *```[\s\S]*?^ *```/gm, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      t.ok(existsSync(join(dirname(page), target)), target)
    }
  })
}
