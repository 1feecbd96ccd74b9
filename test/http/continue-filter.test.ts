import { Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { ContinueFilter } from '../../src/http/continue-filter.ts'

/** What a parser behind the filter reads of bytes that arrive in these pieces. */
function readThrough(pieces: readonly Buffer[]): string {
  const socket = new Socket()
  const waiting = [...pieces]
  socket.read = () => waiting.shift() ?? null
  new ContinueFilter(socket).awaitHead()
  let read = ''
  for (;;) {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) return read
    read += chunk.toString('latin1')
  }
}

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHTTP/1.1 100'
const interim = 'HTTP/1.1 100 Continue\r\nX: y\r\n\r\n'

t.test('a 100 before the answer is dropped, however the bytes were cut', (t) => {
  fc.assert(
    fc.property(fc.nat(2), fc.array(fc.nat(200), { maxLength: 6 }), (count, cuts) => {
      const bytes = Buffer.from(interim.repeat(count) + answer)
      const places = [...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b)
      const pieces = places.map((place, i) => bytes.subarray(places[i - 1] ?? 0, place))
      return readThrough(pieces) === answer
    }),
  )
  t.equal(readThrough([Buffer.from(interim + answer)]), answer)
  t.end()
})

t.test('other answers pass as they came, and a 100 without end goes to the parser', (t) => {
  t.equal(readThrough([Buffer.from('HTTP/1.1 103 X\r\n\r\n')]), 'HTTP/1.1 103 X\r\n\r\n')
  const endless = `HTTP/1.1 100 ${'x'.repeat(2000)}`
  t.equal(readThrough([Buffer.from(endless)]), endless)
  t.end()
})
