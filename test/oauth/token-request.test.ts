import { generateKeyPairSync } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { createTokenRequest } from '../../src/oauth/token-request.ts'
import type { TokenRequest } from '../../src/oauth/token-request.ts'
import type { TokenDefinition } from '../../src/oauth/token-definition.ts'
import { Secret } from '../../src/secret.ts'
import { sampleDefinition } from './sample-definition.ts'

const now = Date.UTC(2026, 0, 1)

async function create(changes: Partial<TokenDefinition> = {}): Promise<TokenRequest> {
  const definition = sampleDefinition(changes)
  return await createTokenRequest(definition, definition.scopes, now)
}

function headerOf({ headers }: TokenRequest, name: string): string | undefined {
  return headers[headers.indexOf(name) + 1]
}

t.test(
  'a form has id, secret, grant type, scope and the extra fields, in this order',
  async (t) => {
    const request = await create({
      password: new Secret('s e&c=r%e+t*é'),
      extraFields: [
        ['audience', 'https://api.example.com'],
        ['2', ''],
        ['1', 'a b'],
      ],
    })
    t.equal(
      request.body.toString(),
      'client_id=my-client&client_secret=s+e%26c%3Dr%25e%2Bt*%C3%A9&grant_type=client_credentials' +
        '&scope=read%3Ausers+write%3Ausers&audience=https%3A%2F%2Fapi.example.com&2=&1=a+b',
    )
    t.equal(headerOf(request, 'Content-Type'), 'application/x-www-form-urlencoded')
    t.equal(headerOf(request, 'Content-Length'), String(request.body.length))
  },
)

t.test('JSON has the same fields in the same order, numbers as names too', async (t) => {
  const request = await create({
    dataFormat: 'json',
    password: new Secret('q"\\\n'),
    extraFields: [
      ['z', 'é'],
      ['2', '3600'],
      ['1', ''],
      ['__proto__', 'x'],
    ],
  })
  t.equal(
    request.body.toString(),
    '{"client_id":"my-client","client_secret":"q\\"\\\\\\n","grant_type":"client_credentials",' +
      '"scope":"read:users write:users","z":"é","2":"3600","1":"","__proto__":"x"}',
  )
  t.equal(headerOf(request, 'Content-Type'), 'application/json')
  t.equal(headerOf(request, 'Content-Length'), String(request.body.length))
})

t.test('the fields of id, secret and grant have the names that the definition gives', async (t) => {
  const { body } = await create({ clientIdField: 'u', clientSecretField: 'p', grantType: 'x:y' })
  t.equal(
    body.toString(),
    'u=my-client&p=client-secret-9f2c&grant_type=x%3Ay&scope=read%3Ausers+write%3Ausers',
  )
})

t.test('without scopes there is no scope field', async (t) => {
  t.notMatch((await create({ scopes: [] })).body.toString(), /scope/)
  t.notMatch((await create({ scopes: [], dataFormat: 'json' })).body.toString(), /scope/)
})

t.test('Basic carries both halves form-encoded, and the body has neither', async (t) => {
  const request = await create({
    clientAuth: 'basic',
    username: 'id:with colon',
    password: new Secret('p+w é%'),
  })
  t.equal(
    Buffer.from(headerOf(request, 'Authorization')?.slice(6) ?? '', 'base64').toString(),
    'id%3Awith+colon:p%2Bw+%C3%A9%25',
  )
  t.equal(request.body.toString(), 'grant_type=client_credentials&scope=read%3Ausers+write%3Ausers')
})

t.test('path and query of the URL go on the wire, and Host without a default port', async (t) => {
  const request = await create({ authServerUrl: 'https://auth.example.com:443/a%20b?x=1&y' })
  t.equal(request.path, '/a%20b?x=1&y')
  t.equal(headerOf(request, 'Host'), 'auth.example.com')
  t.equal(headerOf(request, 'Connection'), 'close')
  t.notOk(request.headers.includes('Accept-Encoding'), 'compression is not asked for')
})

const keys = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS512: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: generateKeyPairSync('ed25519'),
}

for (const [algorithm, { privateKey, publicKey }] of Object.entries(keys)) {
  t.test(`private_key_jwt sends an assertion signed with ${algorithm}, no secret`, async (t) => {
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const changes = {
      clientAuth: 'private_key_jwt' as const,
      password: undefined,
      privateKey: new Secret(pem),
      privateKeyId: 'key-1',
      algorithm,
      authServerUrl: 'https://auth.example.com/token',
    }
    const fields = new URLSearchParams((await create(changes)).body.toString())
    t.same(
      [...fields.keys()],
      ['client_id', 'grant_type', 'scope', 'client_assertion_type', 'client_assertion'],
    )
    t.equal(fields.get('client_id'), 'my-client')
    t.equal(
      fields.get('client_assertion_type'),
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    )
    const assertion = fields.get('client_assertion') ?? ''
    const { payload } = await jwtVerify(assertion, publicKey, { currentDate: new Date(now) })
    t.match(decodeProtectedHeader(assertion), { alg: algorithm, kid: 'key-1', typ: 'JWT' })
    t.match(payload, {
      iss: 'my-client',
      sub: 'my-client',
      aud: 'https://auth.example.com/token',
      iat: now / 1000,
      exp: now / 1000 + 60,
    })
    const again = new URLSearchParams((await create(changes)).body.toString())
    const second = await jwtVerify(again.get('client_assertion') ?? '', publicKey, {
      currentDate: new Date(now),
    })
    t.type(payload.jti, 'string')
    t.not(second.payload.jti, payload.jti, 'each has an identifier of its own')
  })
}

t.test('a key in the older PEM forms signs as well', async (t) => {
  const pem = keys.RS256.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  const request = await create({ clientAuth: 'private_key_jwt', privateKey: new Secret(pem) })
  const assertion = new URLSearchParams(request.body.toString()).get('client_assertion') ?? ''
  t.match(await jwtVerify(assertion, keys.RS256.publicKey, { currentDate: new Date(now) }), {})
  t.notOk('kid' in decodeProtectedHeader(assertion), 'no kid unless it is given')
})
