import t from 'tap'
import {
  escapeOf,
  renderCookies,
  renderHeaders,
  renderTemplate,
} from '../../src/session/template.ts'

const values = new Map([
  ['plain', 'abc'],
  ['nasty', 'a"b\\c&d=e f\n{plain}+%ü'],
  ['line', 'a\r\nX-Evil: 1'],
  ['delete', 'a\x7fb'],
  ['wide', 'żółw'],
  ['two', 'a; b=c'],
  ['blank', ' a'],
])

t.test('names are filled in, doubled braces are braces, once and not again', async (t) => {
  t.equal(renderTemplate('{{"u": "{plain}"}}', values, 'none'), '{"u": "abc"}')
  t.equal(renderTemplate('{nasty}', values, 'none'), values.get('nasty'))
})

t.test('what goes into a JSON body stays within its string', async (t) => {
  const body = renderTemplate('{{"u":"{nasty}"}}', values, 'json')
  t.same(JSON.parse(body), { u: values.get('nasty') })
})

t.test('what goes into a form stays within its field', async (t) => {
  const body = renderTemplate('u={nasty}&p={plain}', values, 'form')
  t.same(
    [...new URLSearchParams(body)],
    [
      ['u', values.get('nasty')],
      ['p', 'abc'],
    ],
  )
})

t.test('the content type says how a body is written', async (t) => {
  for (const type of [
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/a.b+json',
  ]) {
    t.equal(escapeOf(type), 'json', type)
  }
  t.equal(escapeOf('application/x-www-form-urlencoded;charset=UTF-8'), 'form')
  for (const type of [undefined, '', 'text/plain', 'application/xml', 'application/jsonx']) {
    t.equal(escapeOf(type), 'none', String(type))
  }
})

t.test('nothing in a header ends it, and the error does not quote it', async (t) => {
  t.same(renderHeaders([['X-A', 'v={plain}']], values), [['X-A', 'v=abc']])
  for (const name of ['line', 'delete', 'wide', 'blank']) {
    try {
      renderHeaders([['X-A', `{${name}}`]], values)
      t.fail(name)
    } catch (error) {
      t.match((error as Error).message, /^a (?:control character|character that|blank).*"X-A"$/)
    }
  }
})

t.test('nothing in a cookie ends it', async (t) => {
  t.same(renderCookies([['A', '{plain}']], values), [['A', 'abc']])
  for (const name of ['line', 'wide', 'two', 'blank']) {
    t.throws(() => renderCookies([['A', `{${name}}`]], values), /would stand in cookie "A"/, name)
  }
})

t.test('an unknown name and a single brace are errors', async (t) => {
  t.throws(() => renderTemplate('{other}', values, 'none'), /there is no \{other\}/)
  t.throws(() => renderTemplate('{', values, 'none'), /single brace/)
})
