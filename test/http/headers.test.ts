import fc from 'fast-check'
import t from 'tap'
import {
  BoundedMemory,
  ROLE,
  filterResponseHeaders,
  findHeader,
  findName,
  findNominated,
  foldName,
  hasRepeated,
  hopByHopNames,
} from '../../src/http/headers.ts'

t.test('every spelling that some service takes for a name folds to one', (t) => {
  for (const name of ['X-Api-Key', 'x_api_key', 'X.API.KEY', 'x-API_Key', 'x_api.key']) {
    t.equal(foldName(name), 'x-api-key')
  }
  t.end()
})

t.test('a name is known by its exact spelling and is a token or nothing', (t) => {
  t.equal(findName('CoNTent-LENGTH')?.role, ROLE.CONTENT_LENGTH)
  t.equal(findName('CoNTent-LENGTH')?.lower, 'content-length')
  t.equal(findName('x_a.b')?.folded, 'x-a-b')
  t.equal(findName('content_length')?.role, ROLE.OTHER)
  t.equal(findName('__proto__')?.lower, '__proto__')
  t.equal(findName('Keep-Alive')?.isHopByHop, true)
  for (const name of ['', ' ', 'a b', 'a:', 'a\0', '\xe9', 'a\t', 'a,b', '(a)', '\u0130']) {
    t.equal(findName(name), undefined, encodeURIComponent(name))
  }
  t.end()
})

t.test('a watched name that is there twice is found, others may be', (t) => {
  const watched = new Set(['authorization', 'x-api-key'])
  const table: [names: string[], isRepeated: boolean][] = [
    [[], false],
    [['authorization'], false],
    [['authorization', 'x-api-key'], false],
    [['accept', 'accept', 'authorization'], false],
    [['authorization', 'accept', 'authorization'], true],
    [['accept', 'accept', 'x-api-key', 'x-api-key'], true],
  ]
  for (const [names, isRepeated] of table) {
    t.equal(hasRepeated(names, watched), isRepeated, names.join(' '))
  }
  t.end()
})

t.test('a flood of names is forgotten, what is in use is not', (t) => {
  const memory = new BoundedMemory<number>(8)
  memory.set('in-use', -1)
  for (let count = 0; count < 1000; count++) {
    memory.get('in-use')
    memory.set(`flood-${count}`, count)
    if (memory.size > 16) t.fail(`holds ${memory.size} entries`)
  }
  t.equal(memory.get('in-use'), -1)
  t.equal(memory.get('flood-1'), undefined)
  t.end()
})

t.test(
  'Connection nominates what is not hop-by-hop anyway, in any case and of all its lines',
  (t) => {
    const table: [values: string[], expected: string[] | undefined][] = [
      [[], undefined],
      [['keep-alive'], undefined],
      [['close, Keep-Alive, Upgrade, TE, HTTP2-Settings'], undefined],
      [['X-A'], ['x-a']],
      [['close, X-A ,\tx-b,,'], ['x-a', 'x-b']],
      [
        ['close', 'x-a', 'X-B'],
        ['x-a', 'x-b'],
      ],
    ]
    for (const [values, expected] of table) {
      const headers = values.flatMap((value) => ['Connection', value])
      const nominated = findNominated(
        values.map(() => 'connection'),
        headers,
      )
      t.same(nominated && [...nominated], expected, values.join(' | '))
    }
    t.equal(findHeader(['a', 'b', 'b'], ['A', '1', 'B', '2', 'B', '3'], 'b'), '2')
    t.equal(findHeader(['a'], ['A', 'b'], 'b'), undefined)
    t.end()
  },
)

t.test('an answer passes without what was meant for us or would be taken for ours', (t) => {
  const filtered = filterResponseHeaders(
    [
      ...[
        'X-First',
        '1',
        'x-REQUEST-id',
        'theirs',
        'X_Request_Id',
        'theirs',
        'Set-Cookie',
        'a=\xe9',
      ],
      ...['Transfer-Encoding', 'chunked', 'X-Gone', '1', 'Connection', 'close, x-gone'],
      ...[
        'Keep-Alive',
        'timeout=5',
        'Upgrade',
        'h2',
        'Proxy-Authenticate',
        'Basic',
        'Trailer',
        'a',
      ],
      ...[
        'X-Sidegate-Error',
        'unauthorized',
        'x_sidegate.error',
        'unauthorized',
        'set-cookie',
        'b',
      ],
      ...['X-Authenticated-User', 'kept', 'bad name', 'x', 'Content-Length', '12'],
    ],
    'ours',
  )
  t.same(filtered.headers, [
    ...['X-First', '1', 'Set-Cookie', 'a=\xe9', 'set-cookie', 'b'],
    ...['X-Authenticated-User', 'kept', 'X-Request-Id', 'ours'],
  ])
  t.equal(filtered.contentLength, '12')
  t.end()
})

t.test('an upstream cannot take our request id away by nominating it', (t) => {
  const { headers } = filterResponseHeaders(['Connection', 'X-Request-Id'], 'ours')
  t.same(headers, ['X-Request-Id', 'ours'])
  t.end()
})

t.test('without an id of ours the one of the upstream passes', (t) => {
  t.same(filterResponseHeaders(['X-Request-Id', 'a', 'A', 'b']).headers, [
    ...['X-Request-Id', 'a', 'A', 'b'],
  ])
  t.end()
})

t.test('a length is told only if there is exactly one of plain digits', (t) => {
  const lengthOf = (...values: string[]): string | undefined =>
    filterResponseHeaders(values.flatMap((value) => ['content-length', value])).contentLength
  t.equal(lengthOf('0'), '0')
  for (const values of [[], [''], ['1', '1'], ['+1'], ['1,1'], ['0x1'], ['-1'], [' 1']]) {
    t.equal(lengthOf(...values), undefined, values.join('|'))
  }
  t.end()
})

t.test('in an answer letter case changes nothing, and order is kept', (t) => {
  const name = fc.constantFrom(
    ...[...hopByHopNames, 'content-length', 'x-sidegate-error', 'x-request-id', 'a', 'b', 'c_d'],
  )
  const isUpper = fc.array(fc.boolean(), { minLength: 30, maxLength: 30 })
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, isUpper), { maxLength: 12 }), (pairs) => {
        const written = pairs.flatMap(([lower, upper], at) => [
          Array.from(lower, (char, i) => (upper[i] === true ? char.toUpperCase() : char)).join(''),
          String(at),
        ])
        const plain = pairs.flatMap(([lower], at) => [lower, String(at)])
        const passed = filterResponseHeaders(written, 'id').headers
        const expected = filterResponseHeaders(plain, 'id').headers
        if (passed.join('\n').toLowerCase() !== expected.join('\n').toLowerCase()) {
          throw new Error(`${passed.join()} is not ${expected.join()}`)
        }
      }),
    )
  })
  t.end()
})
