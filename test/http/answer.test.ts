import t from 'tap'
import { findFraming, latin1Headers } from '../../src/http/answer.ts'

t.test('an answer is passed on only where its framing can be read in one way', (t) => {
  const cases: [name: string, headers: string[], expected: 'refused' | number | undefined][] = [
    ['a length', ['Content-Length', '12'], 12],
    ['chunked in any case', ['transfer-ENCODING', 'Chunked'], undefined],
    ['neither, to the end of the connection', [], undefined],
    ['both at once', ['Content-Length', '12', 'Transfer-Encoding', 'chunked'], 'refused'],
    ['two lengths', ['Content-Length', '12', 'Content-Length', '12'], 'refused'],
    ['two encodings', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], 'refused'],
    ['chunked with a tab behind it', ['Transfer-Encoding', 'chunked\t'], 'refused'],
    ['an encoding before chunked', ['Transfer-Encoding', 'gzip, chunked'], 'refused'],
    ['a signed length', ['Content-Length', '+12'], 'refused'],
    ['a list of lengths', ['Content-Length', '12, 12'], 'refused'],
    ['a length beyond all measure', ['Content-Length', '1'.repeat(16)], 'refused'],
  ]
  for (const [name, headers, expected] of cases) {
    const framing = findFraming('GET', 200, headers)
    if (expected === 'refused') t.equal(framing, undefined, name)
    else t.match(framing, { hasBody: true, contentLength: expected }, name)
  }
  t.end()
})

t.test('answers to HEAD, 204 and 304 have no body, whatever length they state', (t) => {
  t.equal(findFraming('HEAD', 200, ['Content-Length', '5'])?.hasBody, false)
  t.equal(findFraming('GET', 204, [])?.hasBody, false)
  t.equal(findFraming('GET', 304, ['Content-Length', '5'])?.hasBody, false)
  t.equal(findFraming('HEAD', 200, ['Content-Length', '5'])?.contentLength, 5)
  t.end()
})

t.test('server-sent events are known by their type, with or without parameters', (t) => {
  t.equal(findFraming('GET', 200, ['Content-Type', 'Text/Event-Stream; x=y'])?.isEventStream, true)
  t.equal(findFraming('GET', 200, ['Content-Type', 'text/plain'])?.isEventStream, false)
  t.end()
})

t.test('header bytes become one char each', (t) => {
  t.same(latin1Headers([Buffer.from('X'), Buffer.from([0xe9, 0x20, 0xff])]), ['X', '\xe9 \xff'])
  t.end()
})
