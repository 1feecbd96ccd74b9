import fc from 'fast-check'
import t from 'tap'
import {
  countOwn,
  createHeaderRules,
  forwardHeaders,
  isLoop,
  NO_RULES,
} from '../../src/egress/forward-headers.ts'
import type { HeaderRules, OutgoingHeaders } from '../../src/egress/forward-headers.ts'
import type { Credential } from '../../src/egress/injector.ts'
import { foldName } from '../../src/http/headers.ts'

const first = ['Host', 'api.example:8443']
const last = ['Via', '1.1 sidegate-a1']

function namesOf(headers: readonly string[]): string[] {
  return headers.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
}

function forward(
  headers: readonly string[],
  rules: HeaderRules = NO_RULES,
  change: Partial<OutgoingHeaders> = {},
): string[] {
  return forwardHeaders({
    headers,
    names: namesOf(headers),
    rules,
    credential: undefined,
    authority: 'api.example:8443',
    pseudonym: 'sidegate-a1',
    ...change,
  })
}

const credentialOf = (...headers: readonly string[]): Credential => ({
  headers,
  label: '',
  token: undefined,
})
const basic = credentialOf('Authorization', 'Basic ours')
const key = credentialOf('X-API-Key', 'ours')
const keyRules = createHeaderRules(['X-API-Key'], [])
const basicRules = createHeaderRules(['authorization'], [])

t.test('what is the app’s passes in its order, case and bytes, and ours follows', async (t) => {
  const headers = ['B', '1', 'a', '\xe9\xff', 'Cookie', 'x', 'B', '2', 'Authorization', 'own']
  t.same(forward(headers), [...first, ...headers, ...last])
  t.same(forward([]), [...first, ...last])
})

t.test('it is a list of its own: the one that came in is left as it is', async (t) => {
  const headers = Object.freeze(['A', '1', 'Host', 'x'])
  const rules = createHeaderRules([], [['X-Set', '1']])
  const once = forward(headers, rules)
  once.push('X-More', '1')
  t.same(forward(headers, rules), [...first, 'A', '1', 'X-Set', '1', ...last])
})

t.test('hop-by-hop headers, framing, Host, Expect and Proxy-* stay behind', async (t) => {
  const names = ['Connection', 'Keep-Alive', 'Proxy-Connection', 'TE', 'Transfer-Encoding']
  names.push('Upgrade', 'Trailer', 'HTTP2-Settings', 'Content-Length', 'Host', 'Expect')
  names.push('Proxy-Authorization', 'Proxy-Authenticate', 'Proxy-Anything', 'Proxy_Authorization')
  for (const name of names) {
    for (const spelling of [name, name.toUpperCase(), name.toLowerCase()]) {
      t.same(forward([spelling, '5']), [...first, ...last], spelling)
    }
  }
})

t.test('nothing that is for us leaves, in any spelling', async (t) => {
  const names = ['X-Sidegate-Scopes', 'x_sidegate_scopes', 'X.SIDEGATE.Anything', 'x-sidegate-']
  for (const name of names) t.same(forward([name, 'x']), [...first, ...last], name)
  t.same(forward(['X-Sidegat', 'x']), [...first, 'X-Sidegat', 'x', ...last])
})

t.test('a name that is no token is left out', async (t) => {
  for (const name of ['', 'a b', 'a:', '\xe9', 'a\r\nb']) {
    t.same(forward([name, 'x']), [...first, ...last], JSON.stringify(name))
  }
})

t.test('what Connection names goes, before or after it', async (t) => {
  const headers = ['X-A', '1', 'Connection', 'close, x-a', 'x-A', '2', 'X-B', '3']
  t.same(forward(headers), [...first, 'X-B', '3', ...last])
})

t.test('a header that the connection sets takes the place of the app’s', async (t) => {
  const rules = createHeaderRules(
    [],
    [
      ['X-Tenant', 'shop-7'],
      ['X-Tenant', 'second'],
      ['User_Agent', 'ours'],
    ],
  )
  const headers = ['x-tenant', 'a', 'X_TENANT', 'b', 'User-Agent', 'c', 'X-Tenants', 'd']
  t.same(forward(headers, rules), [
    ...[...first, 'X-Tenants', 'd'],
    ...['X-Tenant', 'shop-7', 'X-Tenant', 'second', 'User_Agent', 'ours'],
    ...last,
  ])
})

t.test('exactly one credential leaves, last and ours, whatever the app sent', async (t) => {
  const own = ['X-API-Key', 'own', 'x-api-key', 'own', 'X_API_KEY', 'own', 'x.api.key', 'own']
  t.same(forward(own, keyRules, { credential: key }), [...first, 'X-API-Key', 'ours', ...last])
  const authorizations = ['Authorization', 'own', 'AUTHORIZATION', 'own']
  t.same(forward(authorizations, basicRules, { credential: basic }), [
    ...[...first, 'Authorization', 'Basic ours'],
    ...last,
  ])
  t.same(
    forward(authorizations, keyRules, { credential: key }),
    [...first, ...authorizations, 'X-API-Key', 'ours', ...last],
    'another header than that of the definition is the app’s own business',
  )
})

