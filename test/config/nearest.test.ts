import t from 'tap'
import { findNearest, suggest } from '../../src/config/nearest.ts'

void t.test('the nearest word is within a third of its letters', (t) => {
  const words = ['password', 'passwords', 'username', 'header', 'info']
  const cases = [
    ['pasword', 'password'],
    ['Password', 'password'],
    ['inof', 'info'],
    ['hedaer', 'header'],
    ['user', 'username'],
    ['x', undefined],
    ['', undefined],
    ['realm', undefined],
    ['p'.repeat(65), undefined],
  ] as const
  for (const [word, nearest] of cases) t.equal(findNearest(word, words), nearest, word)
  t.equal(suggest('usernam', words), ', did you mean "username"?')
  t.equal(suggest('zzz', words), '')
  t.end()
})

void t.test('a typo among a million names is not searched for long', (t) => {
  const names = Array.from({ length: 1_000_000 }, (_, index) => `${index}`)
  t.equal(findNearest('pasword', [...names, 'password']), undefined, 'beyond the bound')
  t.equal(findNearest('pasword', ['password', ...names]), 'password')
  t.end()
})
