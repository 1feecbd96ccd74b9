import t from 'tap'
import { findTemplateFault, readTemplateNames } from '../../src/config/templates.ts'

void t.test('templates name what they use, and double braces are braces', (t) => {
  t.strictSame(readTemplateNames('{{"a":"{user}","b":{{{pass}}}}}'), ['user', 'pass'])
  t.strictSame(readTemplateNames('plain'), [])
  for (const text of ['', 'x', '{user}', '{{}}', '{{{user}}}', '}}{{']) {
    t.equal(findTemplateFault(text, ['user']), undefined, text)
  }
  for (const text of ['{', '}', '{user', '{user name}', '{}', '{{user}', '{1}']) {
    t.match(findTemplateFault(text, ['user']), /single brace/, text)
  }
  t.equal(
    findTemplateFault('{usr}', ['user']),
    'unknown name {usr} in a template, did you mean "user"?',
  )
  t.notMatch(findTemplateFault('{hunter2}', ['user']), 'hunter2')
  t.end()
})