t.test('a set header never follows the credential, nor stands for it', async (t) => {
  const rules = createHeaderRules(['X-API-Key'], [['X-Tenant', 'shop-7']])
  t.same(forward(['X-Api-Key', 'own'], rules, { credential: key }), [
    ...[...first, 'X-Tenant', 'shop-7', 'X-API-Key', 'ours'],
    ...last,
  ])
})

// NTLM: a connection logs in, and a header of the app would break into its handshake.
t.test(
  'a credential without a value takes the app’s own away and puts nothing there',
  async (t) => {
    const credential = credentialOf()
    const headers = ['Authorization', 'NTLM x', 'X-A', '1']
    t.same(forward(headers, basicRules, { credential }), [...first, 'X-A', '1', ...last])
  },
)

t.test('where the app’s own stays, it stays as it is', async (t) => {
  t.same(forward(['x_api_key', 'own'], keyRules), [...first, 'x_api_key', 'own', ...last])
  t.same(forward(['Authorization', 'own'], basicRules), [...first, 'Authorization', 'own', ...last])
})

// Attack: `Connection: authorization` lets the check see a credential that then does not leave.
t.test('and naming it in Connection does not take it away unseen', async (t) => {
  for (const [name, rules] of [
    ['Authorization', basicRules],
    ['X-API-Key', keyRules],
  ] as const) {
    const headers = ['Connection', `close, ${name}, X-B`, name, 'own', 'X-B', '1']
    t.same(forward(headers, rules), [...first, name, 'own', ...last], name)
    t.same(forward(headers, NO_RULES), [...first, ...last], 'where no definition owns it, it goes')
    const credential = credentialOf(name, 'ours')
    t.same(forward(headers, rules, { credential }), [...first, name, 'ours', ...last])
  }
})

t.test('Via is added to what is there, not put in its place', async (t) => {
  const headers = ['Via', '1.0 front.example']
  t.same(forward(headers), [...first, ...headers, ...last])
})

t.test('the app’s own headers in the slot are counted in any spelling', async (t) => {
  const names = ['x-api-key', 'x_api_key', 'x.api.key', 'x-api-keys', 'authorization']
  t.equal(countOwn(names, new Set(['x-api-key'])), 3)
  t.equal(countOwn(names, new Set(['authorization'])), 1)
  t.equal(countOwn([], new Set(['authorization'])), 0)
  t.equal(countOwn(names, new Set(['authorization', 'x-api-key'])), 3, 'the most of several')
  t.same([...createHeaderRules(['X_API.Key'], []).slots], ['x-api-key'], 'as the rules have it')
})

t.test('our pseudonym in any Via is a loop, another’s is none', async (t) => {
  const loops = (...headers: string[]) => isLoop(namesOf(headers), headers, 'sidegate-a1')
  t.ok(loops('Via', '1.1 sidegate-a1'))
  t.ok(loops('X-A', '1', 'Via', '1.0 front.example, 1.1 sidegate-a1 (comment)'))
  t.ok(loops('Via', '1.1 front', 'VIA', '1.1 sidegate-a1'), 'not in the first one alone')
  t.notOk(loops('Via', '1.1 sidegate-b2'))
  t.notOk(loops('X-Via', '1.1 sidegate-a1'))
  t.notOk(loops())
})

t.test(
  'whatever the app sends, one credential, one Host and nothing for proxies leaves',
  async () => {
    const name = fc.constantFrom(
      ...['Authorization', 'X-API-Key', 'x_api_key', 'Host', 'Connection', 'Proxy-Authorization'],
      ...['X-Sidegate-Scopes', 'Transfer-Encoding', 'Content-Length', 'X-A', 'Cookie', 'Via', 'TE'],
    )
    const value = fc.constantFrom('own', 'close, x-api-key', 'x-a, host, via', 'chunked', '')
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), fc.boolean(), (pairs, adds) => {
        const credential = adds ? key : undefined
        const sent = forward(pairs.flat(), keyRules, { credential })
        const names = namesOf(sent).map(foldName)
        const count = (wanted: string) => names.filter((each) => each === wanted).length
        const own = pairs.filter(([each]) => foldName(each) === 'x-api-key').length
        const forbidden = ['connection', 'te', 'transfer-encoding', 'content-length']
        return (
          count('host') === 1 &&
          count('x-api-key') === (adds ? 1 : own) &&
          (!adds || sent[sent.lastIndexOf('X-API-Key') + 1] === 'ours') &&
          !names.some((each) => forbidden.includes(each)) &&
          !names.some((each) => each.startsWith('proxy-') || each.startsWith('x-sidegate-'))
        )
      }),
    )
  },
)
