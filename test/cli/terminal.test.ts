import t from 'tap'
import { createPaint } from '../../src/cli/terminal.ts'

const cases: readonly [
  claim: string,
  isTTY: boolean,
  env: Record<string, string>,
  coloured: boolean,
][] = [
  ['a terminal gets colours', true, { TERM: 'xterm' }, true],
  ['a pipe gets none', false, { TERM: 'xterm' }, false],
  ['NO_COLOR wins over a terminal', true, { NO_COLOR: '1' }, false],
  ['an empty NO_COLOR says nothing', true, { NO_COLOR: '' }, true],
  ['a dumb terminal gets none', true, { TERM: 'dumb' }, false],
]

for (const [claim, isTTY, env, coloured] of cases) {
  t.test(claim, async (t) => {
    const painted = createPaint({ isTTY }, env).red('x')
    t.equal(painted, coloured ? '\u001b[31mx\u001b[39m' : 'x')
  })
}
