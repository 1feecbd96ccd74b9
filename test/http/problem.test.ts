import t from 'tap'
import { catalogue } from '../../src/errors.ts'
import type { Code } from '../../src/errors.ts'
import { isRequestId, problemType, renderProblem } from '../../src/http/problem.ts'

function header(headers: readonly string[], name: string): string | undefined {
  const index = headers.indexOf(name)
  return index === -1 ? undefined : headers[index + 1]
}

t.test('every code renders the members of RFC 9457 and ours, in this order', (t) => {
  for (const code of Object.keys(catalogue) as Code[]) {
    const { status, headers, body } = renderProblem(code, 'req-1')
    t.equal(status, catalogue[code].status, code)
    const document = JSON.parse(body.toString()) as Record<string, unknown>
    t.strictSame(Object.entries(document), [
      ['type', `urn:sidegate:problem:${code}`],
      ['title', catalogue[code].title],
      ['status', catalogue[code].status],
      ['code', code],
      ['request_id', 'req-1'],
    ])
    t.strictSame(headers, [
      'Content-Type',
      'application/problem+json',
      'X-Sidegate-Error',
      code,
      'X-Request-Id',
      'req-1',
      'Cache-Control',
      'no-store',
    ])
  }
  t.end()
})

t.test('the type is an absolute URI', (t) => {
  t.equal(new URL(problemType('unauthorized')).protocol, 'urn:')
  t.end()
})

t.test('two refusals differ in nothing but their request id', (t) => {
  const one = renderProblem('unauthorized', 'aaaa')
  const two = renderProblem('unauthorized', 'bbbb')
  t.equal(one.body.toString().replace('aaaa', 'bbbb'), two.body.toString())
  t.strictSame(
    one.headers.map((text) => text.replace('aaaa', 'bbbb')),
    two.headers,
  )
  t.end()
})

t.test('the headers of one answer are not those of the next', (t) => {
  renderProblem('unauthorized', 'a').headers.push('WWW-Authenticate', 'Basic realm="x"')
  t.equal(header(renderProblem('unauthorized', 'a').headers, 'WWW-Authenticate'), undefined)
  t.end()
})

t.test('detail is there only where given, and whatever it holds the document stays JSON', (t) => {
  const detail = 'a "quoted"\r\n\u2028 host\\ with ünïcode \ud800'
  const { body } = renderProblem('unmatched_host', 'r', detail)
  t.equal((JSON.parse(body.toString()) as { detail: string }).detail, detail)
  t.end()
})

t.test('Retry-After is whole seconds, at least one, and only where given', (t) => {
  const cases: [number | undefined, string | undefined][] = [
    [undefined, undefined],
    [0, '1'],
    [1.2, '2'],
    [30, '30'],
  ]
  for (const [given, wanted] of cases) {
    t.equal(
      header(renderProblem('overloaded', 'r', undefined, given).headers, 'Retry-After'),
      wanted,
    )
  }
  t.end()
})

t.test('a request id that is none cannot split the header or the JSON', (t) => {
  for (const id of ['a\r\nSet-Cookie: x', '"},{"', '', 'x'.repeat(129), 'ä', 'a b', 'a\0']) {
    const { headers, body } = renderProblem('bad_request', id)
    t.equal(header(headers, 'X-Request-Id'), '', JSON.stringify(id))
    t.equal((JSON.parse(body.toString()) as { request_id: string }).request_id, '')
  }
  t.end()
})

t.test('a request id is 1 to 128 of A-Za-z0-9._-', (t) => {
  for (const id of ['a', 'Z', '0', '.', '_', '-', 'x'.repeat(128)])
    t.equal(isRequestId(id), true, id)
  for (const char of ['@', '[', '`', '{', '/', ':', ',', '\x7f', '\xff']) {
    t.equal(isRequestId(`a${char}`), false, JSON.stringify(char))
  }
  t.end()
})
