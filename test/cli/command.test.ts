import t from 'tap'
import {
  UsageError,
  defineManual,
  expectPositionals,
  parseOptions,
  suggest,
} from '../../src/cli/command.ts'

const manual = defineManual({
  name: 'sample',
  usage: '',
  about: '',
  options: {
    config: { kind: 'list', short: 'c', value: 'PATH', text: '' },
    json: { kind: 'flag', text: '' },
    url: { kind: 'value', value: 'URL', text: '' },
  },
  examples: [],
})

t.test('options arrive as the manual declares them', async (t) => {
  const { values, positionals } = parseOptions(manual, ['-c', 'a', 'x', '--config=b', '--json'])
  t.same(values, { config: ['a', 'b'], json: true, url: undefined })
  t.same(positionals, ['x'])
  t.same(parseOptions(manual, []).values, { config: [], json: false, url: undefined })
  t.same(parseOptions(manual, ['--', '--json']).positionals, ['--json'])
})

const faults: readonly [args: string[], message: RegExp][] = [
  [['--jsno'], /^unknown option "--jsno"; did you mean "--json"\?$/],
  [['--conf', 'x'], /did you mean "--config"/],
  [['--zzzzzz'], /^unknown option "--zzzzzz"$/],
  [['-z'], /^unknown option "-z"/],
  [['--constructor'], /^unknown option "--constructor"/],
  [['--json=yes'], /^--json takes no value$/],
  [['--config'], /^--config needs a value, as in --config PATH$/],
  [['--config', '--json'], /^--config needs a value/],
  [['--url', 'a', '--url', 'b'], /^--url is given twice$/],
]

for (const [args, message] of faults) {
  t.test(`a wrong line is told in one sentence: ${args.join(' ')}`, async (t) => {
    t.throws(() => parseOptions(manual, args), { constructor: UsageError, message })
  })
}

t.test('where arguments may be secrets, messages do not repeat them', async (t) => {
  const secretive = { ...manual, argumentsMayBeSecret: true }
  t.throws(() => parseOptions(secretive, ['--hunter2']), { message: /^unknown option$/ })
})

t.test('positionals are counted by name', async (t) => {
  expectPositionals(manual, ['a', 'b'], ['TYPE', 'NAME'])
  t.throws(() => expectPositionals(manual, ['a'], ['TYPE', 'NAME']), { message: 'NAME is missing' })
  t.throws(() => expectPositionals(manual, ['a'], []), { message: 'unexpected argument "a"' })
  const secretive = { ...manual, argumentsMayBeSecret: true }
  t.throws(() => expectPositionals(secretive, ['a'], []), { message: 'unexpected argument' })
})

t.test('the nearest word is suggested, and none where none is near', async (t) => {
  const words = ['serve', 'check', 'explain', 'hash', 'generate', 'schema']
  for (const [given, wanted] of [
    ['chekc', 'check'],
    ['hsah', 'hash'],
    ['sevre', 'serve'],
    ['explian', 'explain'],
    ['GENERATE', 'generate'],
    ['gen', 'generate'],
  ] as const) {
    t.equal(suggest(given, words), `; did you mean "${wanted}"?`, given)
  }
  for (const given of ['', 'x', 'frobnicate']) t.equal(suggest(given, words), '', given)
})
