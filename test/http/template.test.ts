import t from 'tap'
import { parseTemplate } from '../../src/http/template.ts'

t.test('names stand in braces, braces are doubled', (t) => {
  t.same(parseTemplate('t={timestamp},v1={signature}'), [
    { kind: 'text', text: 't=' },
    { kind: 'name', name: 'timestamp' },
    { kind: 'text', text: ',v1=' },
    { kind: 'name', name: 'signature' },
  ])
  t.same(parseTemplate('{{"a":"{a}"}}'), [
    { kind: 'text', text: '{"a":"' },
    { kind: 'name', name: 'a' },
    { kind: 'text', text: '"}' },
  ])
  t.same(parseTemplate('{{a}}'), [{ kind: 'text', text: '{a}' }])
  t.same(parseTemplate(''), [])
  t.end()
})

t.test('a brace that stands alone is a fault', (t) => {
  for (const template of ['{', 'a}', '{a b}', '{1}', '{}']) {
    t.ok(
      parseTemplate(template).some(({ kind }) => kind === 'fault'),
      template,
    )
  }
  t.end()
})
